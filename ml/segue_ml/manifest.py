"""The manifest of a snapshot, beside what came of it: a job learns from the files that the features wrote, whole, or not at all."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path

from .errors import SegueError

MANIFEST = "manifest.json"
VERSION = 1


def check_snapshot(folder: Path, channels: Iterable[str], found: dict[str, str]) -> None:
    """Holds the digests that were `found` of these channels' files (`<channel>/<file>`: SHA-256) against the channel
    `manifest`; without it nothing is checked. Raises SegueError naming the file that is missing, strange or another, or the
    field of a manifest that is none."""
    file = folder / MANIFEST
    if not file.is_file():
        return
    promised = {name: digest for name, digest in _read(file).items() if name.partition("/")[0] in set(channels)}
    for name in sorted(promised.keys() | found.keys()):
        if name not in found:
            raise SegueError(f"manifest: {name} is in it and not in its channel; build the features again")
        if name not in promised:
            raise SegueError(f"manifest: {name} is in its channel and not in it; build the features again")
        if promised[name] != found[name]:
            raise SegueError(f"manifest: {name} is not the file that the features wrote; build them again")


def _read(file: Path) -> dict[str, str]:
    """Digests of the snapshot's Parquet files by `<table>/<file>`."""
    try:
        manifest = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise SegueError(f"manifest: cannot read {file}: {error}") from error
    version = manifest.get("schemaVersion") if isinstance(manifest, dict) else None
    if version != VERSION:
        raise SegueError(f"manifest: schemaVersion is {version!r}; this code reads {VERSION}")
    try:
        files = {str(part["key"]).split("/", 2)[2]: str(part["sha256"]) for part in manifest["files"]}
    except (KeyError, TypeError, IndexError) as error:
        raise SegueError(f"manifest: files is not a list of key, rows and sha256: {type(error).__name__}: {error}") from error
    return {name: digest for name, digest in files.items() if name.endswith(".parquet")}

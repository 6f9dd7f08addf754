"""Checkpoints of the training job, so that one that was killed (a spot interruption) goes on where it was.

SageMaker copies what appears in the folder to S3 and puts it back before the job starts again:
https://docs.aws.amazon.com/sagemaker/latest/dg/model-checkpoints.html
Each file is whole or absent (written beside, then renamed), and says of which data, code and hyperparameters it is.
"""

from __future__ import annotations

import hashlib
import json
import os
import time
import zipfile
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from .ials import Settings
from .runtime import Ticker, say

SECONDS = 20.0  # between two writes of one training's state


def digests_of(files: Iterable[tuple[str, Path]]) -> dict[str, str]:
    """SHA-256 of each file by the name it is given."""
    found = {}
    for name, path in files:
        own = hashlib.sha256()
        with path.open("rb") as source:
            while part := source.read(1 << 20):
                own.update(part)
        found[name] = own.hexdigest()
    return found


def together(digests: dict[str, str]) -> str:
    """SHA-256 over files' names and digests, in order of name."""
    return hashlib.sha256("".join(f"{name} {own}\n" for name, own in sorted(digests.items())).encode()).hexdigest()


def data_digests(channels: dict[str, Path]) -> dict[str, str]:
    """Of the Parquet files of the channels, `<channel>/<file>`: the same wherever the snapshot lies."""
    return digests_of(
        (f"{name}/{path.relative_to(folder).as_posix()}", path)
        for name, folder in channels.items()
        for path in folder.rglob("*.parquet")
    )


def code_digest() -> str:
    """Of this package's own files."""
    own = Path(__file__).resolve().parent
    return together(digests_of((path.name, path) for path in own.glob("*.py")))


class Checkpoints:
    """The folder of one job. What is in it of another identity (data, code, hyperparameters) is not used, and said so."""

    def __init__(self, folder: Path | None, identity: dict[str, object], seconds: float = SECONDS) -> None:
        self._folder, self._seconds = folder, seconds
        self._identity = hashlib.sha256(json.dumps(identity, sort_keys=True).encode()).hexdigest()
        self._unsaved: Sweeps | None = None

    def settings(self) -> Settings | None:
        """The settings that were chosen before the interruption."""
        path = self._path("settings.json")
        if path is None or not path.is_file():
            return None
        try:
            kept = json.loads(path.read_text(encoding="utf-8"))
            if not self._ours(path, str(kept["identity"])):
                return None
            found = Settings(**kept["settings"]).check()
        except (OSError, ValueError, KeyError, TypeError) as error:
            return self._damaged(path, error)
        say(f"checkpoint: settings taken from {path.name}")
        return found

    def keep_settings(self, settings: Settings) -> None:
        path = self._path("settings.json")
        if path is not None:
            text = json.dumps({"identity": self._identity, "settings": settings.as_dict()})
            _replace(path, lambda part: part.write_text(text, encoding="utf-8"))

    def sweeps(self, name: str, settings: Settings) -> Sweeps:
        """Keeps the state of the training called `name` with these settings."""
        return Sweeps(self, name, settings)

    def flush(self) -> None:
        """Writes the last state that was not due yet: what to do when told to stop."""
        if self._unsaved:
            self._unsaved.write()

    def load(self, name: str, settings: Settings) -> tuple[int, Tensor, Tensor] | None:
        path = self._path(f"{name}.npz")
        if path is None or not path.is_file():
            return None
        try:
            with np.load(path, allow_pickle=False) as kept:
                if not self._ours(path, str(kept["identity"])) or str(kept["settings"]) != _text(settings):
                    return None
                state = int(kept["sweep"]), torch.from_numpy(kept["artists"]), torch.from_numpy(kept["spectrum"])
        except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile) as error:
            return self._damaged(path, error)
        say(f"checkpoint: {name} goes on after sweep {state[0]} of {settings.sweeps}")
        return state

    def store(self, name: str, settings: Settings, sweep: int, artists: Tensor, spectrum: Tensor) -> None:
        path = self._path(f"{name}.npz")
        if path is None:
            return

        def write(part: Path) -> None:
            with part.open("wb") as out:
                np.savez(
                    out,
                    identity=self._identity,
                    settings=_text(settings),
                    sweep=sweep,
                    artists=artists.cpu().numpy(),
                    spectrum=spectrum.cpu().numpy(),
                )

        _replace(path, write)

    def waiting(self, sweeps: Sweeps | None) -> None:
        self._unsaved = sweeps

    @property
    def pause(self) -> float:
        return self._seconds

    def _path(self, name: str) -> Path | None:
        return None if self._folder is None else self._folder / name

    def _ours(self, path: Path, identity: str) -> bool:
        if identity == self._identity:
            return True
        say(f"checkpoint: {path.name} is of other data, code or hyperparameters: not used")
        return False

    def _damaged(self, path: Path, error: Exception) -> None:
        say(f"checkpoint: {path.name} cannot be read ({type(error).__name__}): not used")


class Sweeps:
    """The state of one training, as `ials.train` gives and takes it."""

    def __init__(self, folder: Checkpoints, name: str, settings: Settings) -> None:
        self._folder, self._name, self._settings = folder, name, settings
        self._last: tuple[int, Tensor, Tensor] | None = None
        self._written = time.monotonic()
        self._tell = Ticker()

    def begin(self) -> tuple[int, Tensor, Tensor] | None:
        return self._folder.load(self._name, self._settings)

    def done(self, sweep: int, artists: Tensor, spectrum: Tensor) -> None:
        """Written when the last write is long enough ago, and after the last sweep."""
        self._last = (sweep, artists, spectrum)
        self._tell(f"{self._name}: sweep {sweep} of {self._settings.sweeps}")
        self._folder.waiting(self)
        if sweep == self._settings.sweeps or time.monotonic() - self._written >= self._folder.pause:
            self.write()

    def write(self) -> None:
        if self._last is not None:
            self._folder.store(self._name, self._settings, *self._last)
            self._written, self._last = time.monotonic(), None
            self._folder.waiting(None)


def _text(settings: Settings) -> str:
    return json.dumps(settings.as_dict(), sort_keys=True)


def _replace(path: Path, write) -> None:
    """The file appears whole, also when the process dies while it is written."""
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f".{path.name}.part")
    write(part)
    with part.open("rb") as written:
        os.fsync(written.fileno())
    part.replace(path)

"""How Batch Transform cuts an object into request bodies and joins the answers."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from .errors import JobFailure

MEGABYTE = 1024 * 1024


def payloads(file: Path, *, split: str, strategy: str, limit_mb: int) -> Iterator[bytes]:
    """The bodies of one input object.

    `split` Line cuts at newlines; `strategy` MultiRecord then packs as many lines as fit into `limit_mb`, SingleRecord
    sends one a time. Without a split the object is one body. Raises JobFailure when a record is larger than the limit.
    """
    limit = limit_mb * MEGABYTE
    if split == "None":
        if file.stat().st_size > limit:
            raise _too_large(file)
        yield file.read_bytes()
        return
    gathered: list[bytes] = []
    size = 0
    with file.open("rb") as lines:
        for line in lines:
            if len(line) > limit:
                raise _too_large(file)
            if gathered and (strategy == "SingleRecord" or size + len(line) > limit):
                yield b"".join(gathered)
                gathered, size = [], 0
            gathered.append(line)
            size += len(line)
    if gathered:
        yield b"".join(gathered)


def assembled(answer: bytes, assemble: str) -> bytes:
    """An answer as it goes into the output object: with `Line`, ended by a newline."""
    return answer + b"\n" if assemble == "Line" and not answer.endswith(b"\n") else answer


def _too_large(file: Path) -> JobFailure:
    return JobFailure(f"ClientError: a record of {file.name} is larger than MaxPayloadInMB")

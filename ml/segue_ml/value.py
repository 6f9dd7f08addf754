"""The packed list of one listener or segment, format version 1 (docs/formats.md, "Value, version 1")."""

from __future__ import annotations

import hashlib
import math
import struct
from dataclasses import dataclass, field

SOURCES = ("personal", "segment", "popular", "similar")
VERSION, HEADER = 1, struct.Struct("<BBBBII")
MAX_ITEMS, MAX_REASON_ARTISTS, MAX_ARTIST, MAX_U32 = 100, 15, 0xFFFFFF, 0xFFFFFFFF


class ValueFormatError(ValueError):
    """A value that is not version 1 or does not fit it; `field` names what is wrong."""

    def __init__(self, field_name: str, message: str) -> None:
        super().__init__(f"value: {field_name}: {message}")
        self.field = field_name


@dataclass(frozen=True)
class Value:
    """`artists`, `scores` and `reasons` run in step; a reason is 0 for none, else index + 1 into `reason_artists`."""

    source: str
    generated_at: int
    release_tag: int
    artists: list[int] = field(default_factory=list)
    scores: list[float] = field(default_factory=list)
    reasons: list[int] = field(default_factory=list)
    reason_artists: list[int] = field(default_factory=list)


def release_tag(release: str) -> int:
    """First four bytes of SHA-256 of the release id, read little-endian."""
    return int.from_bytes(hashlib.sha256(release.encode()).digest()[:4], "little")


def quantise(score: float) -> int:
    """The byte of a score in [-1, 1]: round((score + 1) × 127.5), halves up."""
    return math.floor((score + 1) * 127.5 + 0.5)


def encode(value: Value) -> bytes:
    """Raises ValueFormatError when a field does not fit the format."""
    count, reasons = len(value.artists), len(value.reason_artists)
    _check(value.source in SOURCES, "source", f"{value.source} is not one of {', '.join(SOURCES)}")
    _check(count <= MAX_ITEMS, "artists", f"{count} items, at most {MAX_ITEMS} fit")
    _check(reasons <= MAX_REASON_ARTISTS, "reasonArtists", f"{reasons}, at most {MAX_REASON_ARTISTS} fit")
    _check(len(value.scores) == count, "scores", f"{len(value.scores)} scores for {count} artists")
    _check(len(value.reasons) == count, "reasons", f"{len(value.reasons)} reasons for {count} artists")
    _check(_whole(value.generated_at, 0, MAX_U32), "generatedAt", f"{value.generated_at} is not seconds since 1970")
    _check(_whole(value.release_tag, 0, MAX_U32), "releaseTag", f"{value.release_tag} is not an unsigned 32-bit number")
    for score in value.scores:
        _check(-1 <= score <= 1, "scores", f"{score} is not in [-1, 1]")
    for reason in value.reasons:
        _check_reason(reason, reasons)
    padded = [*value.reasons, 0] if count % 2 else value.reasons
    return b"".join(
        (
            HEADER.pack(VERSION, SOURCES.index(value.source), count, reasons, value.generated_at, value.release_tag),
            _pack_artists(value.artists, "artists"),
            bytes(quantise(score) for score in value.scores),
            bytes(low | high << 4 for low, high in zip(padded[::2], padded[1::2], strict=True)),
            _pack_artists(value.reason_artists, "reasonArtists"),
        )
    )


def decode(data: bytes) -> Value:
    """Reads exactly what `encode` writes. Raises ValueFormatError for another version, a wrong length, an unknown
    source, an impossible artist or reason."""
    _check(len(data) >= HEADER.size, "length", f"{len(data)} bytes, the header alone has {HEADER.size}")
    version, source, count, reasons, generated_at, tag = HEADER.unpack_from(data)
    _check(version == VERSION, "version", f"{version} is unknown, this code reads version {VERSION}")
    _check(source < len(SOURCES), "source", f"code {source} is unknown")
    _check(count <= MAX_ITEMS, "artists", f"{count} items, at most {MAX_ITEMS} are allowed")
    _check(reasons <= MAX_REASON_ARTISTS, "reasonArtists", f"{reasons}, at most {MAX_REASON_ARTISTS} are allowed")
    scores_at = HEADER.size + 3 * count
    reasons_at = scores_at + count
    names_at = reasons_at + (count + 1) // 2
    length = names_at + 3 * reasons
    _check(len(data) == length, "length", f"{len(data)} bytes where the counts say {length}")
    nibbles = [half for byte in data[reasons_at:names_at] for half in (byte & 15, byte >> 4)]
    _check(count % 2 == 0 or nibbles[-1] == 0, "reasons", "the unused half of the last byte is not 0")
    for reason in nibbles:
        _check_reason(reason, reasons)
    return Value(
        SOURCES[source],
        generated_at,
        tag,
        _unpack_artists(data[HEADER.size : scores_at], "artists"),
        [byte / 127.5 - 1 for byte in data[scores_at:reasons_at]],
        nibbles[:count],
        _unpack_artists(data[names_at:], "reasonArtists"),
    )


def _check(holds: bool, field_name: str, message: str) -> None:
    if not holds:
        raise ValueFormatError(field_name, message)


def _whole(number: object, low: int, high: int) -> bool:
    return isinstance(number, int) and not isinstance(number, bool) and low <= number <= high


def _check_artist(artist: int, field_name: str) -> int:
    _check(_whole(artist, 1, MAX_ARTIST), field_name, f"{artist} is not an artist number (1 … {MAX_ARTIST})")
    return artist


def _check_reason(reason: int, reasons: int) -> None:
    _check(_whole(reason, 0, reasons), "reasons", f"{reason} points past the {reasons} reason artists")


def _pack_artists(artists: list[int], field_name: str) -> bytes:
    return b"".join(_check_artist(artist, field_name).to_bytes(3, "little") for artist in artists)


def _unpack_artists(data: bytes, field_name: str) -> list[int]:
    return [_check_artist(int.from_bytes(data[at : at + 3], "little"), field_name) for at in range(0, len(data), 3)]

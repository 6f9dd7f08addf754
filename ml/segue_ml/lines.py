"""The lines of a scoring file (docs/formats.md, "Batch Transform"), read and checked."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from .errors import SegueError
from .segments import segment_of
from .value import MAX_ARTIST

# Of the vectors that serving loads; a part's line stays below the 4 MiB that publishing takes up to rank 4,096.
PART_ARTISTS = 512
MOST_PARTS = 16
ID = re.compile(r"[A-Za-z0-9_-]{1,64}")
SEGMENT = re.compile(r"@(?:[0-9]{1,2}-[0-9]{1,2}|65\+)?/(?:[A-Z]{2}(?:-[A-Za-z0-9]{1,8})?)?")
# Of a listener's entries, one a day and artist: the least and the most, and whether it must be whole. The last five may be
# missing, where all of them are 0.
COLUMNS: dict[str, tuple[float, float, bool]] = {
    "artists": (1, MAX_ARTIST, True),
    "days": (0, 100_000, True),
    "heard": (0, 1e9, False),
    "likes": (0, 1e9, True),
    "clicks": (0, 1e9, True),
    "skips": (0, 1e9, True),
    "passed": (-1e9, 1e9, True),
}
NEEDED = ("artists", "days")
LISTENER_FIELDS = {"listenerId", "ageGroup", "place", *COLUMNS}


class LineError(SegueError):
    """A line of input that cannot be scored; the message names the line and the field."""

    def __init__(self, line: int, field: str, message: str) -> None:
        super().__init__(f"line {line}: {field}: {message}")


@dataclass(frozen=True)
class Request:
    """A listener (with artist numbers and entries); else a segment, artist or part of the vectors asked for by name."""

    name: str
    listener: bool
    segment: str
    artists: list[int]
    #: COLUMNS of the listener's entries, float64 [7, entries].
    entries: np.ndarray | None = None
    #: Ids of the artists: of one whose similar artists are asked for, or of all of a part of the vectors.
    ids: tuple[str, ...] = ()


def parse(line: bytes, number: int) -> Request:
    """One line of a scoring file. Raises LineError naming what is wrong: a wrong list is worse than none."""

    def need(holds: bool, field: str, message: str) -> None:
        if not holds:
            raise LineError(number, field, message)

    try:
        record = json.loads(line)
    except ValueError as error:
        raise LineError(number, "json", str(error)) from None
    need(isinstance(record, dict), "json", "not an object")
    if "segment" in record:
        segment = record["segment"]
        need(isinstance(segment, str) and bool(SEGMENT.fullmatch(segment)), "segment", f"{segment!r} is not a segment")
        need(len(record) == 1, "segment", "stands alone in its line")
        return Request(segment, False, segment, [])
    if "artist" in record or "vectors" in record:
        return _of_artists(record, need)
    for field in record:
        need(field in LISTENER_FIELDS, field, "unknown field")
    name = record.get("listenerId")
    need(isinstance(name, str) and bool(ID.fullmatch(name)), "listenerId", f"{name!r} is not a listener id")
    entries = _entries(record, need)
    artists = list(dict.fromkeys(record["artists"]))
    age_group, place = record.get("ageGroup") or "", record.get("place") or ""
    segment = f"@{age_group}/{place}"
    need(bool(SEGMENT.fullmatch(segment)), "ageGroup or place", f"{age_group!r}, {place!r} make no segment")
    return Request(name, True, segment_of(age_group, place), artists, entries)


def _entries(record: dict, need: Callable[[bool, str, str], None]) -> np.ndarray:
    for name in NEEDED:
        need(isinstance(record.get(name), list), name, "not a list")
    count = len(record["artists"])
    entries = np.zeros((len(COLUMNS), count))
    for row, (name, (least, most, whole)) in enumerate(COLUMNS.items()):
        if name not in record:
            continue
        values = record[name]
        need(isinstance(values, list), name, "not a list")
        need(len(values) == count, name, f"{len(values)} values for {count} artists")
        kinds = {int} if whole else {int, float}
        if not (set(map(type, values)) <= kinds and all(least <= value <= most for value in values)):
            wrong = next(value for value in values if type(value) not in kinds or not least <= value <= most)
            need(False, name, f"{wrong!r} is not a {'whole ' if whole else ''}number from {least:g} to {most:g}")
        entries[row] = values
    days = set(zip(record["artists"], record["days"], strict=True))
    need(len(days) == count, "days", "a day of an artist is listed twice")
    return entries


def _of_artists(record: dict, need: Callable[[bool, str, str], None]) -> Request:
    """`{"artist":17,"artistId":"a17"}`, or `{"vectors":0,"artists":[[17,"a17"],…]}`."""

    def artist(number: object, name: object, field: str) -> tuple[int, str]:
        fits = type(number) is int and 1 <= number <= MAX_ARTIST and isinstance(name, str) and bool(ID.fullmatch(name))
        need(fits, field, f"{number!r}, {name!r} is not an artist's number and id")
        return number, name

    if "artist" in record:
        need(set(record) == {"artist", "artistId"}, "artist", "stands with artistId alone")
        number, name = artist(record["artist"], record["artistId"], "artist")
        return Request(f"~{name}", False, "", [number], ids=(name,))
    part, pairs = record["vectors"], record.get("artists")
    need(set(record) == {"vectors", "artists"}, "vectors", "stands with artists alone")
    need(type(part) is int and 0 <= part < MOST_PARTS, "vectors", f"{part!r} is not a number from 0 to {MOST_PARTS - 1}")
    fits = isinstance(pairs, list) and len(pairs) <= PART_ARTISTS and all(
        isinstance(pair, list) and len(pair) == 2 for pair in pairs
    )
    need(fits, "artists", f"not a list of {PART_ARTISTS} pairs of number and id at most")
    found = [artist(*pair, "artists") for pair in pairs]
    return Request(f"#{part}", False, "", [number for number, _ in found], ids=tuple(name for _, name in found))

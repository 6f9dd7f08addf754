"""Interactions that do not fit into memory, or are shared by processes: spilled to disk by listener, packed for solving.

A listener belongs to a bucket by a hash of the id, a bucket to a process. Every process streams the files, a batch at a
time, and spills what is its own. Packing then reads bucket by bucket: the listeners' rows stay with their process, and each
pair also goes to the process of its artist (artist position modulo processes). Packed rows lie on disk too, in passes:
what is solved at one time, with the rows of the other side that it needs. So memory follows the factors, not the
interactions; `footprint` has the formula.
"""

from __future__ import annotations

import hashlib
import io
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import torch

from .data import count_rows, read_catalogue, require_two, stream_interactions
from .errors import SegueError
from .group import Group
from .conjugate import NearRows
from .ials import Ridge, Rows, Settings, rows_of
from .pairs import Pairs
from .runtime import Ticker

PAIRS = 1 << 19  # of one bucket, and of one pass
SPILLED = np.dtype([("listener", "<u8"), ("artist", "<i4"), ("weight", "<f4"), ("time", "<i8")])
TURNED = np.dtype([("artist", "<i4"), ("listener", "<i8"), ("weight", "<f4")])
UNIT = 2.0**-32


def listener_keys(table: pa.Table) -> np.ndarray:
    """64 bits of each row's listener id (BLAKE2b). Among 100 million listeners two share one with odds of 1 in 3,700."""
    encoded = table["listener_id"].cast(pa.string()).combine_chunks().dictionary_encode()
    if isinstance(encoded, pa.ChunkedArray):
        encoded = encoded.combine_chunks()
    hashes = [hashlib.blake2b(name.encode(), digest_size=8).digest() for name in encoded.dictionary.to_pylist()]
    return np.frombuffer(b"".join(hashes), "<u8")[encoded.indices.to_numpy()]


def sampled(table: pa.Table, share: float) -> np.ndarray:
    """Whether a row's listener is in the sample (bool [rows]): `share` of all listeners, by other bits than the buckets'."""
    return (listener_keys(table) >> np.uint64(32)) * UNIT < share


class Spool:
    """Objects on disk, written once and read one at a time."""

    def __init__(self, path: Path) -> None:
        self._file = path.open("w+b")
        self._ends: list[int] = [0]

    def add(self, thing: Any) -> None:
        self._file.seek(self._ends[-1])
        torch.save(thing, self._file)
        self._ends.append(self._file.tell())

    def __len__(self) -> int:
        return len(self._ends) - 1

    def __getitem__(self, at: int) -> Any:
        self._file.seek(self._ends[at])
        content = io.BytesIO(self._file.read(self._ends[at + 1] - self._ends[at]))
        # Our own file of this run: it may hold more than tensors.
        return torch.load(content, weights_only=False)

    def close(self) -> None:
        self._file.close()


@dataclass(frozen=True)
class Pass:
    """Rows solved at one time: those from `first` on of the process' own. They count the other side by its position in a
    table that is gathered first: listeners from the artists at `wanted`; artists from the processes' listeners, of which
    this one sends those at `wanted`, `to[q]` of them to process q, and gets `coming[q]`."""

    first: int
    rows: Rows | NearRows
    wanted: torch.Tensor
    to: list[int]
    coming: list[int]


@dataclass(frozen=True)
class Packed:
    """Both sides of one training. `listeners` are all in the data, `own_listeners` this process', `artists` those with an
    interaction, `own_counts` the listeners of each of this process' artists; `pairs` are all that are trained on."""

    listeners: int
    own_listeners: int
    artists: int
    own_counts: np.ndarray
    pairs: int
    ridge: Ridge
    by_listener: Spool
    by_artist: Spool

    def close(self) -> None:
        self.by_listener.close()
        self.by_artist.close()


def footprint(listeners: int, artists: int, rank: int, processes: int, widest: int, most_pairs: int = PAIRS) -> int:
    """Bytes that one process needs beyond Python and its libraries, at most, on a CPU:

    4 · rank · (1.1 · listeners / processes + 5 · artists + 4 · F) + 200 · most_pairs + 2 · 10⁸

    where F = min(listeners, most_pairs + widest) are the vectors that a pass gathers and `widest` the listeners of the
    most played artist. Interactions are not in it: they lie on disk."""
    gathered = min(listeners, most_pairs + widest)
    vectors = 1.1 * listeners / processes + 5 * artists + 4 * gathered
    return int(4 * rank * vectors + 200 * most_pairs + 2e8)


class Spill:
    """This process' share of the interactions, on disk by bucket, and what is known of all of them. `folder` is this
    process' own, and empty."""

    def __init__(self, interactions: Path, artists: Path, folder: Path, group: Group, most_pairs: int = PAIRS) -> None:
        self._folder, self._group = folder, group
        self.total = count_rows(interactions)
        self._buckets = max(1, -(-self.total // (group.size * most_pairs)))
        known = read_catalogue(artists)
        plays = np.zeros(len(known), np.int64)
        moments: list[int] = []
        waiting: list[np.ndarray] = []
        tell, done = Ticker(), 0
        for table, numbers, weights, times in stream_interactions(interactions, known):
            at = np.searchsorted(known, numbers)
            plays += np.bincount(at, minlength=len(known))
            moments = [min([*moments, int(times.min())]), max([*moments, int(times.max())])]
            done += len(times)
            if group.first:
                tell(f"read {done:,} of {self.total:,} interactions")
            keys = listener_keys(table)
            own = keys % np.uint64(group.size) == group.rank
            records = np.empty(int(own.sum()), SPILLED)
            records["listener"], records["artist"] = keys[own], at[own]
            records["weight"], records["time"] = weights[own], times[own]
            waiting.append(records)
            if sum(map(len, waiting)) >= most_pairs:
                self._write(waiting)
        self._write(waiting)
        if not plays.any():
            raise SegueError(f"interactions: no rows in {interactions}")
        self.first, self.last = moments
        self.artist_numbers = known[plays > 0].astype(np.int32)
        self._position = (np.cumsum(plays > 0) - 1).astype(np.int32)
        # Artists of this process in ranges of about as many rows as a bucket has.
        own_plays = plays[plays > 0][group.rank :: group.size]
        self._range = (np.cumsum(own_plays) - own_plays) // most_pairs
        self._range = np.unique(self._range, return_inverse=True)[1]

    def _write(self, waiting: list[np.ndarray]) -> None:
        if not waiting:
            return
        records = np.concatenate(waiting)
        waiting.clear()
        bucket = records["listener"] // np.uint64(self._group.size) % np.uint64(self._buckets)
        _scatter(records, bucket.astype(np.int64), self._folder / "listeners")

    def pack(self, settings: Settings, device: torch.device, before: int | None = None) -> Packed:
        """Rows of both sides, of the interactions before a moment (ms) or of all."""
        group, width = self._group, len(self.artist_numbers)
        by_listener, base = Spool(self._folder / "by-listener"), 0
        totals = np.zeros(4)  # listeners, those with pairs, the sum of their sizes for the ridge, pairs
        for stale in self._folder.glob("artists-*"):
            stale.unlink()
        for bucket in range(self._buckets):
            records = _read(self._folder / f"listeners-{bucket}", SPILLED)
            ids, rows = np.unique(records["listener"], return_inverse=True)
            use = records["weight"] > 0
            if before is not None:
                use &= records["time"] < before
            columns = self._position[records["artist"][use]]
            pairs = Pairs.build(rows[use], columns, records["weight"][use], (len(ids), width))
            used, local = np.unique(pairs.columns, return_inverse=True)
            packed = Pairs(pairs.starts, local.astype(np.int32), pairs.values, len(used))
            rows_here = rows_of(packed, settings, device)
            by_listener.add(Pass(base, rows_here, torch.from_numpy(used.astype(np.int64)), [], []))
            sizes = Ridge.sizes(settings, pairs.lengths, width)
            totals += (len(ids), len(sizes), sizes.sum(), pairs.count)
            self._turn(pairs, base, device)
            base += len(ids)
        listeners, active, size, count = group.sum(torch.from_numpy(totals).to(device)).tolist()
        require_two(int(listeners), width)
        if not count:
            raise SegueError("interactions: none with a weight above 0; nothing to train on")
        by_artist, counts = self._by_artist(settings, device)
        sizes = Ridge.sizes(settings, counts, int(listeners))
        artists = group.sum(torch.tensor([len(sizes), sizes.sum()], dtype=torch.float64, device=device)).tolist()
        ridge = Ridge.between(settings, size / active, artists[1] / artists[0])
        return Packed(int(listeners), base, width, counts, int(count), ridge, by_listener, by_artist)

    def _turn(self, pairs: Pairs, base: int, device: torch.device) -> None:
        """Sends a bucket's pairs to the processes of their artists, and spills what comes."""
        group = self._group
        owner = pairs.columns % group.size
        order = np.argsort(owner, kind="stable")
        moved = np.empty((pairs.count, 3), np.int64)
        moved[:, 0] = pairs.columns // group.size
        moved[:, 1] = (base + pairs.rows.astype(np.int64)) * group.size + group.rank
        moved[:, 2] = pairs.values.view(np.int32)
        to = np.bincount(owner, minlength=group.size).tolist()
        came = group.exchange(torch.from_numpy(moved[order]).to(device), to)[0].cpu().numpy()
        records = np.empty(len(came), TURNED)
        records["artist"], records["listener"] = came[:, 0], came[:, 1]
        records["weight"] = came[:, 2].astype(np.int32).view(np.float32)
        _scatter(records, self._range[records["artist"]], self._folder / "artists")

    def _by_artist(self, settings: Settings, device: torch.device) -> tuple[Spool, np.ndarray]:
        """The artists' passes, as many in every process, and how many listeners each of this one's artists has."""
        group, spool = self._group, Spool(self._folder / "by-artist")
        counts = np.zeros(len(self._range), np.int64)
        ranges = int(self._range.max(initial=-1)) + 1
        for number in range(group.most(ranges, device)):
            records = _read(self._folder / f"artists-{number}", TURNED)
            own = np.flatnonzero(self._range == number)
            first = int(own[0]) if len(own) else 0
            # Listeners by process, as they come: the number of a listener is place × processes + process.
            process, place = records["listener"] % group.size, records["listener"] // group.size
            wanted, columns = np.unique(process << 40 | place, return_inverse=True)
            asked = np.bincount(wanted >> 40, minlength=group.size).tolist()
            places = torch.from_numpy(wanted & (1 << 40) - 1).to(device)
            send, to = group.exchange(places, asked)
            shape = (len(own), len(wanted))
            pairs = Pairs.build(records["artist"] - first, columns, records["weight"], shape)
            rows = rows_of(pairs, settings, device)
            spool.add(Pass(first, rows, send, to, asked))
            counts[own] = pairs.lengths
        return spool, counts


def _scatter(records: np.ndarray, file: np.ndarray, name: Path) -> None:
    """Appends each record to the file of its number."""
    order = np.argsort(file, kind="stable")
    records, file = records[order], file[order]
    starts = np.flatnonzero(np.diff(file, prepend=-1))
    for first, last in zip(starts, [*starts[1:], len(file)], strict=True):
        with name.with_name(f"{name.name}-{file[first]}").open("ab") as out:
            out.write(records[first:last].tobytes())


def _read(path: Path, kind: np.dtype) -> np.ndarray:
    return np.fromfile(path, kind) if path.exists() else np.zeros(0, kind)

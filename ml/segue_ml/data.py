"""Reads the training channels (Parquet) and adjacency lists, and checks them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from .errors import SegueError
from .pairs import Pairs
from .segments import places

INTERACTIONS = {"listener_id": "string", "artist_no": "integer", "weight": "number", "time": "timestamp"}
LISTENERS = {"listener_id": "string", "age_group": "string", "country": "string", "region": "string"}
ARTISTS = {"artist_no": "integer"}
# Read where they are there: counts of the day, and facts of the artist.
COUNTS = ("plays", "likes", "clicks", "skips")
MOST_COUNTED = (1 << 31) - 1
LAST_MOMENT = 253_402_300_799_999  # of the year 9999
MOST_INDEX = (1 << 26) - 1  # of adjacency lists, whose matrices have a row for each index up to the largest
FACTS = {
    "genre": "string",
    "followers": "number",
    "active_days": "number",
    "trending_rank": "number",
    "plays": "number",
    "likes": "number",
    "listened_mean": "number",
}


@dataclass(frozen=True)
class Dataset:
    """Interactions by position: `listeners` (ids) and `artist_numbers` are ascending and hold only those with an
    interaction; `rows`, `columns`, `weights`, `times` (ms since 1970) have one entry per listener, artist and day.
    `age_groups` and `places` are the listeners' own, empty when unknown."""

    listeners: np.ndarray
    artist_numbers: np.ndarray
    rows: np.ndarray
    columns: np.ndarray
    weights: np.ndarray
    times: np.ndarray
    age_groups: np.ndarray
    places: np.ndarray
    counts: dict[str, np.ndarray] = field(default_factory=dict)  # of each interaction, those of COUNTS that there are
    facts: dict[str, np.ndarray] = field(default_factory=dict)  # of each artist, those of FACTS: floats or strings

    @property
    def shape(self) -> tuple[int, int]:
        return len(self.listeners), len(self.artist_numbers)

    def pairs(self, keep: np.ndarray | None = None, positive: bool = True) -> Pairs:
        """The interactions where `keep` holds, days added up. A weight of 0 says that the artist is known to the
        listener but not liked: it is evidence of nothing to train on, and still not new."""
        chosen = np.ones(len(self.rows), bool) if keep is None else keep
        if positive:
            chosen = chosen & (self.weights > 0)
        return Pairs.build(self.rows[chosen], self.columns[chosen], self.weights[chosen], self.shape)

    def where(self, keep: np.ndarray) -> Dataset:
        """The interactions where `keep` (bool [interactions]) holds, of the same listeners and artists."""
        parts = {name: getattr(self, name)[keep] for name in ("rows", "columns", "weights", "times")}
        return replace(self, **parts, counts={name: values[keep] for name, values in self.counts.items()})


def read_dataset(
    interactions: Path,
    listeners: Path,
    artists: Path,
    keep: Callable[[pa.Table], np.ndarray] | None = None,
    artist_numbers: np.ndarray | None = None,
) -> Dataset:
    """Reads the three channels; of the interactions the rows where `keep` (bool [rows]) holds, a batch at a time.
    `artist_numbers` are the artists' positions in place of those with an interaction. Raises SegueError, naming channel
    and column, for a channel that is absent or empty, a missing column, a wrong type, a null, a weight that is negative
    or not a number, an unknown artist, or data with fewer than two listeners or artists."""
    counted = {**INTERACTIONS, **dict.fromkeys(COUNTS, "integer")}
    table = read_channel(interactions, "interactions", counted, tuple(INTERACTIONS), keep)
    profile = read_channel(listeners, "listeners", LISTENERS, required=("listener_id",))
    numbers, weights, times = _values(table, read_catalogue(artists))
    if artist_numbers is None:
        artist_numbers, columns = np.unique(numbers, return_inverse=True)
    else:
        columns = np.searchsorted(artist_numbers, numbers)
    ids, rows = _codes(table["listener_id"])
    require_two(len(ids), len(artist_numbers))
    age_groups, where = _profiles(profile, ids)
    counts = {name: _whole(table, name) for name in COUNTS if name in table.column_names}
    return Dataset(
        *(ids, artist_numbers.astype(np.int32), rows, columns.astype(np.int32), weights, times, age_groups, where),
        *(counts, read_facts(artists, artist_numbers)),
    )


def _whole(table: pa.Table, name: str) -> np.ndarray:
    counts = table[name].fill_null(0).to_numpy()
    bad = (counts < 0) | (counts > MOST_COUNTED)
    if bad.any():
        at = int(np.flatnonzero(bad)[0])
        raise SegueError(
            f"interactions: column {name!r} holds {counts[at]} in row {at + 1} ({int(bad.sum())} such rows); "
            f"counts must be from 0 to {MOST_COUNTED:,}"
        )
    return counts.astype(np.int32)


def read_facts(artists: Path, numbers: np.ndarray) -> dict[str, np.ndarray]:
    """FACTS of these artists; an unknown number is NaN, an unknown word empty."""
    table = read_channel(artists, "artists", {**ARTISTS, **FACTS}, tuple(ARTISTS))
    at = pc.index_in(pa.array(numbers, table["artist_no"].type), value_set=table["artist_no"].combine_chunks())
    found: dict[str, np.ndarray] = {}
    for name in (name for name in FACTS if name in table.column_names):
        column = table[name].take(at)
        if FACTS[name] == "string":
            found[name] = column.cast(pa.string()).fill_null("").to_numpy().astype(object)
        else:
            found[name] = column.cast(pa.float64()).fill_null(float("nan")).to_numpy()
    return found


def read_catalogue(artists: Path) -> np.ndarray:
    """The artist numbers of the artists channel, ascending."""
    return np.unique(_numbers(read_channel(artists, "artists", ARTISTS), "artist_no"))


def require_two(listeners: int, artists: int) -> None:
    """Raises SegueError where there is nothing to compare."""
    for what, found in (("listener", listeners), ("artist", artists)):
        if found < 2:
            raise SegueError(f"interactions: only {found} {what}; training needs at least 2 listeners and 2 artists")


def count_rows(interactions: Path) -> int:
    """Rows of the interactions by the files' footers; 0 where they cannot be read, which reading them will say."""
    total = 0
    for file in sorted(interactions.rglob("*.parquet")):
        try:
            total += pq.read_metadata(file).num_rows
        except (pa.ArrowException, OSError):
            return 0
    return total


def stream_interactions(
    interactions: Path, known: np.ndarray, rows: int = 1 << 16
) -> Iterator[tuple[pa.Table, np.ndarray, np.ndarray, np.ndarray]]:
    """The interactions a batch at a time: the batch, and its artist numbers, weights and times (ms), checked as
    read_dataset does."""
    for table in _batches(interactions, "interactions", INTERACTIONS, tuple(INTERACTIONS), rows):
        for name, kind in INTERACTIONS.items():
            _check(table, "interactions", name, kind, True)
        yield (table, *_values(table, known))


def _values(table: pa.Table, known: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    weights = _numbers(table, "weight").astype(np.float32)
    bad = ~np.isfinite(weights) | (weights < 0)
    if bad.any():
        at = int(np.flatnonzero(bad)[0])
        raise SegueError(
            f"interactions: column 'weight' holds {weights[at]} in row {at + 1} ({int(bad.sum())} such rows); "
            "weights must be numbers from 0"
        )
    numbers = _numbers(table, "artist_no")
    strange = ~np.isin(numbers, known)
    if strange.any():
        raise SegueError(f"interactions: artist_no {numbers[strange][0]} is not in the artists channel")
    times = table["time"].cast(pa.timestamp("ms", tz="UTC")).cast(pa.int64()).to_numpy()
    if len(times) and not 0 <= times.min() <= times.max() <= LAST_MOMENT:
        at = int(np.flatnonzero((times < 0) | (times > LAST_MOMENT))[0])
        raise SegueError(
            f"interactions: column 'time' is outside the years 1970 to 9999 in row {at + 1}: {times[at]} ms since 1970; "
            "look at its unit"
        )
    return numbers, weights, times


def read_adjacency(path: Path, names: str) -> list[np.ndarray]:
    """A line: a listener's index, then artists' indices. Returns the artists of each index; empty where absent."""
    lists: dict[int, np.ndarray] = {}
    try:
        with path.open(encoding="ascii") as lines:
            for number, line in enumerate(lines, 1):
                fields = line.split()
                if not fields:
                    continue
                try:
                    values = np.array(fields, dtype=np.int64)
                except (ValueError, OverflowError):
                    raise SegueError(f"{names}: line {number} holds something that is not an index") from None
                if values.min() < 0:
                    raise SegueError(f"{names}: line {number} holds a negative index")
                if values.max() > MOST_INDEX:
                    raise SegueError(
                        f"{names}: line {number} holds {values.max()}, above {MOST_INDEX}: number listeners and artists from 0"
                    )
                listener = int(values[0])
                lists[listener] = np.union1d(lists.get(listener, values[:0]), values[1:])
    except (OSError, UnicodeDecodeError) as error:
        raise SegueError(f"{names}: cannot read {path}: {error}") from error
    if not any(len(found) for found in lists.values()):
        raise SegueError(f"{names}: no pairs in {path}")
    none = np.zeros(0, np.int64)
    return [lists.get(row, none) for row in range(max(lists) + 1)]


def adjacency_pairs(*files: list[np.ndarray]) -> list[Pairs]:
    """The files as matrices of one shape, which holds every index of any of them."""
    height = max(len(lists) for lists in files)
    width = 1 + max(int(found.max()) for lists in files for found in lists if len(found))
    result = []
    for lists in files:
        rows = np.repeat(np.arange(len(lists)), [len(found) for found in lists])
        columns = np.concatenate(lists)
        result.append(Pairs.build(rows, columns, np.zeros(len(rows)), (height, width)))
    return result


def read_channel(
    folder: Path,
    channel: str,
    columns: dict[str, str],
    required: tuple[str, ...] | None = None,
    keep: Callable[[pa.Table], np.ndarray] | None = None,
    empty: bool = False,
) -> pa.Table:
    """Columns of a channel's files, those that there are; of the rows where `keep` holds. Raises SegueError for what
    read_dataset says, and for a channel without rows unless it may be `empty`."""
    wanted = tuple(columns) if required is None else required
    if keep is None:
        tables = []
        for file in _files(folder, channel):
            try:
                present = _present(file, channel, wanted)
                tables.append(pq.read_table(file, columns=[name for name in columns if name in present]))
            except pa.ArrowException as error:
                raise SegueError(f"{channel}: cannot read {file.name}: {error}") from error
    else:
        tables = [table.filter(pa.array(keep(table))) for table in _batches(folder, channel, columns, wanted)]
    try:
        table = pa.concat_tables(tables, promote_options="permissive")
    except pa.ArrowException as error:
        raise SegueError(f"{channel}: its files differ in their columns' types: {error}") from error
    if not table.num_rows and not empty:
        raise SegueError(f"{channel}: no rows in {folder}")
    for name in table.column_names:
        _check(table, channel, name, columns[name], name in wanted)
    return table


def _files(folder: Path, channel: str) -> list[Path]:
    files = sorted(folder.rglob("*.parquet")) if folder.is_dir() else []
    if not files:
        raise SegueError(f"{channel}: no Parquet file in {folder}; is the channel {channel!r} part of the job?")
    return files


def _present(file: Path, channel: str, wanted: tuple[str, ...]) -> list[str]:
    present = pq.read_schema(file).names
    missing = [name for name in wanted if name not in present]
    if missing:
        raise SegueError(f"{channel}: column {missing[0]!r} is missing in {file.name}; it has {present}")
    return present


def _batches(
    folder: Path, channel: str, columns: dict[str, str], wanted: tuple[str, ...], rows: int = 1 << 16
) -> Iterator[pa.Table]:
    """A channel's rows a batch at a time: what is read ahead is a part of a row group."""
    for file in _files(folder, channel):
        try:
            present = _present(file, channel, wanted)
            with pq.ParquetFile(file, pre_buffer=False, buffer_size=1 << 20) as source:
                for batch in source.iter_batches(rows, columns=[name for name in columns if name in present]):
                    yield pa.Table.from_batches([batch])
        except pa.ArrowException as error:
            raise SegueError(f"{channel}: cannot read {file.name}: {error}") from error


_IS = {
    "string": lambda kind: pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_dictionary(kind),
    "integer": pa.types.is_integer,
    "number": lambda kind: pa.types.is_integer(kind) or pa.types.is_floating(kind),
    "timestamp": pa.types.is_timestamp,
}


def _check(table: pa.Table, channel: str, name: str, kind: str, required: bool) -> None:
    column = table[name]
    if pa.types.is_null(column.type) and not (required and channel == "interactions"):
        return
    if not _IS[kind](column.type):
        raise SegueError(f"{channel}: column {name!r} is {column.type}, not a {kind}")
    if required and name not in ("age_group", "country", "region") and column.null_count:
        raise SegueError(f"{channel}: column {name!r} holds {column.null_count} nulls")


def _numbers(table: pa.Table, name: str) -> np.ndarray:
    return table[name].to_numpy()


def _codes(column: pa.ChunkedArray) -> tuple[np.ndarray, np.ndarray]:
    """Distinct ids ascending, and each row's position among them."""
    encoded = column.cast(pa.string()).combine_chunks().dictionary_encode()
    if isinstance(encoded, pa.ChunkedArray):
        encoded = encoded.combine_chunks()
    ids = encoded.dictionary.to_numpy(zero_copy_only=False).astype(object)
    order = np.argsort(ids)
    position = np.empty(len(ids), np.int32)
    position[order] = np.arange(len(ids), dtype=np.int32)
    return ids[order], position[encoded.indices.to_numpy()]


def _profiles(table: pa.Table, ids: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Age group and place of each id; empty for a listener without a profile."""
    found = pc.index_in(pa.array(ids, pa.string()), value_set=table["listener_id"].cast(pa.string()).combine_chunks())
    at = found.fill_null(-1).to_numpy()

    def column(name: str) -> np.ndarray:
        if name not in table.column_names:
            return np.full(len(ids), "", object)
        values = table[name].cast(pa.string()).fill_null("").to_numpy().astype(object)
        return np.where(at >= 0, values[at], "")

    return column("age_group"), places(column("country"), column("region"))

"""What was recommended and what of it was clicked: the accuracy of what served, and evidence against what was passed over."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa

from .data import Dataset, read_channel
from .errors import SegueError
from .pairs import Pairs

IMPRESSIONS = {
    "listener_id": "string",
    "artist_no": "integer",
    "time": "timestamp",
    "release": "string",
    "variant": "string",
    "shown": "integer",
    "clicked": "integer",
}
RESAMPLES, AT_ONCE = 1000, 1 << 22  # draws of the bootstrap, and numbers drawn at a time


@dataclass(frozen=True)
class Impressions:
    """One entry per listener, artist, day, release and variant: `shown` recommendations and `clicked` clicks of that day.
    `rows` and `columns` are positions in the dataset, -1 where it has no such listener or artist; `owners` number all
    listeners; `times` are ms since 1970; `served` names release and variant."""

    rows: np.ndarray
    columns: np.ndarray
    owners: np.ndarray
    times: np.ndarray
    shown: np.ndarray
    clicked: np.ndarray
    served: np.ndarray
    shape: tuple[int, int]

    def passed(self, before: int | None = None, fade: Callable[[np.ndarray], np.ndarray] | None = None) -> Pairs:
        """How often each artist was shown to each listener in vain, of entries before a moment (ms); `fade` weighs them
        by their times."""
        use = (self.rows >= 0) & (self.columns >= 0)
        if before is not None:
            use &= self.times < before
        values = (self.shown - self.clicked)[use].astype(np.float64)
        if fade is not None:
            values *= fade(self.times[use])
        found = Pairs.build(self.rows[use], self.columns[use], values, self.shape)
        return found.where(found.values > 0)


def read_impressions(
    folder: Path, data: Dataset, keep: Callable[[pa.Table], np.ndarray] | None = None
) -> Impressions | None:
    """The channel `impressions`, of which `keep` chooses rows; None where it is no part of the job, or nothing was shown.
    Raises SegueError for a missing column, a wrong type, a null, or a count below 0."""
    if not folder.is_dir():
        return None
    table = read_channel(folder, "impressions", IMPRESSIONS, None, keep, empty=True)
    if not table.num_rows:
        return None
    ids, owners = np.unique(table["listener_id"].to_numpy().astype(str), return_inverse=True)
    known = _positions(data.listeners.astype(str), ids)
    columns = _positions(data.artist_numbers, table["artist_no"].to_numpy())
    release, variant = (table[name].to_numpy().astype(str) for name in ("release", "variant"))
    return Impressions(
        known[owners],
        columns,
        owners,
        table["time"].cast(pa.timestamp("ms", tz="UTC")).cast(pa.int64()).to_numpy(),
        *(_count(table, name) for name in ("shown", "clicked")),
        np.char.add(np.char.add(release, "/"), variant),
        data.shape,
    )


def accuracy(impressions: Impressions | None, seed: int = 0) -> dict[str, object] | None:
    """Clicks over recommendations shown, of all and of each release and variant, with 95 % bootstrap intervals over
    listeners. None where nothing was shown."""
    if impressions is None or not impressions.shown.sum():
        return None
    releases = []
    for name in np.unique(impressions.served):
        found = _share(impressions, impressions.served == name, seed)
        if found:
            release, _, variant = str(name).partition("/")
            releases.append({"release": release, "variant": variant, **found})
    everything = _share(impressions, np.ones(len(impressions.rows), bool), seed)
    return {**(everything or {}), "releases": releases}


def sides(
    data: Dataset, impressions: Impressions | None
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """What what_mattered compares: whether feedback was positive (played or liked, never skipped that day), whether negative
    (skipped and nothing else that day; recommended and never met), the listener and the artist."""
    none = np.zeros(len(data.rows), np.int32)
    plays, likes, clicks, skips = (data.counts.get(name, none) for name in ("plays", "likes", "clicks", "skips"))
    positive, negative = (plays + likes > 0) & (skips == 0), (plays + likes + clicks == 0) & (skips > 0)
    if impressions is None:
        return positive, negative, data.rows, data.columns
    passed, known = impressions.passed(), data.pairs(positive=False)
    passed = passed.where(~known.has(passed.rows, passed.columns))
    more = (np.zeros(passed.count, bool), np.ones(passed.count, bool), passed.rows, passed.columns)
    parts = zip((positive, negative, data.rows, data.columns), more, strict=True)
    return tuple(np.concatenate(part) for part in parts)


def _share(impressions: Impressions, use: np.ndarray, seed: int) -> dict[str, object] | None:
    owners, own = np.unique(impressions.owners[use], return_inverse=True)
    shown, clicked = (np.bincount(own, part[use]) for part in (impressions.shown, impressions.clicked))
    total = shown.sum()
    if not total:
        return None
    # Listeners of the same two counts are drawn together: the resamples are the same, and a million listeners are few.
    kinds, listeners = np.unique(np.stack([shown, clicked], 1), axis=0, return_counts=True)
    generator = np.random.default_rng(seed)
    shares: list[np.ndarray] = []
    step = max(1, AT_ONCE // len(kinds))
    for first in range(0, RESAMPLES, step):
        size = min(step, RESAMPLES - first)
        draws = generator.multinomial(len(owners), listeners / len(owners), size) @ kinds
        shares.append(draws[:, 1] / np.maximum(1, draws[:, 0]))
    low, high = np.quantile(np.concatenate(shares), (0.025, 0.975))
    return {
        "shown": int(total),
        "clicked": int(clicked.sum()),
        "accuracy": round(float(clicked.sum() / total), 6),
        "interval": [round(float(low), 6), round(float(high), 6)],
        "listeners": len(owners),
    }


def _positions(known: np.ndarray, wanted: np.ndarray) -> np.ndarray:
    """Where each value is among ascending ones; -1 where it is not."""
    at = np.minimum(np.searchsorted(known, wanted), len(known) - 1)
    return np.where(known[at] == wanted, at, -1)


def _count(table: pa.Table, name: str) -> np.ndarray:
    values = table[name].to_numpy().astype(np.int64)
    if (values < 0).any():
        raise SegueError(f"impressions: column {name!r} holds {values.min()}; counts must be numbers from 0")
    return values

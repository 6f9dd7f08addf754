"""What is known of a listener's candidates, for the ranker that puts them into another order (ranker.py).

Every figure is of one moment: it needs the model trained on what came before, and facts counted from that. None needs more
of a listener than a line of a scoring file says: days with artists, age group and place.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from .blend import Blend
from .data import Dataset
from .evaluate import DAY
from .pairs import Pairs
from .segments import SMALLEST

FEATURES = (
    "score",  # of the first stage, over the listener's best
    "standing",  # the same in standard deviations among the candidates
    "place",  # log2(1 + place), from 1
    "factors",  # what each term adds, over the best score
    "neighbours",
    "filter",
    "length",  # of the artist's vector, over the mean
    "known",  # log share of all listeners who played the artist
    "trend",  # log of that share among the last days' listening over the whole time's
    "age",  # log days since anybody played the artist first
    "genre",  # share of the listener's artists with a genre of the artist's
    "recent_genre",  # likewise among those of the last days
    "idle",  # log days since the listener did anything
    "age_group",  # log share of listeners among the age group over all
    "country",  # likewise of the country
    "history",  # log number of the listener's artists
)
RECENT, OLDEST = 14, 56  # days
MOST_GENRES, MOST_COUNTRIES = 32, 16
PRIOR = 50.0  # listens as all have them, mixed with those of few days or of a group
FLOATS = 16 << 20  # of vectors gathered at a time


@dataclass(frozen=True)
class Facts:
    """Of artists by position, as of a moment: `known`, `trend`, `age` [artists]; `genres` [artists, genres] are 0 or 1;
    `lifts` [groups + 1, artists] by the positions that `groups` gives names such as `age 25-34` and `country SE`, the last
    for those unknown: 0. All are float16."""

    known: Tensor
    trend: Tensor
    age: Tensor
    genres: Tensor
    lifts: Tensor
    groups: dict[str, int]

    def among(self, keep: np.ndarray) -> Facts:
        """Of some artists (bool [artists])."""
        chosen = torch.from_numpy(keep).to(self.known.device)
        parts = (getattr(self, name)[chosen] for name in ("known", "trend", "age", "genres"))
        return Facts(*parts, self.lifts[:, chosen], self.groups)

    def to(self, device: torch.device) -> Facts:
        parts = (getattr(self, name).to(device) for name in ("known", "trend", "age", "genres", "lifts"))
        return Facts(*parts, self.groups)

    def fits(self, artists: int) -> bool:
        """Whether all of it is of so many artists."""
        per_artist = (self.known, self.trend, self.age, self.genres, self.lifts.T)
        return {len(part) for part in per_artist} == {artists} and len(self.lifts) == len(self.groups) + 1

    def rows(self, age_groups: Iterable[str], places: Iterable[str]) -> Tensor:
        """Rows of `lifts` [listeners, 2] for listeners of these age groups and places."""
        unknown = len(self.groups)
        found = [
            (self.groups.get(f"age {age}", unknown), self.groups.get(f"country {place.partition('-')[0]}", unknown))
            for age, place in zip(age_groups, places, strict=True)
        ]
        return torch.tensor(found, dtype=torch.int64).view(-1, 2)


def facts_at(data: Dataset, before: int) -> Facts:
    """Facts from what happened before a moment (ms) alone. Genre, age group and country are taken for unchanging."""
    past = data.times < before
    history = data.pairs(past)
    shares = np.bincount(history.columns, minlength=history.width) + 0.5
    shares /= shares.sum()
    recent = data.pairs(past & (data.times // DAY > today_at(before) - RECENT))
    first = np.full(history.width, before, np.int64)
    np.minimum.at(first, data.columns[past], data.times[past])
    everybody = max(1, int((history.lengths > 0).sum()))
    listeners = np.bincount(history.columns, minlength=history.width)
    groups, lifts = _lifts(history, data, shares)
    return Facts(
        _half(np.log((listeners + 0.5) / everybody)),
        _half(_lift(np.bincount(recent.columns, minlength=recent.width), shares)),
        _half(np.log1p(np.minimum(OLDEST, (before - first) / DAY))),
        _half(_genres(data.facts.get("genre"), history.width)),
        _half(lifts),
        groups,
    )


def _half(values: np.ndarray) -> Tensor:
    return torch.from_numpy(values.astype(np.float16))


def _lift(counts: np.ndarray, shares: np.ndarray) -> np.ndarray:
    """Log of the share among these counts over the usual share; 0 where nothing was counted."""
    mixed = (counts + PRIOR * shares) / (counts.sum() + PRIOR)
    return np.log(mixed / shares)


def _lifts(history: Pairs, data: Dataset, shares: np.ndarray) -> tuple[dict[str, int], np.ndarray]:
    """Of all age groups, and of the largest countries, with SMALLEST listeners or more, so that no list of one listener
    shows."""
    active = history.lengths > 0
    found: list[tuple[str, np.ndarray]] = []
    countries = np.array([place.partition("-")[0] for place in data.places], object)
    for kind, values, most in (("age", data.age_groups, 16), ("country", countries, MOST_COUNTRIES)):
        names, counts = np.unique(values[active].astype(str), return_counts=True)
        large = [at for at in np.argsort(-counts, kind="stable") if counts[at] >= SMALLEST and names[at]][:most]
        for name in sorted(str(names[at]) for at in large):
            rows = np.flatnonzero(active & (values == name))
            own = np.bincount(history.slots(rows)[1], minlength=history.width)
            found.append((f"{kind} {name}", _lift(own, shares)))
    rows = [lift for _, lift in found] + [np.zeros(history.width)]
    return {name: at for at, (name, _) in enumerate(found)}, np.stack(rows)


def _genres(words: np.ndarray | None, width: int) -> np.ndarray:
    """The most frequent genres, separated by | in the catalogue."""
    if words is None:
        return np.zeros((width, 0))
    parts = [[word for word in str(text).split("|") if word] for text in words]
    names, counts = np.unique([word for found in parts for word in found], return_counts=True)
    usual = names[np.argsort(-counts, kind="stable")[:MOST_GENRES]].tolist()
    at = {name: column for column, name in enumerate(usual)}
    result = np.zeros((width, len(usual)))
    for row, found in enumerate(parts):
        for word in found:
            if word in at:
                result[row, at[word]] = 1
    return result


@dataclass(frozen=True)
class About:
    """What is known of listeners beside their history: rows of `Facts.lifts` [listeners, 2], pairs of the last days, and
    days since they did anything [listeners]."""

    groups: Tensor
    recent: Pairs
    idle: Tensor

    def among(self, rows: np.ndarray) -> About:
        """Of these listeners, in this order."""
        at = torch.from_numpy(rows.astype(np.int64)).to(self.groups.device)
        return About(self.groups[at], self.recent.among_rows(rows), self.idle[at])


def today_at(before: int) -> int:
    """The last day (since 1970) that is known before a moment (ms)."""
    return (before - 1) // DAY


def about_at(data: Dataset, facts: Facts, before: int) -> About:
    """Of all listeners, from what happened before a moment (ms) alone."""
    past, today = data.times < before, today_at(before)
    days = data.times // DAY
    latest = np.full(data.shape[0], today - OLDEST, np.int64)
    np.maximum.at(latest, data.rows[past], days[past])
    recent = data.pairs(past & (days > today - RECENT))
    groups = facts.rows(data.age_groups, data.places)
    device = facts.known.device
    return About(groups.to(device), recent, torch.from_numpy((today - latest).astype(np.float32)).to(device))


@dataclass(frozen=True)
class Seen:
    """Listeners to rank for: vectors folded in [listeners, k], their history, and what else is known."""

    vectors: Tensor
    history: Pairs
    about: About

    @classmethod
    def of(cls, vectors: Tensor, history: Pairs, about: About) -> Seen:
        """Of the last days only what the history holds, which may lack what was passed over or lost."""
        recent = about.recent
        kept = recent.where(history.has(recent.rows, recent.columns))
        return cls(vectors, history, About(about.groups, kept, about.idle))

    def among(self, rows: np.ndarray) -> Seen:
        """These listeners, in this order."""
        at = torch.from_numpy(rows.astype(np.int64)).to(self.vectors.device)
        return Seen(self.vectors[at], self.history.among_rows(rows), self.about.among(rows))


def features(blend: Blend, facts: Facts, seen: Seen, top: Tensor, scores: Tensor) -> Tensor:
    """FEATURES [listeners, candidates, features] (float32) of the candidates at positions `top` with the first stage's
    `scores`, which fall; -inf and position 0 where there is none."""
    listed = torch.isfinite(scores)
    scores = torch.where(listed, scores, 0.0)
    size = scores.shape[1]
    best = scores[:, :1].clamp_min(1e-12)
    count = listed.sum(1, keepdim=True).clamp_min(1)
    mean = scores.sum(1, keepdim=True) / count
    spread = (((scores - mean) * listed).square().sum(1, keepdim=True) / count).sqrt().clamp_min(1e-12)
    place = torch.log2(torch.arange(2, size + 2, device=scores.device).float()).expand_as(scores)
    factors = _products(seen.vectors, blend.model.artists, top)
    low = torch.zeros_like(scores)
    if blend.filter is not None:
        low = _products(blend.filter.listeners(seen.history), blend.filter.outputs(), top)
    lengths = blend.model.artists.norm(dim=1)
    lengths = lengths / lengths[lengths > 0].mean().clamp_min(1e-12)
    own = torch.from_numpy(seen.history.lengths.astype(np.float32)).to(scores.device).log1p().unsqueeze(1)
    found = (
        scores / best,
        (scores - mean) / spread,
        place,
        factors / best,
        (scores - factors - low) / best,
        low / best,
        lengths[top],
        facts.known[top].float(),
        facts.trend[top].float(),
        facts.age[top].float(),
        _genre_share(facts.genres, seen.history, top),
        _genre_share(facts.genres, seen.about.recent, top),
        seen.about.idle.clamp(0, OLDEST).log1p().unsqueeze(1).expand_as(scores),
        facts.lifts[seen.about.groups[:, :1], top].float(),
        facts.lifts[seen.about.groups[:, 1:], top].float(),
        own.expand_as(scores),
    )
    return torch.stack(found, 2)


def _products(listeners: Tensor, artists: Tensor, top: Tensor) -> Tensor:
    step = max(1, FLOATS // max(1, top.shape[1] * artists.shape[1]))
    parts = [
        torch.bmm(artists[top[at : at + step]], listeners[at : at + step].unsqueeze(2)).squeeze(2)
        for at in range(0, len(top), step)
    ]
    return torch.cat(parts) if parts else torch.zeros(top.shape, device=top.device)


def _genre_share(genres: Tensor, history: Pairs, top: Tensor) -> Tensor:
    """The largest share, over the candidate's genres, of the listener's artists that have it too."""
    share = torch.zeros(top.shape, device=top.device)
    at, columns = (torch.from_numpy(part).to(top.device) for part in history.slots(np.arange(history.height)))
    count = torch.from_numpy(history.lengths).to(top.device).clamp_min(1).unsqueeze(1)
    for genre in genres.T.contiguous():
        own = torch.zeros(history.height, device=top.device).index_add_(0, at, genre[columns].float())
        share = torch.maximum(share, genre[top].float() * (own.unsqueeze(1) / count))
    return share

"""Segments (`@AGE/PLACE`) and their shrunk popularity: the list of a listener without interactions.

A small segment's counts are noise, so they are mixed with those of the wider segments around it, as if `PRIOR` of its
listeners had the wider segments' taste. What age group and place say each for itself is added in new_listeners.py.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .pairs import Pairs

EVERYBODY = "@/"
PRIOR = 100.0
SMALLEST = 10
LENGTH = 200  # artists kept per segment: a full list also for one who knows half of them


def segment_of(age_group: str, place: str) -> str:
    return f"@{age_group}/{place}"


def place_of(country: str, region: str) -> str:
    """`CC` or `CC-REGION`; `region` may come with or without its country."""
    if not country or not region:
        return country
    return region if region.startswith(f"{country}-") else f"{country}-{region}"


def places(countries: np.ndarray, regions: np.ndarray) -> np.ndarray:
    """place_of over arrays of strings."""
    return np.array([place_of(*both) for both in zip(countries, regions, strict=True)], object)


def parents(segment: str) -> list[str]:
    """The next wider segments: one without the region, else without the country; one without the age group."""
    age, _, place = segment.removeprefix("@").partition("/")
    wider = []
    if place:
        wider.append(segment_of(age, place.rpartition("-")[0]))
    if age:
        wider.append(segment_of("", place))
    return wider


def widest_first(segment: str) -> list[str]:
    """The segment and all wider ones, everybody first."""
    found = {segment}
    front = [segment]
    while front:
        front = [wider for one in front for wider in parents(one)]
        found.update(front)
    return sorted(found, key=_depth)


def fallback(segment: str, known: dict[str, object]) -> str:
    """The narrowest known segment around this one: place without age before age without place."""
    front = [segment]
    while front:
        for one in front:
            if one in known:
                return one
        front = [wider for one in front for wider in reversed(parents(one))]
    return EVERYBODY


def _depth(segment: str) -> tuple[int, str]:
    age, _, place = segment.removeprefix("@").partition("/")
    return bool(age) + bool(place) + ("-" in place), segment


@dataclass(frozen=True)
class SegmentList:
    """Artists (positions, best first) and scores in (0, 1]: over that of the segment's first."""

    artists: np.ndarray
    scores: np.ndarray
    listeners: int


@dataclass(frozen=True)
class Segment:
    """Its artists' shares of listeners, shrunk towards those of the wider segments: float32 [artists]."""

    share: np.ndarray
    listeners: int


def segment_shares(pairs: Pairs, age_groups: np.ndarray, places_: np.ndarray, prior: float = PRIOR) -> dict[str, Segment]:
    """Everybody and every segment with `SMALLEST` listeners or more who have an interaction; in a smaller one the wider
    segment's share says as much."""
    members = _members(pairs, age_groups, places_)
    found: dict[str, Segment] = {}
    for segment in sorted(members, key=_depth):
        rows = members[segment]
        counts = np.bincount(pairs.slots(rows)[1], minlength=pairs.width)
        if segment == EVERYBODY:
            share = counts / len(rows)
        else:
            wider = np.mean([found[one].share for one in parents(segment)], axis=0)
            share = (counts + prior * wider) / (len(rows) + prior)
        found[segment] = Segment(share.astype(np.float32), len(rows))
    return found


def as_list(score: np.ndarray, listeners: int, length: int = LENGTH) -> SegmentList:
    """The best artists by a score from 0 [artists]; those of score 0 are left out."""
    best = np.argsort(-score, kind="stable")[: min(length, int((score > 0).sum()))]
    return SegmentList(best.astype(np.int32), (score[best] / score[best[0]]).astype(np.float32), listeners)


def segment_lists(
    pairs: Pairs, age_groups: np.ndarray, places_: np.ndarray, prior: float = PRIOR, length: int = LENGTH
) -> dict[str, SegmentList]:
    """Lists by the shares of segment_shares alone."""
    shares = segment_shares(pairs, age_groups, places_, prior)
    return {name: as_list(segment.share, segment.listeners, length) for name, segment in shares.items()}


def _members(pairs: Pairs, age_groups: np.ndarray, places_: np.ndarray) -> dict[str, np.ndarray]:
    own = np.array([segment_of(*both) for both in zip(age_groups, places_, strict=True)], object)
    active = np.flatnonzero(pairs.lengths > 0)
    names, position = np.unique(own[active].astype(str), return_inverse=True)
    order = np.argsort(position, kind="stable")
    groups = np.split(active[order], np.cumsum(np.bincount(position, minlength=len(names)))[:-1])
    found: dict[str, list[np.ndarray]] = {EVERYBODY: []}
    for name, rows in zip(names.tolist(), groups, strict=True):
        for segment in widest_first(name):
            found.setdefault(segment, []).append(rows)
    joined = {segment: np.concatenate(rows) for segment, rows in found.items()}
    return {segment: rows for segment, rows in joined.items() if segment == EVERYBODY or len(rows) >= SMALLEST}

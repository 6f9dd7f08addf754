"""Lists of listeners of whom age group and place are known: their segment's shares (segments.py) beside what age group and
country say each for itself (cold_start.py), as far as that helps listeners that were held out."""

from __future__ import annotations

import numpy as np
import torch

from .cold_start import SHARES, Taste, beside_segments
from .metrics import rank_all
from .pairs import Pairs
from .segments import EVERYBODY, SegmentList, as_list, fallback, segment_lists, segment_of, segment_shares
from .terms import quality

CPU, K = torch.device("cpu"), 20
HELD, MOST_HELD, LEAST = 0.2, 4000, 200  # of the listeners, to choose by; single ones say little
MOST_ARTISTS = 16_384  # of whom features are asked: those with the most listeners


class _Profiles:
    """Age groups and countries of the listeners of `pairs`, in the artists that are asked about."""

    def __init__(self, pairs: Pairs, age_groups: np.ndarray, places: np.ndarray) -> None:
        listeners = np.bincount(pairs.columns, minlength=pairs.width)
        self.artists = np.sort(np.argsort(-listeners, kind="stable")[: min(MOST_ARTISTS, int((listeners > 0).sum()))])
        number = np.full(pairs.width, -1)
        number[self.artists] = np.arange(len(self.artists))
        use = number[pairs.columns] >= 0
        self.pairs = Pairs.build(
            pairs.rows[use], number[pairs.columns[use]], np.ones(int(use.sum())), (pairs.height, len(self.artists))
        )
        self.age_groups, self.places = age_groups, places
        self._features = [age_groups, _countries(places)]

    def taste(self, known: np.ndarray) -> Taste:
        """Of the listeners where `known` (bool [listeners]) holds."""
        return Taste.of(self.pairs.where(known[self.pairs.rows]), self._features)

    def segments(self, known: np.ndarray) -> dict[str, np.ndarray]:
        found = segment_shares(self.pairs.where(known[self.pairs.rows]), self.age_groups, self.places)
        return {name: segment.share for name, segment in found.items()}


def _countries(places: np.ndarray) -> np.ndarray:
    return np.array([place.partition("-")[0] for place in places], object)


def _scores(shares: dict[str, np.ndarray], taste: Taste, share: float) -> dict[str, np.ndarray]:
    """Of each segment by both: [artists], up to a factor."""
    names = list(shares)
    parts = [name.removeprefix("@").partition("/") for name in names]
    ages, places = (np.array([part[at] for part in parts], object) for at in (0, 2))
    own = taste.scores([ages, _countries(places)])
    return {name: beside_segments(shares[name], own[at], share) for at, name in enumerate(names)}


def choose_share(pairs: Pairs, age_groups: np.ndarray, places: np.ndarray, seed: int = 0) -> float:
    """What features count beside the segments, by listeners of whom the rest says nothing; 0 where there are too few."""
    active = np.flatnonzero(pairs.lengths > 0)
    count = min(MOST_HELD, int(HELD * len(active)))
    if count < LEAST:
        return 0.0
    held = np.sort(np.random.default_rng(seed).permutation(active)[:count])
    known = np.ones(pairs.height, bool)
    known[held] = False
    profiles = _Profiles(pairs, age_groups, places)
    taste, shares = profiles.taste(known), profiles.segments(known)
    names = list(shares)
    at = np.zeros(pairs.height, np.int64)
    at[held] = [names.index(fallback(segment_of(age_groups[row], places[row]), shares)) for row in held]
    relevant = profiles.pairs.where(~known[profiles.pairs.rows])
    nothing = relevant.where(np.zeros(relevant.count, bool))
    listeners = held[relevant.lengths[held] > 0]

    def judge(share: float) -> float:
        found = _scores(shares, taste, share)
        table = torch.from_numpy(np.stack([found[name] for name in names]).astype(np.float32))
        score = lambda rows: table[at[rows.numpy()]]  # noqa: E731
        return quality(rank_all(score, relevant, nothing, K, CPU, listeners, with_auc=False))

    return max(SHARES, key=judge)  # the first, hence the least, among equals


def lists_of(pairs: Pairs, age_groups: np.ndarray, places: np.ndarray, share: float) -> dict[str, SegmentList]:
    """Lists of everybody, who are listed by their number of listeners alone, and of the segments of segment_shares."""
    if share == 0:
        return segment_lists(pairs, age_groups, places)
    profiles = _Profiles(pairs, age_groups, places)
    taste = profiles.taste(np.ones(pairs.height, bool))
    found = {}
    for name, segment in segment_shares(pairs, age_groups, places).items():
        score = segment.share
        if name != EVERYBODY:
            score = np.zeros(pairs.width)
            own = _scores({name: segment.share[profiles.artists]}, taste, share)[name]
            score[profiles.artists] = np.where(segment.share[profiles.artists] > 0, np.exp(own - own.max()), 0.0)
        found[name] = as_list(score, segment.listeners)
    return found

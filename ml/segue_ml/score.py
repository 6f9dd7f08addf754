"""Scoring without I/O: listeners' histories in, packed lists with reasons out."""

from __future__ import annotations

import base64
from dataclasses import replace

import numpy as np
import torch
from torch import Tensor

from .best import Best
from .blend import fold_in
from .candidates import OLDEST, RECENT, About, Seen
from .errors import SegueError
from .export import Exported
from .ials import Rows, confidence, contributions
from .lines import COLUMNS, Request, parse
from .newcomers import positions
from .pairs import Pairs
from .quota import Surfacing
from .segments import EVERYBODY, fallback
from .similar import Similar
from .value import MAX_ITEMS, Value, encode
from .vectors import encode_part
from .worths import Worths

MOST_REASONS = 5
LISTENERS_AT_ONCE = 2048


class Scorer:
    """Lists from one exported model, stamped with one release."""

    def __init__(
        self, exported: Exported, release_tag: int, generated_at: int, size: int, device: torch.device
    ) -> None:
        if not 1 <= size <= MAX_ITEMS:
            raise SegueError(f"SEGUE_LIST_SIZE: {size} is not between 1 and {MAX_ITEMS}")
        self._exported, self._device = exported, device
        self._stamp = {"generated_at": generated_at, "release_tag": release_tag}
        self._size = size
        self._similar = Similar(exported, size)
        ranker = exported.ranker
        self._best = Best(exported.blend, size if ranker is None else max(size, ranker.depth))
        self._strongest = None if exported.neighbours is None else exported.neighbours.strongest()
        low = exported.filter
        self._longest_filter = 0.0 if low is None else float(low.outputs().norm(dim=1).max())
        new = exported.newcomers
        width = len(exported.artist_numbers)
        self._surfacing = None if new is None else Surfacing(new, exported.quota, size, width, release_tag)
        self._numbers = exported.artist_numbers if new is None else np.append(exported.artist_numbers, new.numbers)
        factors = exported.model.artists
        self._factors = factors if new is None else torch.cat([factors, new.vectors])

    def lines(self, body: bytes) -> list[str]:
        """Output lines `<listener id or segment> <value, base64>` in the input's order; empty lines are skipped."""
        requests = [parse(line, at) for at, line in enumerate(body.split(b"\n"), 1) if line.strip()]
        values: list[Value | bytes | None] = [None] * len(requests)
        listeners, similar = [], []
        for at, request in enumerate(requests):
            if request.listener:
                listeners.append(at)
            elif request.name.startswith("~"):
                similar.append(at)
            elif request.name.startswith("#"):
                pairs = list(zip(request.artists, request.ids, strict=True))
                values[at] = encode_part(self._exported, self._stamp["release_tag"], pairs)
            else:
                values[at] = self._segment(request)
        found = self._similar.of([requests[at].artists[0] for at in similar])
        for at, (artists, scores) in zip(similar, found, strict=True):
            values[at] = Value("similar", artists=artists, scores=scores, reasons=[0] * len(artists), **self._stamp)
        known = [requests[at] for at in listeners]
        history = self._history(known)
        newly = np.flatnonzero(history.lengths == 0)
        for row, value in zip(newly, self._without_history([known[row] for row in newly]), strict=True):
            values[listeners[row]] = value
        order = np.argsort(history.lengths, kind="stable")[len(newly) :]  # those of similar length are solved together
        for first in range(0, len(order), LISTENERS_AT_ONCE):
            rows = order[first : first + LISTENERS_AT_ONCE]
            lists = self._personal([known[row] for row in rows], history.among_rows(rows))
            for row, value in zip(rows, lists, strict=True):
                values[listeners[row]] = value
        return [
            f"{request.name} {base64.b64encode(value if isinstance(value, bytes) else encode(value)).decode()}"
            for request, value in zip(requests, values, strict=True)
            if value is not None
        ]

    def _history(self, requests: list[Request]) -> Pairs:
        """What the listeners did with artists that the model knows, weighed as training weighs it; as the features do where
        nothing would be left, as a click that is worth little is still all that is known."""
        numbers, shape = self._exported.artist_numbers, (len(requests), len(self._exported.artist_numbers))
        rows, entries = self._entries(requests)
        columns = positions(numbers, entries["artists"].astype(np.int64))
        known = columns >= 0
        rows, columns = rows[known], columns[known]
        entries = {name: values[known] for name, values in entries.items()}
        history = self._exported.worths.of_entries(rows, columns, entries, self._exported.today, shape)
        given = Worths().of_entries(rows, columns, entries, self._exported.today, shape)
        given = given.where(history.lengths[given.rows] == 0)
        parts = ((history.rows, given.rows), (history.columns, given.columns), (history.values, given.values))
        return Pairs.build(*(np.concatenate(both) for both in parts), shape)

    def _entries(self, requests: list[Request]) -> tuple[np.ndarray, dict[str, np.ndarray]]:
        """The listeners' entries one after the other: whose each is, and its COLUMNS."""
        tables = [request.entries for request in requests]
        rows = np.repeat(np.arange(len(tables)), [table.shape[1] for table in tables])
        table = np.concatenate(tables, axis=1) if tables else np.zeros((len(COLUMNS), 0))
        return rows, dict(zip(COLUMNS, table, strict=True))

    def _segment(self, request: Request) -> Value:
        segment = fallback(request.segment, self._exported.segments)
        played = set(request.artists)
        pairs = zip(*self._exported.segments[segment], strict=True)
        kept = [(artist, score) for artist, score in pairs if artist not in played][: self._size]
        return Value(
            "popular" if segment == EVERYBODY else "segment",
            artists=[artist for artist, _ in kept],
            scores=[score for _, score in kept],
            reasons=[0] * len(kept),
            **self._stamp,
        )

    def _without_history(self, requests: list[Request]) -> list[Value]:
        """Lists of the listeners' segments, with newcomers by what the segment plays."""
        lists = [self._segment(request) for request in requests]
        if self._surfacing is None or not requests:
            return lists
        names = sorted({fallback(request.segment, self._exported.segments) for request in requests})
        vectors = self._vectors(names)
        own = [names.index(fallback(request.segment, self._exported.segments)) for request in requests]
        top = np.zeros((len(requests), self._size), np.int64)
        scores = np.full(top.shape, -np.inf, np.float32)
        for row, value in enumerate(lists):
            top[row, : len(value.artists)] = positions(self._exported.artist_numbers, np.array(value.artists, np.int64))
            scores[row, : len(value.artists)] = value.scores
        artists, kept = self._surfacing.into(
            torch.from_numpy(top).to(self._device),
            torch.from_numpy(scores).to(self._device),
            vectors[own],
            [request.name for request in requests],
            self._played(requests, self._exported.newcomers.numbers),
        )
        listed, kept = torch.isfinite(kept).cpu().numpy(), kept.cpu().numpy()
        numbers = self._numbers[artists.cpu().numpy()]
        return [
            replace(
                value,
                artists=numbers[row][listed[row]].tolist(),
                scores=kept[row][listed[row]].tolist(),
                reasons=[0] * int(listed[row].sum()),
            )
            for row, value in enumerate(lists)
        ]

    def _vectors(self, segments: list[str]) -> Tensor:
        """Vectors [segments, k] of listeners who play what a segment's list holds, by its scores."""
        model, numbers = self._exported.model, self._exported.artist_numbers
        found = [self._exported.segments[name] for name in segments]
        rows = np.repeat(np.arange(len(found)), [len(artists) for artists, _ in found])
        columns = positions(numbers, np.concatenate([np.array(artists, np.int64) for artists, _ in found]))
        weights = np.concatenate([np.array(scores, np.float32) for _, scores in found])
        known = columns >= 0
        history = Pairs.build(rows[known], columns[known], weights[known], (len(found), len(numbers)))
        return fold_in(model, history, self._device)

    def _personal(self, requests: list[Request], pairs: Pairs) -> list[Value]:
        model, numbers = self._exported.model, self._exported.artist_numbers
        trust = confidence(pairs.values, model.settings.strength)
        rows = Rows(pairs, trust, model.settings.rank, self._device)
        vectors = model.listeners(rows)
        scores, top = self._best.of(vectors, pairs, self._played(requests, numbers))
        if self._exported.ranker is not None:
            seen = Seen.of(vectors, pairs, self._about(requests))
            top, scores = self._exported.ranker.reorder(self._exported.blend, seen, top, scores, self._size)
        if self._surfacing is not None:
            names = [request.name for request in requests]
            played = self._played(requests, self._exported.newcomers.numbers)
            top, scores = self._surfacing.into(top, scores, vectors, names, played)
        share = (scores / self._bound(vectors, pairs)).clamp(-1.0, 1.0)
        scaled = (share.sign() * share.abs().sqrt()).cpu().numpy()  # SCORE_RULE in export.py
        listed = torch.isfinite(scores).cpu().numpy()
        sources = self._sources(rows, top)
        artists = self._numbers[top.cpu().numpy()]
        return [
            self._value(artists[row][listed[row]], scaled[row][listed[row]], sources[row][listed[row]])
            for row in range(len(requests))
        ]

    def _about(self, requests: list[Request]) -> About:
        """What the ranker is told of listeners beside their history, as about_at says it of those in training."""
        exported, today = self._exported, self._exported.today
        parts = [request.segment.removeprefix("@").partition("/") for request in requests]
        groups = exported.ranker.facts.rows([age for age, _, _ in parts], [place for _, _, place in parts])
        rows, entries = self._entries(requests)
        days, met = entries["days"].astype(np.int64), entries["heard"] + entries["likes"] + entries["clicks"]
        latest = np.full(len(requests), today - OLDEST, np.int64)
        done = met + entries["skips"] > 0
        np.maximum.at(latest, rows[done], days[done])
        columns = positions(exported.artist_numbers, entries["artists"].astype(np.int64))
        use = (columns >= 0) & (met > 0) & (days > today - RECENT)
        shape = (len(requests), len(exported.artist_numbers))
        recent = Pairs.build(rows[use], columns[use], np.ones(int(use.sum()), np.float32), shape)
        idle = torch.from_numpy((today - latest).astype(np.float32))
        return About(groups.to(self._device), recent, idle.to(self._device))

    def _bound(self, vectors: Tensor, pairs: Pairs) -> Tensor:
        """What no score of the listener can exceed: [rows, 1]."""
        bound = vectors.norm(dim=1) * self._exported.longest
        if self._strongest is not None:
            rows, columns = (torch.from_numpy(part).to(self._device) for part in (pairs.rows, pairs.columns))
            bound = bound.index_add(0, rows.long(), self._strongest[columns.long()])
        if self._exported.filter is not None:
            bound = bound + self._exported.filter.listeners(pairs).norm(dim=1) * self._longest_filter
        return bound.clamp_min(1e-20).unsqueeze(1)

    def _played(self, requests: list[Request], numbers: np.ndarray) -> tuple[Tensor, Tensor]:
        """Rows and positions among these artists of every one that must not be listed: all that were played, liked or
        not."""
        rows = np.repeat(np.arange(len(requests)), [len(request.artists) for request in requests])
        played = np.concatenate([np.array(request.artists, np.int64) for request in requests])
        at = positions(numbers, played)
        known = at >= 0
        return torch.from_numpy(rows[known]).to(self._device), torch.from_numpy(at[known]).to(self._device)

    def _sources(self, rows: Rows, top: Tensor) -> np.ndarray:
        """The played artists that add most to each item's score, most first: numbers [listeners, items, 2 or fewer
        per history]; 0 where a second one does not help."""
        model, numbers = self._exported.model, self._exported.artist_numbers
        low, deep = self._exported.filter, MOST_REASONS
        result = np.zeros((*top.shape, deep), np.int64)
        padded = torch.cat([model.artists, model.artists.new_zeros(1, model.artists.shape[1])])
        # Newcomers have factors alone.
        width = len(numbers)
        for at, columns, trust, counts in rows.blocks:
            factors = padded[columns.long()]
            diagonal = model.diagonal(counts)
            targets = top[at]
            shares = contributions(factors, trust, diagonal, self._factors[targets])
            new, targets = (targets >= width).unsqueeze(2), targets.clamp_max(width - 1)
            if self._exported.neighbours is not None:
                shape = shares.shape
                sources = columns.long().unsqueeze(1).expand(shape)
                between = self._exported.neighbours.between(sources, targets.unsqueeze(2).expand(shape))
                shares = shares + between.masked_fill(new, 0.0)
            if low is not None:
                known = columns.long().clamp_max(width - 1)
                parts = low.outputs(targets) @ low.inputs(known).transpose(1, 2)
                shares = shares + parts.masked_fill((columns == width).unsqueeze(1) | new, 0.0)
            value, best = torch.topk(shares, min(deep, shares.shape[2]), dim=2)
            chosen = columns.long().unsqueeze(1).expand(-1, top.shape[1], -1).gather(2, best)
            found = np.append(numbers, 0)[chosen.cpu().numpy()]
            found[(value <= 0).cpu().numpy()] = 0
            result[at.cpu().numpy(), :, : found.shape[2]] = found
        return result

    def _value(self, artists: np.ndarray, scores: np.ndarray, sources: np.ndarray) -> Value:
        reasons, names = choose_reasons(sources.tolist())
        return Value(
            "personal",
            artists=artists.tolist(),
            scores=[float(score) for score in scores],
            reasons=reasons,
            reason_artists=names,
            **self._stamp,
        )


def choose_reasons(sources: list[list[int]], most: int = MOST_REASONS) -> tuple[list[int], list[int]]:
    """Picks at most `most` played artists as reasons: those that are the first source of most items, the earlier item
    first among equals. An item takes the strongest of its sources that was picked. `sources` holds each item's played
    artists, strongest first, 0 for none. Returns the items' reasons (0 none, else index + 1) and the picked artists."""
    votes: dict[int, int] = {}
    for item in sources:
        if item and item[0]:
            votes[item[0]] = votes.get(item[0], 0) + 1
    names = sorted(votes, key=lambda artist: -votes[artist])[:most]  # stable: in order of first vote
    index = {artist: at + 1 for at, artist in enumerate(names)}
    reasons = [next((index[artist] for artist in item if artist in index), 0) for item in sources]
    return reasons, names

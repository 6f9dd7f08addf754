"""Scoring without I/O: listeners' histories in, packed lists with reasons out."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

from .best import Best
from .blend import fold_in
from .errors import SegueError
from .export import Exported
from .ials import Rows, confidence, contributions
from .newcomers import positions
from .pairs import Pairs
from .quota import Surfacing
from .segments import EVERYBODY, fallback, segment_of
from .similar import Similar
from .value import MAX_ARTIST, MAX_ITEMS, Value, encode
from .vectors import encode_part

MOST_REASONS = 5
LISTENERS_AT_ONCE = 2048
# Of the vectors that serving loads; a part's line stays below 1 MiB at any rank.
PART_ARTISTS = 512
MOST_PARTS = 16
ID = re.compile(r"[A-Za-z0-9_-]{1,64}")
SEGMENT = re.compile(r"@(?:[0-9]{1,2}-[0-9]{1,2}|65\+)?/(?:[A-Z]{2}(?:-[A-Za-z0-9]{1,8})?)?")
LISTENER_FIELDS = {"listenerId", "artists", "weights", "ageGroup", "place"}


class LineError(SegueError):
    """A line of input that cannot be scored; the message names the line and the field."""

    def __init__(self, line: int, field: str, message: str) -> None:
        super().__init__(f"line {line}: {field}: {message}")


@dataclass(frozen=True)
class Request:
    """A listener (with artist numbers and weights); else a segment, artist or part of the vectors asked for by name."""

    name: str
    listener: bool
    segment: str
    artists: list[int]
    weights: list[float]
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
        return Request(segment, False, segment, [], [])
    if "artist" in record or "vectors" in record:
        return _of_artists(record, need)
    for field in record:
        need(field in LISTENER_FIELDS, field, "unknown field")
    name, artists, weights = record.get("listenerId"), record.get("artists"), record.get("weights")
    need(isinstance(name, str) and bool(ID.fullmatch(name)), "listenerId", f"{name!r} is not a listener id")
    for field, values in (("artists", artists), ("weights", weights)):
        need(isinstance(values, list), field, "not a list")
    need(len(artists) == len(weights), "weights", f"{len(weights)} weights for {len(artists)} artists")
    for artist in artists:
        need(type(artist) is int and 1 <= artist <= MAX_ARTIST, "artists", f"{artist!r} is not an artist number")
    need(len(set(artists)) == len(artists), "artists", "an artist is listed twice")
    for weight in weights:
        fits = type(weight) in (int, float) and 0 <= weight < float("inf")
        need(fits, "weights", f"{weight!r} is not a number from 0")
    age_group, place = record.get("ageGroup") or "", record.get("place") or ""
    segment = f"@{age_group}/{place}"
    need(bool(SEGMENT.fullmatch(segment)), "ageGroup or place", f"{age_group!r}, {place!r} make no segment")
    return Request(name, True, segment_of(age_group, place), artists, [float(weight) for weight in weights])


def _of_artists(record: dict, need: Callable[[bool, str, str], None]) -> Request:
    """`{"artist":17,"artistId":"a17"}`, or `{"vectors":0,"artists":[[17,"a17"],…]}`."""

    def artist(number: object, name: object, field: str) -> tuple[int, str]:
        fits = type(number) is int and 1 <= number <= MAX_ARTIST and isinstance(name, str) and bool(ID.fullmatch(name))
        need(fits, field, f"{number!r}, {name!r} is not an artist's number and id")
        return number, name

    if "artist" in record:
        need(set(record) == {"artist", "artistId"}, "artist", "stands with artistId alone")
        number, name = artist(record["artist"], record["artistId"], "artist")
        return Request(f"~{name}", False, "", [number], [], (name,))
    part, pairs = record["vectors"], record.get("artists")
    need(set(record) == {"vectors", "artists"}, "vectors", "stands with artists alone")
    need(type(part) is int and 0 <= part < MOST_PARTS, "vectors", f"{part!r} is not a number from 0 to {MOST_PARTS - 1}")
    fits = isinstance(pairs, list) and len(pairs) <= PART_ARTISTS and all(
        isinstance(pair, list) and len(pair) == 2 for pair in pairs
    )
    need(fits, "artists", f"not a list of {PART_ARTISTS} pairs of number and id at most")
    found = [artist(*pair, "artists") for pair in pairs]
    return Request(f"#{part}", False, "", [number for number, _ in found], [], tuple(name for _, name in found))


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
        self._best = Best(exported.blend, size)
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
        similar: list[int] = []
        newly: list[int] = []
        personal: list[tuple[int, np.ndarray, np.ndarray]] = []
        for at, request in enumerate(requests):
            if request.name.startswith("~"):
                similar.append(at)
                continue
            if request.name.startswith("#"):
                pairs = list(zip(request.artists, request.ids, strict=True))
                values[at] = encode_part(self._exported, self._stamp["release_tag"], pairs)
                continue
            positions, weights = self._history(request)
            if len(positions):
                personal.append((at, positions, weights))
            elif request.listener:
                newly.append(at)
            else:
                values[at] = self._segment(request)
        for at, value in zip(newly, self._without_history([requests[at] for at in newly]), strict=True):
            values[at] = value
        found = self._similar.of([requests[at].artists[0] for at in similar])
        for at, (artists, scores) in zip(similar, found, strict=True):
            values[at] = Value("similar", artists=artists, scores=scores, reasons=[0] * len(artists), **self._stamp)
        personal.sort(key=lambda item: len(item[1]))  # listeners of similar length are solved together
        for first in range(0, len(personal), LISTENERS_AT_ONCE):
            part = personal[first : first + LISTENERS_AT_ONCE]
            lists = self._personal([requests[at] for at, _, _ in part], [item[1:] for item in part])
            for (at, _, _), value in zip(part, lists, strict=True):
                values[at] = value
        return [
            f"{request.name} {base64.b64encode(value if isinstance(value, bytes) else encode(value)).decode()}"
            for request, value in zip(requests, values, strict=True)
            if value is not None
        ]

    def _history(self, request: Request) -> tuple[np.ndarray, np.ndarray]:
        """Positions and weights of the artists that the model knows and the listener likes at all."""
        artists, weights = np.array(request.artists, np.int64), np.array(request.weights, np.float32)
        at = positions(self._exported.artist_numbers, artists)
        use = (at >= 0) & (weights > 0)
        order = np.argsort(at[use])
        return at[use][order], weights[use][order]

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

    def _personal(self, requests: list[Request], histories: list[tuple[np.ndarray, np.ndarray]]) -> list[Value]:
        model, numbers = self._exported.model, self._exported.artist_numbers
        lengths = [len(positions) for positions, _ in histories]
        starts = np.concatenate([[0], np.cumsum(lengths)])
        weights = np.concatenate([weight for _, weight in histories])
        columns = np.concatenate([positions for positions, _ in histories])
        pairs = Pairs(starts, columns.astype(np.int32), weights, len(numbers))
        trust = confidence(weights, model.settings.strength)
        rows = Rows(pairs, trust, model.settings.rank, self._device)
        vectors = model.listeners(rows)
        scores, top = self._best.of(vectors, pairs, self._played(requests, numbers))
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

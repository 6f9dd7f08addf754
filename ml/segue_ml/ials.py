"""Implicit alternating least squares: rows solved in batches, exactly, or in sweeps on a CPU nearly (conjugate.py).

The objective is that of Rendle, Krichene, Zhang and Koren, "Revisiting the Performance of iALS on Item Recommendation
Benchmarks" (2021), with a confidence per pair as in Hu, Koren and Volinsky (2008):

    sum over observed (u, i) of c_ui (1 - x_u·y_i)²  +  a0 · sum over all (u, i) of (x_u·y_i)²
    +  sum over rows r of either side of  ridge(m_r) |row_r|²,   ridge(m) = λ (m + a0 · size of the other side)^ν

where m is the row's number of interactions; with words of the artists, |y - μ|² in place of an artist's |y|² (words.py). Both sides are kept in the principal axes of the side that was solved
last, where its Gram matrix is the diagonal `spectrum`: a row with m interactions and factors P (m × k) then solves
(D + Pᵀ C P) x = Pᵀ C 1 with D diagonal, which for m < k is cheaper as an m × m system (Woodbury).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, replace
from typing import Protocol

import numpy as np
import torch
from torch import Tensor

from .conjugate import NearRows
from .errors import SegueError
from .pairs import Pairs
from .words import Prior, Words

CPU_BLOCK, GPU_BLOCK = 2 << 20, 64 << 20  # floats gathered at a time
LONGEST_ROW = 16384  # pairs of one row gathered at a time

# What a command line may fix, with its type.
SETTINGS = (
    ("rank", int),
    ("sweeps", int),
    ("a0", float),
    ("ridge", float),
    ("nu", float),
    ("strength", float),
    ("item_weight", float),
    ("item_ridge", float),
    ("filter_weight", float),
    ("filter_rank", int),
    ("filter_degree", float),
    ("learned_weight", float),
    ("word_ridge", float),
)


@dataclass(frozen=True)
class Settings:
    """Hyperparameters. `ridge` is the ridge of an average row (see Ridge.of); `strength` is α in the confidence
    1 + α log(1 + weight). `item_weight` multiplies the item-to-item term, `item_ridge` is its ridge (neighbours.py);
    `filter_weight` multiplies the low-pass term, of `filter_rank` directions and exponent `filter_degree` (spectral.py).
    `learned_weight` multiplies the learned part of it (learned.py).
    `word_ridge` is the ridge of the words' vectors, in ridges of a mean artist (words.py); 0 leaves words out."""

    rank: int = 64
    sweeps: int = 8
    a0: float = 0.03
    ridge: float = 3.0
    nu: float = 1.0
    strength: float = 0.3
    item_weight: float = 0.0
    item_ridge: float = 1.0
    filter_weight: float = 0.0
    filter_rank: int = 128
    filter_degree: float = 0.3
    learned_weight: float = 0.0
    word_ridge: float = 0.0
    seed: int = 0

    def check(self) -> Settings:
        """Raises SegueError naming the first setting that is out of range."""
        for name, value, low, high in (
            ("rank", self.rank, 1, 4096),
            ("sweeps", self.sweeps, 1, 1000),
            ("a0", self.a0, 1e-6, 1e3),
            ("ridge", self.ridge, 1e-6, 1e6),
            ("nu", self.nu, 0.0, 2.0),
            ("strength", self.strength, 0.0, 1e3),
            ("item_weight", self.item_weight, 0.0, 1e3),
            ("item_ridge", self.item_ridge, 1e-3, 1e6),
            ("filter_weight", self.filter_weight, 0.0, 1e3),
            ("filter_rank", self.filter_rank, 1, 4096),
            ("filter_degree", self.filter_degree, 0.0, 2.0),
            ("learned_weight", self.learned_weight, 0.0, 1e3),
            ("word_ridge", self.word_ridge, 0.0, 1e6),
            ("seed", self.seed, 0, 2**31),
        ):
            if not low <= value <= high:
                raise SegueError(f"{name}: {value} is not between {low} and {high}")
        return self

    def changed(self, **values: float) -> Settings:
        return replace(self, **values)

    def as_dict(self) -> dict[str, float]:
        return asdict(self)


def default_settings(pairs: Pairs, seed: int = 0) -> Settings:
    """Settings that scale with the data.

    Rank: about 2 √artists, or a 36th of the artists or listeners, whichever are fewer, where that is more; in steps of
    32. Tens of thousands of both gain from every added dimension, fewer of either overfit. Ridge: three quarters of (interactions per listener ×
    interactions per artist)^¼, the scale of the singular values that chance alone gives such a matrix.
    """
    listeners, artists = int((pairs.lengths > 0).sum()), len(np.unique(pairs.columns))
    rank = int(np.clip(32 * round(max(2 * np.sqrt(artists), min(listeners, artists) / 36) / 32), 32, 1024))
    chance = (pairs.count**2 / max(1, listeners * artists)) ** 0.25
    return Settings(rank=max(1, min(rank, listeners, artists)), ridge=round(max(0.05, 0.75 * chance), 3), seed=seed)


@dataclass(frozen=True)
class Ridge:
    """ridge(m) = scale · (m + a0 · others)^ν."""

    scale: float
    a0: float
    nu: float

    @classmethod
    def of(cls, settings: Settings, pairs: Pairs) -> Ridge:
        """Scaled so that `settings.ridge` is the geometric mean of the average listener's and the average artist's
        ridge. Only that product matters: what one side's ridge takes, the other side's vectors make up for. So the
        setting means the same whichever side is the larger."""
        return cls.between(
            settings,
            np.mean(cls.sizes(settings, pairs.lengths, pairs.width)),
            np.mean(cls.sizes(settings, np.bincount(pairs.columns), pairs.height)),
        )

    @staticmethod
    def sizes(settings: Settings, lengths: np.ndarray, others: int) -> np.ndarray:
        """(m + a0 · others)^ν of each row that has interactions."""
        return (lengths[lengths > 0] + settings.a0 * others) ** settings.nu

    @classmethod
    def between(cls, settings: Settings, listeners: float, artists: float) -> Ridge:
        """From the mean of `sizes` on either side."""
        return cls(float(settings.ridge / np.sqrt(listeners * artists)), settings.a0, settings.nu)

    def __call__(self, counts: Tensor, others: int) -> Tensor:
        return self.scale * (counts + self.a0 * others) ** self.nu

    def of_played(self, counts: Tensor, others: int) -> Tensor:
        """As above, and 0 for rows without interactions."""
        return self(counts, others) * (counts > 0)


def solve_rows(factors: Tensor, confidence: Tensor, diagonal: Tensor, start: Tensor | None = None) -> Tensor:
    """Minimisers of (D + Pᵀ C P) x = Pᵀ C 1 + D x0, one a row.

    factors P [rows, m, k] (zeros where a shorter row is padded), confidence C [rows, m] (ones where padded), diagonal D
    [rows, k], start x0 [rows, k], zero without one. Returns [rows, k].
    """
    scale = diagonal.rsqrt()
    scaled = factors * scale.unsqueeze(1)
    # What is left to explain; x - x0 is solved.
    missing = torch.ones_like(confidence).unsqueeze(2)
    if start is not None:
        missing = missing - factors @ start.unsqueeze(2)
    if factors.shape[1] <= factors.shape[2]:
        kernel = _dual_kernel(scaled, confidence)
        found = (scaled.transpose(1, 2) @ solve_spd(kernel, missing)).squeeze(2) * scale
    else:
        weighted = (scaled * confidence.unsqueeze(2)).transpose(1, 2)
        normal = weighted @ scaled
        normal.diagonal(dim1=1, dim2=2).add_(1.0)
        found = solve_spd(normal, weighted @ missing).squeeze(2) * scale
    return found if start is None else found.add_(start)


def contributions(factors: Tensor, confidence: Tensor, diagonal: Tensor, targets: Tensor) -> Tensor:
    """How much each interaction adds to each target's score (Hu et al. 2008, section 5): c_i · s_aᵀ (D + PᵀCP)⁻¹ s_i,
    whose sum over i is the score x·s_a. Shapes as in solve_rows; targets [rows, n, k]. Returns [rows, n, m]."""
    scale = diagonal.rsqrt().unsqueeze(1)
    scaled, targets = factors * scale, targets * scale
    if factors.shape[1] <= factors.shape[2]:
        kernel = _dual_kernel(scaled, confidence)
        return solve_spd(kernel, scaled @ targets.transpose(1, 2)).transpose(1, 2)
    normal = scaled.transpose(1, 2) @ (scaled * confidence.unsqueeze(2))
    normal.diagonal(dim1=1, dim2=2).add_(1.0)
    solved = solve_spd(normal, targets.transpose(1, 2))
    return (scaled @ solved * confidence.unsqueeze(2)).transpose(1, 2)


def _dual_kernel(scaled: Tensor, confidence: Tensor) -> Tensor:
    kernel = scaled @ scaled.transpose(1, 2)
    kernel.diagonal(dim1=1, dim2=2).add_(confidence.reciprocal())
    return kernel


def solve_spd(matrix: Tensor, right: Tensor) -> Tensor:
    # Not torch.linalg.solve: its batched LU is wrong on a CPU with several threads above order 150 (pytorch#142815).
    # The upper factor spares PyTorch two transpositions and a third of the time.
    factor, _ = torch.linalg.cholesky_ex(matrix, upper=True)
    return torch.cholesky_solve(right, factor, upper=True)


class Rows:
    """The rows of a matrix packed for batched solving: sorted by length, in blocks of similar length, padded within."""

    def __init__(self, pairs: Pairs, confidence: np.ndarray, rank: int, device: torch.device) -> None:
        self.height, self.width, self.device = pairs.height, pairs.width, device
        self.blocks: list[tuple[Tensor, Tensor, Tensor, Tensor]] = []
        self.long: list[tuple[int, Tensor, Tensor]] = []
        budget = GPU_BLOCK if device.type == "cuda" else CPU_BLOCK
        order = np.argsort(pairs.lengths, kind="stable")
        lengths = pairs.lengths[order]
        for first, last in _blocks(lengths, rank, budget):
            rows, wide = order[first:last], int(lengths[last - 1])
            if wide > LONGEST_ROW:
                for row in rows:
                    own = slice(pairs.starts[row], pairs.starts[row + 1])
                    self.long.append((int(row), self._put(pairs.columns[own]), self._put(confidence[own])))
                continue
            at = pairs.starts[rows][:, None] + np.arange(wide)
            pad = np.arange(wide) >= lengths[first:last, None]
            at[pad] = 0
            columns, weights = pairs.columns[at], confidence[at].astype(np.float32)
            columns[pad], weights[pad] = pairs.width, 1.0
            counts = lengths[first:last].astype(np.float32)
            self.blocks.append((self._put(rows), self._put(columns), self._put(weights), self._put(counts)))

    def _put(self, array: np.ndarray) -> Tensor:
        return torch.from_numpy(np.ascontiguousarray(array)).to(self.device)

    def solve(self, other: Tensor, side: Model, means: Tensor | None = None) -> Tensor:
        """The best rows [height, k] given the other side's factors that the rows count [width, k], in its principal axes,
        and the whole of that side; drawn to their `means` [height, k], or to zero. Rows without interactions are zero."""
        rank = other.shape[1]
        padded = torch.cat([other, other.new_zeros(1, rank)])
        result = other.new_zeros(self.height, rank)
        for rows, columns, confidence, counts in self.blocks:
            factors = padded.index_select(0, columns.flatten()).view(*columns.shape, rank)
            start = None if means is None else side.start(counts, means[rows])
            result.index_copy_(0, rows, solve_rows(factors, confidence, side.diagonal(counts), start))
        for row, columns, confidence in self.long:
            count = torch.tensor([float(len(columns))], device=self.device)
            diagonal = side.diagonal(count)[0]
            right = torch.zeros_like(diagonal) if means is None else diagonal * side.start(count, means[row : row + 1])[0]
            result[row] = self._solve_long(other, diagonal, right, columns, confidence)
        return result

    def _solve_long(
        self, other: Tensor, diagonal: Tensor, right: Tensor, columns: Tensor, confidence: Tensor
    ) -> Tensor:
        normal = torch.diag(diagonal)
        for part, weights in zip(columns.split(LONGEST_ROW), confidence.split(LONGEST_ROW), strict=True):
            factors = other.index_select(0, part)
            weighted = factors * weights.unsqueeze(1)
            normal += factors.T @ weighted
            right += weighted.sum(0)
        return solve_spd(normal, right.unsqueeze(1)).squeeze(1)


def rows_of(pairs: Pairs, settings: Settings, device: torch.device) -> Rows | NearRows:
    """Rows packed for sweeps."""
    trust = confidence(pairs.values, settings.strength)
    return NearRows(pairs, trust, settings.rank) if device.type == "cpu" else Rows(pairs, trust, settings.rank, device)


def _blocks(lengths: np.ndarray, rank: int, budget: int) -> Iterator[tuple[int, int]]:
    """Slices of ascending lengths, each within the budget of floats and padded by a fifth at most."""
    first = int(np.searchsorted(lengths, 1))
    while first < len(lengths):
        widest = max(int(lengths[first] * 1.2), int(lengths[first]) + 1)
        if lengths[first] <= rank:
            widest = min(widest, rank)  # a block is solved in one form
        last = int(np.searchsorted(lengths, widest, side="right"))
        last = min(last, first + max(1, budget // (max(rank, widest) * widest)))
        yield first, last
        first = last


def axes_of(gram: Tensor) -> tuple[Tensor, Tensor]:
    """The axes [k, k] in which factors with this Gram matrix have a diagonal one, and that diagonal."""
    try:
        spectrum, axes = torch.linalg.eigh(gram)
    except torch.linalg.LinAlgError:  # far more dimensions than the data have: numbers too small for single precision
        spectrum, axes = (part.float() for part in torch.linalg.eigh(gram.double()))
    return axes, spectrum.clamp_min(0.0)


def principal_axes(factors: Tensor) -> tuple[Tensor, Tensor]:
    """The factors turned so that their Gram matrix is diagonal, and that diagonal. Scores do not change when both
    sides turn, and the side solved next is solved in these axes."""
    axes, spectrum = axes_of(factors.T @ factors)
    return factors @ axes, spectrum


@dataclass(frozen=True)
class Model:
    """Artist factors [artists, k] in their principal axes, their spectrum [k], and the ridge: all that is needed to
    fold a listener in. Listener factors are not part of the model: they follow from the history in closed form."""

    artists: Tensor
    spectrum: Tensor
    ridge: Ridge
    settings: Settings
    catalogue: int  # artists when it was trained, which the ridge counts; an export leaves out those without a vector

    def diagonal(self, counts: Tensor) -> Tensor:
        """D of listeners with these numbers of interactions: [listeners, k]."""
        return self.ridge.a0 * self.spectrum + self.ridge(counts, self.catalogue).unsqueeze(1)

    def start(self, counts: Tensor, means: Tensor) -> Tensor:
        """Where rows of the other side with these means [rows, k] would be without interactions: x0 of solve_rows."""
        return means * (self.ridge(counts, self.catalogue).unsqueeze(1) / self.diagonal(counts))

    def listeners(self, rows: Rows | NearRows) -> Tensor:
        """Folds in every row: vectors [rows, k]."""
        return rows.solve(self.artists, self)


def confidence(weights: np.ndarray, strength: float) -> np.ndarray:
    """1 + α log(1 + weight): grows with the evidence, but a thousand plays are not a thousand times one."""
    return (1.0 + strength * np.log1p(weights)).astype(np.float32)


def first_factors(artists: int, settings: Settings) -> Tensor:
    """Where the sweeps begin: small random factors [artists, rank], by the seed alone."""
    generator = torch.Generator().manual_seed(settings.seed)
    return torch.randn(artists, settings.rank, generator=generator) * (0.1 / settings.rank**0.5)


class Progress(Protocol):
    """Where a training's state is kept between its sweeps, so that one that was killed goes on. The artists' side is all
    of it: the listeners' follows in closed form."""

    def begin(self) -> tuple[int, Tensor, Tensor] | None:
        """Sweeps done, artists [artists, k] in their principal axes and their spectrum [k], on any device."""

    def done(self, sweep: int, artists: Tensor, spectrum: Tensor) -> None:
        """The state after a sweep."""


def train(
    pairs: Pairs,
    settings: Settings,
    device: torch.device,
    after_sweep: Callable[[int, Model, Tensor], bool] | None = None,
    progress: Progress | None = None,
    words: Words | None = None,
) -> Model:
    """Fits the model to listener × artist pairs, whose values are the interactions' weights; `words` are the artists', used
    with `settings.word_ridge` above 0.

    `after_sweep(number, model, listeners)` is called with the state after each sweep and stops the training when it
    returns true; `listeners` are the vectors folded in with that state's artists. With `progress` it goes on from the
    state that is kept there, to the same model.
    """
    settings.check()
    if not pairs.count:
        raise SegueError("interactions: none with a weight above 0; nothing to train on")
    ridge = Ridge.of(settings, pairs)
    by_listener = rows_of(pairs, settings, device)
    by_artist = rows_of(pairs.transpose(), settings, device)
    kept = progress.begin() if progress else None
    if kept is None:
        kept = (0, *principal_axes(first_factors(pairs.width, settings).to(device)))
    before, artists, spectrum = kept
    prior = None
    if words is not None and settings.word_ridge > 0:
        counts = torch.from_numpy(np.bincount(pairs.columns, minlength=pairs.width)).float().to(device)
        prior = Prior(words, ridge.of_played(counts, pairs.height), settings.word_ridge)
    model = Model(artists.to(device), spectrum.to(device), ridge, settings, pairs.width)
    if before >= settings.sweeps:
        return model
    listeners = model.listeners(by_listener)
    for sweep in range(before + 1, settings.sweeps + 1):
        # The artists' rows are solved as the listeners' are: the objective is the same from both sides.
        means = prior and prior.means(model.artists)
        axes, spectrum = axes_of(listeners.T @ listeners)
        turned = Model(listeners @ axes, spectrum, ridge, settings, pairs.height)
        artists = by_artist.solve(turned.artists, turned, None if means is None else means @ axes)
        model = Model(*principal_axes(artists), ridge, settings, pairs.width)
        if not torch.isfinite(model.spectrum).all():
            raise SegueError(
                f"training diverged in sweep {sweep}: raise ridge ({settings.ridge:g}) or a0 ({settings.a0:g})"
            )
        if progress:
            progress.done(sweep, model.artists, model.spectrum)
        if after_sweep is None and sweep == settings.sweeps:
            break
        listeners = model.listeners(by_listener)
        if after_sweep is not None and after_sweep(sweep, model, listeners):
            break
    return model

"""The learned part of the linear term: two vectors an artist, by which a history says what was taken out of it.

A linear autoencoder with the multinomial likelihood of Liang et al., "Variational Autoencoders for Collaborative
Filtering" (2018): half of a history at random is the input, its artists' vectors `inputs` are added up, and a softmax
over the other artists of the sum's products with `outputs` is to name the missing half. Half of what an artist's number
of listeners explains is told beforehand, as the other terms say it. Factors, neighbours and the low-pass term are all
fitted to squares; this one errs differently. It costs listeners × artists, hence the limits.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from .pairs import Pairs
from .sparse import compressed

RANK, EPOCHS, BATCH, RATE, DROPPED = 128, 12, 125, 3e-3, 0.5
KNOWN = 0.5  # power of an artist's listeners that the softmax begins with
FEWEST_LISTENERS = 4000  # of fewer there are not the steps to learn it in
MOST_CELLS = 25_000_000  # listeners × artists: some ten seconds of one core
LOOKED_AT = 2000  # listeners by whom it is scaled


@dataclass(frozen=True)
class Learned:
    """`inputs` and `outputs`, float32 [artists, d]: a history scores the sum of its artists' `inputs` times `outputs`."""

    inputs: Tensor
    outputs: Tensor

    def times(self, factor: float) -> Learned:
        return Learned(self.inputs, self.outputs * factor)

    def at(self, columns: Tensor | None) -> Learned:
        """Of these positions; None: of all."""
        return self if columns is None else Learned(self.inputs[columns], self.outputs[columns])


def worth_learning(pairs: Pairs) -> bool:
    """Whether the data are neither too few to learn from nor so many that it takes longer than all else."""
    listeners = int((pairs.lengths > 1).sum())
    return listeners >= FEWEST_LISTENERS and listeners * pairs.width <= MOST_CELLS


class _Adam:
    """Kingma and Ba, "Adam" (2015). Not PyTorch's, whose first use takes four seconds of processor time."""

    def __init__(self, values: Tensor) -> None:
        self.steps, self._values = 0, values.detach()
        self._mean, self._square = torch.zeros_like(self._values), torch.zeros_like(self._values)

    def step(self, slope: Tensor, rate: float) -> None:
        self.steps += 1
        self._mean.lerp_(slope, 0.1)
        self._square.lerp_(slope.square(), 0.001)
        root = (self._square / (1 - 0.999**self.steps)).sqrt_().add_(1e-8)
        self._values.addcdiv_(self._mean, root, value=-rate / (1 - 0.9**self.steps))


@contextmanager
def _one_thread() -> Iterator[None]:
    """The steps are too small to divide: two threads take longer beside other work, and sums would differ by their number."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


@_one_thread()
def learn(pairs: Pairs, device: torch.device, seed: int = 0) -> Learned:
    """Trains it by Adam with a falling rate. Its scores are scaled to the deviation of the data themselves, so that a share
    of it means the same on all data. The same for one seed."""
    generator, order = torch.Generator().manual_seed(seed), np.random.default_rng(seed)
    rank = min(RANK, pairs.width)
    listened = torch.from_numpy(np.bincount(pairs.columns, minlength=pairs.width)).float().to(device)
    known = KNOWN * (1 + listened).log()
    sides = (0.05 * torch.randn(2, pairs.width, rank, generator=generator)).to(device).requires_grad_()
    adam = _Adam(sides)
    able = np.flatnonzero(pairs.lengths > 1)
    total = EPOCHS * math.ceil(len(able) / BATCH)
    for _ in range(EPOCHS):
        for rows in np.array_split(order.permutation(able), total // EPOCHS):
            loss = _loss(pairs, np.sort(rows), (*sides.unbind(), known), generator)
            (slope,) = torch.autograd.grad(loss, sides)
            adam.step(slope, RATE * (1 + math.cos(math.pi * adam.steps / total)) / 2)
    return _scaled(pairs, Learned(*sides.detach().unbind()), able)


def _loss(
    pairs: Pairs, rows: np.ndarray, learned: tuple[Tensor, Tensor, Tensor], generator: torch.Generator
) -> Tensor:
    """What the missing artists' names cost, listeners weighted by the root of how many they are."""
    inputs, outputs, beforehand = learned
    at, columns = (torch.from_numpy(found).long() for found in pairs.slots(rows))
    kept = torch.rand(len(at), generator=generator) >= DROPPED
    missing = torch.bincount(at[~kept], minlength=len(rows)).clamp_min(1)
    trust = missing.rsqrt()[at[~kept]].to(inputs.device)
    at, columns, kept = (found.to(inputs.device) for found in (at, columns, kept))
    starts = torch.searchsorted(at[kept], torch.arange(len(rows) + 1, device=at.device))
    history = compressed(starts, columns[kept], torch.ones(len(columns[kept]), device=at.device), len(inputs))
    known = torch.zeros(len(rows), len(inputs), dtype=torch.bool, device=at.device)
    known[at[kept], columns[kept]] = True
    chances = ((history @ inputs) @ outputs.T + beforehand).masked_fill(known, -1e9).log_softmax(1)
    return -(chances[at[~kept], columns[~kept]] * trust).sum() / len(rows)


def _scaled(pairs: Pairs, found: Learned, able: np.ndarray) -> Learned:
    rows = able[:: max(1, len(able) // LOOKED_AT)]
    at, columns = (torch.from_numpy(part).long().to(found.inputs.device) for part in pairs.slots(rows))
    history = torch.zeros(len(rows), found.inputs.shape[1], device=at.device).index_add_(0, at, found.inputs[columns])
    # A constant per listener changes no order: the outputs' mean is taken off.
    outputs = found.outputs - found.outputs.mean(0)
    share = pairs.count / (pairs.height * pairs.width)
    deviation = float((history @ outputs.T).std())
    # Both sides alike in length.
    scale = math.sqrt(share * (1 - share)) / max(deviation, 1e-12)
    return Learned(found.inputs * math.sqrt(scale), outputs * math.sqrt(scale))

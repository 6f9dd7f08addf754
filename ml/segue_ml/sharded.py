"""iALS over several processes, and over rows that lie on disk.

The listeners' factors are sharded: each process holds those of its own listeners, for good. The artists' are solved in
shards, too, and then shared, since every listener needs them (as in ALX, Mehta et al. 2021, whose item side is small). A
process that solves artists gathers the listeners of one pass at a time from the others. The arithmetic of a row is that
of ials.py; only sums over all rows are added up in another order.
"""

from __future__ import annotations

import torch
from torch import Tensor

from .errors import SegueError
from .group import Group
from .ials import Model, Progress, Settings, first_factors, principal_axes
from .shards import Packed

AT_ONCE = 1 << 16  # rows turned at a time


def train_packed(
    packed: Packed, settings: Settings, device: torch.device, group: Group, progress: Progress | None = None
) -> Model:
    """The model of `ials.train`, the same in every process. `progress` is the first process' and goes on from its
    state."""
    settings.check()
    kept = group.decided(lambda: _state(packed, settings, progress))
    before, artists, spectrum = kept[0], kept[1].to(device), kept[2].to(device)
    model = Model(artists, spectrum, packed.ridge, settings, packed.artists)
    for sweep in range(before + 1, settings.sweeps + 1):
        listeners = _solve_listeners(packed, model)
        gram = group.sum(listeners.T @ listeners)
        spectrum = _turn(listeners, gram, group)
        artists, spectrum = _solve_artists(packed, settings, spectrum, group, listeners)
        del listeners
        model = Model(artists, spectrum, packed.ridge, settings, packed.artists)
        if not torch.isfinite(model.spectrum).all():
            raise SegueError(
                f"training diverged in sweep {sweep}: raise ridge ({settings.ridge:g}) or a0 ({settings.a0:g})"
            )
        if progress and group.first:
            progress.done(sweep, model.artists, model.spectrum)
    return model


def _state(packed: Packed, settings: Settings, progress: Progress | None) -> tuple[int, Tensor, Tensor]:
    kept = progress.begin() if progress else None
    return kept or (0, *principal_axes(first_factors(packed.artists, settings)))


def _solve_listeners(packed: Packed, model: Model) -> Tensor:
    """This process' listeners, folded in: [own listeners, k]."""
    result = model.artists.new_zeros(packed.own_listeners, model.artists.shape[1])
    for at in range(len(packed.by_listener)):
        part = packed.by_listener[at]
        table = model.artists.index_select(0, part.wanted.to(result.device))
        result[part.first : part.first + part.rows.height] = part.rows.solve(table, model)
    return result


def _turn(listeners: Tensor, gram: Tensor, group: Group) -> Tensor:
    """Turns the listeners into their principal axes, in place; returns their spectrum."""
    spectrum, axes = torch.linalg.eigh(gram)
    group.from_first(spectrum, axes)
    for first in range(0, len(listeners), AT_ONCE):
        listeners[first : first + AT_ONCE] = listeners[first : first + AT_ONCE] @ axes
    return spectrum.clamp_min(0.0)


def _solve_artists(
    packed: Packed, settings: Settings, spectrum: Tensor, group: Group, listeners: Tensor
) -> tuple[Tensor, Tensor]:
    """All artists in their principal axes, and their spectrum."""
    rank = settings.rank
    turned = Model(listeners, spectrum, packed.ridge, settings, packed.listeners)
    own = listeners.new_zeros(-(-packed.artists // group.size), rank)
    for at in range(len(packed.by_artist)):
        part = packed.by_artist[at]
        rows = listeners.index_select(0, part.wanted)
        table, _ = group.exchange(rows, part.to, part.coming)
        own[part.first : part.first + part.rows.height] = part.rows.solve(table, turned)
    # Artist a is row a // processes of process a % processes.
    artists = group.collect(own).transpose(0, 1).reshape(-1, rank)[: packed.artists]
    artists, diagonal = principal_axes(artists)
    group.from_first(artists, diagonal)
    return artists, diagonal

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
from .ials import Model, Progress, Settings, axes_of, first_factors, principal_axes
from .shards import Packed
from .words import Prior, Words

AT_ONCE = 1 << 16  # rows turned at a time


def train_packed(
    packed: Packed,
    settings: Settings,
    device: torch.device,
    group: Group,
    progress: Progress | None = None,
    words: Words | None = None,
) -> Model:
    """The model of `ials.train`, the same in every process. `progress` and `words` are the first process', which goes on
    from the state of the one."""
    settings.check()
    kept = group.decided(lambda: _state(packed, settings, progress))
    before, artists, spectrum = kept[0], kept[1].to(device), kept[2].to(device)
    model = Model(artists, spectrum, packed.ridge, settings, packed.artists)
    prior = _prior(packed, settings, group, device, words)
    for sweep in range(before + 1, settings.sweeps + 1):
        listeners = _solve_listeners(packed, model)
        axes, spectrum = axes_of(group.sum(listeners.T @ listeners))
        group.from_first(axes, spectrum)
        _turn(listeners, axes)
        means = _means(prior, model.artists, axes, settings, group)
        artists, spectrum = _solve_artists(packed, settings, spectrum, group, listeners, means)
        del listeners, means
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


def _prior(
    packed: Packed, settings: Settings, group: Group, device: torch.device, words: Words | None
) -> Prior | None:
    """The first process' prior. All of them count the artists' interactions."""
    if not settings.word_ridge > 0:
        return None
    own = torch.zeros(-(-packed.artists // group.size), 1, device=device)
    own[: len(packed.own_counts), 0] = torch.from_numpy(packed.own_counts).to(own)
    counts = _in_order(own, packed, group).squeeze(1)
    if words is None or not group.first:
        return None
    return Prior(words, packed.ridge.of_played(counts, packed.listeners), settings.word_ridge)


def _means(
    prior: Prior | None, artists: Tensor, axes: Tensor, settings: Settings, group: Group
) -> Tensor | None:
    """Where the words say that artists are, turned; None without words."""
    if not settings.word_ridge > 0:
        return None
    means = torch.zeros_like(artists) if prior is None else prior.means(artists)
    _turn(means, axes)
    group.from_first(means)
    return means


def _turn(rows: Tensor, axes: Tensor) -> None:
    """Turns rows into other axes, in place."""
    for first in range(0, len(rows), AT_ONCE):
        rows[first : first + AT_ONCE] = rows[first : first + AT_ONCE] @ axes


def _in_order(own: Tensor, packed: Packed, group: Group) -> Tensor:
    """Everybody's rows [artists, k]: artist a is row a // processes of process a % processes."""
    return group.collect(own).transpose(0, 1).reshape(-1, own.shape[1])[: packed.artists]


def _solve_artists(
    packed: Packed, settings: Settings, spectrum: Tensor, group: Group, listeners: Tensor, means: Tensor | None
) -> tuple[Tensor, Tensor]:
    """All artists in their principal axes, and their spectrum."""
    rank = settings.rank
    turned = Model(listeners, spectrum, packed.ridge, settings, packed.listeners)
    own = listeners.new_zeros(-(-packed.artists // group.size), rank)
    for at in range(len(packed.by_artist)):
        part = packed.by_artist[at]
        rows = listeners.index_select(0, part.wanted)
        table, _ = group.exchange(rows, part.to, part.coming)
        here = slice(part.first, part.first + part.rows.height)
        drawn = None if means is None else means[group.rank :: group.size][here]
        own[here] = part.rows.solve(table, turned, drawn)
    artists, diagonal = principal_axes(_in_order(own, packed, group))
    group.from_first(artists, diagonal)
    return artists, diagonal

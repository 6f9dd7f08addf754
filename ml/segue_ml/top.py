"""The best of each row, without sorting through all of it."""

from __future__ import annotations

import torch
from torch import Tensor

TILE = 256  # a power of two: near the root of the widest rows, so that neither pass is long


def top_k(scores: Tensor, k: int) -> tuple[Tensor, Tensor]:
    """As torch.topk(scores, k, dim=1), for wide rows several times as fast on a CPU: one pass takes the maximum of each
    tile, and only the k tiles of largest maximum can hold one of the k best. Ties may come in another order."""
    rows, width = scores.shape
    tiles = width // TILE
    if tiles <= 4 * k:
        best = torch.topk(scores, min(k, width), dim=1)
        return best.values, best.indices
    tiled = scores[:, : tiles * TILE].unflatten(1, (tiles, TILE))
    chosen = torch.topk(tiled.amax(2), k, dim=1).indices
    found = tiled.gather(1, chosen.unsqueeze(2).expand(-1, -1, TILE)).flatten(1)
    at = (chosen.unsqueeze(2) * TILE + torch.arange(TILE, device=scores.device)).flatten(1)
    rest = scores[:, tiles * TILE :]
    if rest.shape[1]:
        found = torch.cat([found, rest], 1)
        at = torch.cat([at, torch.arange(tiles * TILE, width, device=scores.device).expand(rows, -1)], 1)
    best = torch.topk(found, k, dim=1)
    return best.values, at.gather(1, best.indices)

"""Artists like an artist: those whose vectors point the same way."""

from __future__ import annotations

import numpy as np
import torch

from .export import Exported

ARTISTS_AT_ONCE = 1024


class Similar:
    """Cosines between artists' vectors, which lie in [-1, 1]. How much an artist is played changes the length of its
    vector, not the direction, so the popular are not similar to everybody."""

    def __init__(self, exported: Exported, size: int) -> None:
        artists = exported.model.artists
        self._numbers = exported.artist_numbers
        self._directions = artists / artists.norm(dim=1, keepdim=True).clamp_min(1e-20)
        self._size = size

    def of(self, artists: list[int]) -> list[tuple[list[int], list[float]]]:
        """For each artist number the most similar others, best first, with a cosine above 0; nothing for one without a
        vector."""
        found: list[tuple[list[int], list[float]]] = [([], [])] * len(artists)
        asked = np.array(artists, np.int64)
        at = np.minimum(np.searchsorted(self._numbers, asked), len(self._numbers) - 1)
        known = np.flatnonzero(self._numbers[at] == asked)
        for first in range(0, len(known), ARTISTS_AT_ONCE):
            rows = known[first : first + ARTISTS_AT_ONCE]
            own = torch.from_numpy(at[rows]).to(self._directions.device)
            cosines = self._directions[own] @ self._directions.T
            cosines.scatter_(1, own.unsqueeze(1), -1.0)
            best = torch.topk(cosines, min(self._size, cosines.shape[1]), dim=1)
            values, positions = best.values.clamp_max(1.0).cpu().numpy(), best.indices.cpu().numpy()
            for row, value, position in zip(rows, values, positions, strict=True):
                kept = value > 0
                found[row] = (self._numbers[position[kept]].tolist(), value[kept].tolist())
        return found

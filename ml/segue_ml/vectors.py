"""What serving folds new listeners in with: artists' vectors as bytes, format version 1 (docs/formats.md, "Vectors").

A part holds some artists of the model, each vector in k signed bytes and a scale of its own, behind the numbers that the
closed form needs (ials.py). Serving sees the factors alone: item-to-item weights stay with batch scoring.
"""

from __future__ import annotations

import struct

import numpy as np

from .export import Exported

VERSION, HEADER = 1, struct.Struct("<BxHHxxII5f")


def encode_part(exported: Exported, release_tag: int, artists: list[tuple[int, str]]) -> bytes:
    """One part for these artists (number, id); those that the model has no vector for are left out."""
    model, numbers = exported.model, exported.artist_numbers
    asked = np.array([number for number, _ in artists], np.int64)
    at = np.minimum(np.searchsorted(numbers, asked), len(numbers) - 1)
    known = np.flatnonzero(numbers[at] == asked)
    factors = model.artists[at[known]].cpu().numpy()
    scales = np.maximum(np.abs(factors).max(1, initial=0.0), 1e-30).astype(np.float32) / np.float32(127)
    quantised = np.rint(factors / scales[:, None]).astype(np.int8)
    rank = factors.shape[1]
    ridge, strength = model.ridge, model.settings.strength
    return b"".join(
        (
            HEADER.pack(
                *(VERSION, rank, len(known), release_tag, model.catalogue),
                *(ridge.a0, ridge.scale, ridge.nu, strength, exported.longest),
            ),
            model.spectrum.cpu().numpy().astype("<f4").tobytes(),
            scales.astype("<f4").tobytes(),
            quantised.tobytes(),
            b"".join(artists[index][0].to_bytes(3, "little") for index in known),
            "\n".join(artists[index][1] for index in known).encode(),
        )
    )

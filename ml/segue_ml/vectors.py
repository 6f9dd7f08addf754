"""What serving folds new listeners in with: artists' vectors as bytes, format version 2, or 4 with a learned part (docs/formats.md, "Vectors").

A part holds some artists of the model, each with its factors and its axes of the low-pass term in signed bytes and scales
of its own, and with its strongest item-to-item weights, behind the numbers that the closed form needs (ials.py).
"""

from __future__ import annotations

import struct
from collections.abc import Iterable
from dataclasses import replace

import numpy as np
import torch

from .blend import Blend
from .export import Exported
from .learned import Learned
from .neighbours import Neighbours, assemble
from .newcomers import positions
from .spectral import LowPass

VERSION, LEARNED, HEADER = 2, 4, struct.Struct("<BxHHHII9f")
NEIGHBOURS = 64  # item-to-item weights of a played artist: others change lists by less than bytes do (docs/adr/0088)


def encode_part(exported: Exported, release_tag: int, artists: list[tuple[int, str]]) -> bytes:
    """One part for these artists (number, id); those that the model has no vector for are left out."""
    model, low = exported.model, exported.filter
    found = positions(exported.artist_numbers, np.array([number for number, _ in artists], np.int64))
    known = np.flatnonzero(found >= 0)
    at = found[known]
    scales, vectors = _bytes(model.artists[at].cpu().numpy())
    axes, played, sides, longest = np.zeros((len(at), 0), np.int8), b"", b"", 0.0
    if low is not None and low.learned is not None:
        own, known_by = _bytes(low.inputs()[at].cpu().numpy())
        scored, axes = _bytes(low.outputs()[at].cpu().numpy())
        played, sides = known_by.tobytes(), _floats(own) + _floats(scored)
    elif low is not None:
        own, axes = _bytes(low.axes[at].cpu().numpy())
        degrees = low.degrees[at].cpu().numpy()
        sides = _floats(own * degrees**-low.exponent) + _floats(own * low.weight * degrees**low.exponent)
    if low is not None:
        longest = float(low.outputs().norm(dim=1).max())
    ridge, worths = model.ridge, exported.worths
    return b"".join(
        (
            HEADER.pack(
                *(LEARNED if played else VERSION, vectors.shape[1], len(at), axes.shape[1], release_tag, model.catalogue),
                *(ridge.a0, ridge.scale, ridge.nu, model.settings.strength, exported.longest, longest),
                *(worths.like, worths.click, worths.half_life),
            ),
            _floats(model.spectrum.cpu().numpy()),
            _floats(scales),
            sides,
            *_neighbours(exported, at),
            vectors.tobytes(),
            axes.tobytes(),
            played,
            _numbers(artists[index][0] for index in known),
            "\n".join(artists[index][1] for index in known).encode(),
        )
    )


def _bytes(rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """A scale for each row, and its numbers over that as signed bytes."""
    scales = np.maximum(np.abs(rows).max(1, initial=0.0), 1e-30).astype(np.float32) / np.float32(127)
    return scales, np.rint(rows / scales[:, None]).astype(np.int8)


def _floats(values: np.ndarray) -> bytes:
    return values.astype("<f4").tobytes()


def _numbers(numbers: Iterable[int]) -> bytes:
    return b"".join(int(number).to_bytes(3, "little") for number in numbers)


def _strongest(items: Neighbours, artist: int) -> tuple[float, np.ndarray, np.ndarray]:
    """Of an artist's item-to-item weights the strongest, in bytes, and their scale and targets."""
    own = slice(int(items.starts[artist]), int(items.starts[artist + 1]))
    found = items.weights[own].cpu().numpy()
    kept = np.argsort(-np.abs(found), kind="stable")[:NEIGHBOURS]
    (scale,), (rounded,) = _bytes(found[None, kept])
    return float(scale), rounded, items.targets[own].cpu().numpy()[kept]


def _neighbours(exported: Exported, at: np.ndarray) -> tuple[bytes, bytes, bytes, bytes]:
    """Of the artists at these positions: a scale and a count each, then all weights and the artist numbers they lead to."""
    items = exported.neighbours
    scales, counts = np.zeros(len(at), np.float32), np.zeros(len(at), np.uint8)
    weights, targets = [], []
    for row, artist in enumerate(at if items is not None else []):
        scale, rounded, leads = _strongest(items, int(artist))
        if len(leads):
            scales[row], counts[row] = scale, len(leads)
            weights.append(rounded.tobytes())
            targets.append(exported.artist_numbers[leads])
    return _floats(scales), counts.tobytes(), b"".join(weights), _numbers(np.concatenate(targets) if targets else ())


def as_bytes(blend: Blend) -> Blend:
    """What is left of a model in parts: the same terms from rounded numbers and the strongest weights."""
    scales, vectors = _bytes(blend.model.artists.cpu().numpy())
    model = replace(blend.model, artists=torch.from_numpy(scales[:, None] * vectors))
    items, low = blend.neighbours, blend.filter
    if items is not None:
        kept = [_strongest(items, artist) for artist in range(items.width)]
        owner = np.repeat(np.arange(items.width), [len(targets) for _, _, targets in kept])
        weights = np.concatenate([np.float32(scale) * rounded for scale, rounded, _ in kept])
        items = assemble(owner, np.concatenate([targets for _, _, targets in kept]), weights, items.width)
    if low is not None and low.learned is not None:
        sides = (_bytes(side.cpu().numpy()) for side in (low.inputs(), low.outputs()))
        rounded = Learned(*(torch.from_numpy(scales[:, None] * side) for scales, side in sides))
        low = replace(LowPass.nothing(len(rounded.inputs), torch.device("cpu")), learned=rounded)
    elif low is not None:
        scales, axes = _bytes(low.axes.cpu().numpy())
        low = replace(low, axes=torch.from_numpy(scales[:, None] * axes))
    return Blend(model, items, low)

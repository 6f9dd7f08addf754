"""Compressed sparse rows as PyTorch has them."""

from __future__ import annotations

import warnings

import numpy as np
import torch
from torch import Tensor

from .pairs import Pairs


def compressed(starts: Tensor, columns: Tensor, values: Tensor, width: int) -> Tensor:
    """The matrix whose row r holds `values` at `columns` in the slice starts[r]:starts[r + 1]; nothing is copied."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that compressed rows are a beta of PyTorch's
        return torch.sparse_csr_tensor(starts, columns, values, (len(starts) - 1, width), check_invariants=False)


def matrix_of(pairs: Pairs, device: torch.device, values: np.ndarray | None = None) -> Tensor:
    """The pairs as such a matrix, with other `values` [pairs] where they are given."""
    arrays = (pairs.starts, pairs.columns.astype(np.int64), pairs.values if values is None else values)
    return compressed(*(torch.from_numpy(part).to(device) for part in arrays), pairs.width)

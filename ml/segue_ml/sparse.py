"""Compressed sparse rows as PyTorch has them."""

from __future__ import annotations

import warnings

import torch
from torch import Tensor


def compressed(starts: Tensor, columns: Tensor, values: Tensor, width: int) -> Tensor:
    """The matrix whose row r holds `values` at `columns` in the slice starts[r]:starts[r + 1]; nothing is copied."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that compressed rows are a beta of PyTorch's
        return torch.sparse_csr_tensor(starts, columns, values, (len(starts) - 1, width), check_invariants=False)

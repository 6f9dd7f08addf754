"""Sparse listener × artist pairs in compressed rows."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np


@dataclass(frozen=True)
class Pairs:
    """Unique (row, column, value) triples, rows ascending, columns ascending within a row.

    `starts` int64 [rows + 1], `columns` int32 [pairs], `values` float32 [pairs]; row r owns the slice
    `starts[r]:starts[r + 1]`.
    """

    starts: np.ndarray
    columns: np.ndarray
    values: np.ndarray
    width: int

    @classmethod
    def build(cls, rows: np.ndarray, columns: np.ndarray, values: np.ndarray, shape: tuple[int, int]) -> Pairs:
        """From triples in any order; the values of a repeated pair are added up."""
        height, width = shape
        key = rows.astype(np.int64) * width + columns
        order = np.argsort(key, kind="stable")
        key = key[order]
        first = np.flatnonzero(np.diff(key, prepend=-1))
        # float64 sums, so that the result does not depend on how many small weights a pair has.
        total = np.add.reduceat(values[order].astype(np.float64), first) if len(first) else np.zeros(0)
        key = key[first]
        starts = np.zeros(height + 1, np.int64)
        np.cumsum(np.bincount(key // width, minlength=height), out=starts[1:])
        return cls(starts, (key % width).astype(np.int32), total.astype(np.float32), width)

    @property
    def height(self) -> int:
        return len(self.starts) - 1

    @property
    def count(self) -> int:
        return len(self.columns)

    @cached_property
    def lengths(self) -> np.ndarray:
        return np.diff(self.starts)

    @cached_property
    def rows(self) -> np.ndarray:
        """The row of each pair, int32 [pairs]."""
        return np.repeat(np.arange(self.height, dtype=np.int32), self.lengths)

    @cached_property
    def keys(self) -> np.ndarray:
        """`row × width + column` of each pair, ascending: for membership tests."""
        return self.rows.astype(np.int64) * self.width + self.columns

    def transpose(self) -> Pairs:
        return Pairs.build(self.columns, self.rows, self.values, (self.width, self.height))

    def where(self, keep: np.ndarray) -> Pairs:
        """The pairs where `keep` (bool [pairs]) holds, in a matrix of the same shape."""
        return Pairs.build(self.rows[keep], self.columns[keep], self.values[keep], (self.height, self.width))

    def among_rows(self, rows: np.ndarray) -> Pairs:
        """These rows alone, renumbered in their order."""
        at, columns = self.slots(rows)
        values = np.concatenate([self.values[self.starts[row] : self.starts[row + 1]] for row in rows])
        return Pairs.build(at, columns, values, (len(rows), self.width))

    def has(self, rows: np.ndarray, columns: np.ndarray) -> np.ndarray:
        """Whether each (row, column) is one of the pairs."""
        wanted = rows.astype(np.int64) * self.width + columns
        if not self.count:
            return np.zeros(len(wanted), bool)
        at = np.minimum(np.searchsorted(self.keys, wanted), self.count - 1)
        return self.keys[at] == wanted

    def slots(self, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """The pairs of these rows, row by row: (position within `rows`, column), both int64."""
        lengths = self.lengths[rows]
        within = np.arange(lengths.sum()) - np.repeat(np.cumsum(lengths) - lengths, lengths)
        columns = self.columns[np.repeat(self.starts[rows], lengths) + within]
        return np.repeat(np.arange(len(rows)), lengths), columns.astype(np.int64)

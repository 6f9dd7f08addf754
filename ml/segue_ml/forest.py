"""A forest of small regression trees, read from LightGBM's text form and computed by PyTorch.

Scoring runs where LightGBM is not, on a GPU too, and needs no more of it than sums over trees of at most LEAVES leaves. A
tree is its splits, each with the leaves that a row to its right cannot reach, as bits of one byte; what is left of 255 after
all splits says the leaf, the first one left (QuickScorer, Lucchese et al. 2015).
"""

from __future__ import annotations

import re
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from .errors import SegueError

LEAVES = 8  # as many as a byte has bits
FIELDS = ("split_feature", "threshold", "decision_type", "left_child", "right_child", "leaf_value")


@dataclass(frozen=True)
class Tree:
    """Splits as (feature, threshold, bits that a row above the threshold keeps), and the value for each byte [256]."""

    splits: tuple[tuple[int, float, int], ...]
    values: Tensor


@dataclass(frozen=True)
class Forest:
    """`text` is LightGBM's, `names` are the features'."""

    text: str
    names: tuple[str, ...]
    trees: tuple[Tree, ...]

    @classmethod
    def read(cls, text: str) -> Forest:
        """Raises SegueError for what is not a forest of numerical splits in the text form."""
        names = re.search(r"^feature_names=(.*)$", text, re.MULTILINE)
        if names is None or "\nend of trees" not in text:
            raise SegueError("ranker: not a forest in LightGBM's text form, or cut short")
        columns = tuple(names.group(1).split())
        body = text[: text.index("\nend of trees")]
        parts = re.split(r"^Tree=\d+$", body, flags=re.MULTILINE)[1:]
        try:
            return cls(text, columns, tuple(_tree(part, len(columns)) for part in parts))
        except (ValueError, KeyError, IndexError, OverflowError) as error:
            raise SegueError(f"ranker: its trees cannot be read: {type(error).__name__}: {error}") from error

    def to(self, device: torch.device) -> Forest:
        return Forest(self.text, self.names, tuple(Tree(tree.splits, tree.values.to(device)) for tree in self.trees))

    def score(self, rows: Tensor) -> Tensor:
        """The trees' sum (float64 [rows]) for features (float32 [rows, features])."""
        columns = rows.T.contiguous()
        total = torch.zeros(len(rows), dtype=torch.float64, device=rows.device)
        for tree in self.trees:
            left = torch.full((len(rows),), 255, dtype=torch.uint8, device=rows.device)
            for feature, threshold, keep in tree.splits:
                above = (columns[feature] > threshold).view(torch.uint8)
                left &= ~(above * (255 - keep))
            total += tree.values[left.int()]
        return total


def _tree(part: str, width: int) -> Tree:
    lines = dict(line.split("=", 1) for line in part.splitlines() if "=" in line)
    if int(lines["num_leaves"]) == 1:
        return Tree((), torch.full((256,), float(lines["leaf_value"]), dtype=torch.float64))
    feature, threshold, kind, left, right, value = (lines[name].split() for name in FIELDS)
    if int(lines["num_leaves"]) > LEAVES or int(lines["num_cat"]) or any(int(one) & 0b1101 for one in kind):
        raise ValueError(f"only trees of {LEAVES} leaves with numerical splits and no missing values")
    order: list[int] = []  # leaves, from left to right
    splits: list[tuple[int, float, int]] = []

    def walk(node: int) -> int:
        """Bits of the leaves under a node."""
        if node < 0:
            order.append(~node)
            return 1 << (len(order) - 1)
        under = walk(int(left[node]))
        column = int(feature[node])
        if not 0 <= column < width:
            raise ValueError(f"a split by feature {column} of {width}")
        splits.append((column, _below(float(threshold[node])), 255 - under))
        return under | walk(int(right[node]))

    walk(0)
    leaves = np.array([float(value[leaf]) for leaf in order])
    first = [next((bit for bit in range(len(leaves)) if byte >> bit & 1), 0) for byte in range(256)]
    return Tree(tuple(splits), torch.from_numpy(leaves[first]))


def _below(threshold: float) -> float:
    """The largest single-precision number that is not above it: LightGBM compares in double precision."""
    found = np.float32(threshold)
    return float(found if float(found) <= threshold else np.nextafter(found, np.float32(-np.inf)))

"""What a tree looks like: lengths, where the mass lies, what its first splits mean, the
neighbourhood of a word."""

from dataclasses import asdict, dataclass
from typing import Any, TypeAlias

import numpy as np

from w2v_hs.errors import OptionError
from w2v_hs.model.model import Model
from w2v_hs.tree.tree import Tree, entropy
from w2v_hs.types import Int64

Nested: TypeAlias = list["str | Nested"]  # a tree as lists, left side first

_SHOWN = 6  # words that stand for a side of a split
_CANDIDATES = 5000  # most frequent words of a side among which typical ones are looked for


@dataclass(frozen=True)
class Side:
    """One side of a split: its share of all occurrences, its number of words, the most frequent of
    them, and those nearest by cosine to the mean of its unit vectors."""

    mass: float
    words: int
    frequent: list[str]
    typical: list[str]


@dataclass(frozen=True)
class Split:
    """An inner node by its code, empty for the root, and its two sides."""

    code: str
    left: Side
    right: Side


@dataclass(frozen=True)
class Anatomy:
    """A tree in figures. Lengths in bits; gap: expected length less entropy, which no tree can
    reach below; mass_by_depth: share of all occurrences at each depth from 0; words_by_depth."""

    kind: str
    words: int
    expected_length: float
    entropy: float
    gap: float
    shallowest_leaf: int
    deepest_leaf: int
    deepest_word: str
    mass_by_depth: list[float]
    words_by_depth: list[int]
    splits: list[Split]

    def as_dict(self) -> dict[str, Any]:
        """The fields as JSON can hold them."""
        return asdict(self)


def anatomy(model: Model, levels: int = 2) -> Anatomy:
    """Figures of the tree of a model, and the splits of its first `levels` levels.

    Raises `OptionError` for a model of the full softmax, which has no tree.
    """
    tree, counts = _tree_of(model), model.vocabulary.counts
    lengths, share = tree.lengths, counts / counts.sum(dtype=np.float64)
    expected, least = tree.expected_length(counts), entropy(counts)
    order, ranges = _leaf_order(model)
    splits: list[Split] = []
    level = [("", int(tree.nodes[0]))]
    children, _ = tree.children()
    for _ in range(levels):
        for code, node in level:
            first, last = ranges[node]
            left = children[node, 0]
            middle = first + 1 if left < len(counts) else ranges[left - len(counts)][1]
            sides = [_side(model, order[a:b]) for a, b in ((first, middle), (middle, last))]
            splits.append(Split(code, *sides))
        level = [
            (f"{code}{side}", int(children[node, side]) - len(counts))
            for code, node in level
            for side in (0, 1)
            if children[node, side] >= len(counts)
        ]
    return Anatomy(
        kind=model.options.tree,
        words=len(counts),
        expected_length=expected,
        entropy=least,
        gap=expected - least,
        shallowest_leaf=int(lengths.min()),
        deepest_leaf=int(lengths.max()),
        deepest_word=model.vocabulary.words[int(np.argmax(lengths))],
        mass_by_depth=np.bincount(lengths, share).tolist(),
        words_by_depth=np.bincount(lengths).tolist(),
        splits=splits,
    )


def neighbourhood(model: Model, word: str, k: int = 20) -> tuple[str, Nested]:
    """The largest part of the tree around a word that holds at most k words, or the smallest that
    holds more than one: its code, and the part as nested lists, left side first.

    Raises `UnknownWordError` for a word that the vocabulary does not hold, `OptionError` for a
    model without a tree or a k below 2.
    """
    if k < 2:
        raise OptionError(f"k={k}: expected a whole number from 2")
    tree, row = _tree_of(model), model.vectors.row(word)
    words, (_, ranges) = model.vocabulary.words, _leaf_order(model)
    path = tree.nodes[tree.offsets[row] : tree.offsets[row + 1]].tolist()
    depth = len(path) - 1
    while depth and ranges[path[depth - 1]][1] - ranges[path[depth - 1]][0] <= k:
        depth -= 1
    children, _ = tree.children()

    def part(node: int) -> Nested:
        below = children[node].tolist()
        return [words[c] if c < len(words) else part(c - len(words)) for c in below]

    return tree.code(row)[:depth], part(path[depth])


def _tree_of(model: Model) -> Tree:
    if model.tree is None:
        raise OptionError("a model of the full softmax has no tree")
    return model.tree


def _leaf_order(model: Model) -> tuple[Int64, Int64]:
    """Words from left to right, (V,) int64, and for each inner node the range of its words there,
    (V - 1, 2) int64."""
    children, order = _tree_of(model).children()
    words = len(children) + 1
    sizes = np.ones(2 * words - 1, np.int64)
    for node in order[::-1].tolist():
        sizes[words + node] = sizes[children[node, 0]] + sizes[children[node, 1]]
    starts = np.zeros(2 * words - 1, np.int64)
    for node in order.tolist():
        left, right = children[node]
        starts[left] = starts[words + node]
        starts[right] = starts[left] + sizes[left]
    leaves = np.empty(words, np.int64)
    leaves[starts[:words]] = np.arange(words)
    return leaves, np.stack([starts[words:], starts[words:] + sizes[words:]], axis=1)


def _side(model: Model, rows: Int64) -> Side:
    words, counts = model.vocabulary.words, model.vocabulary.counts
    rows = np.sort(rows)  # most frequent first
    vectors = model.vectors.matrix[rows[:_CANDIDATES]]
    norms = np.linalg.norm(vectors, axis=1, keepdims=True)
    unit = np.divide(vectors, norms, out=np.zeros_like(vectors), where=norms > 0)
    nearest = np.argsort(-(unit @ unit.mean(axis=0)), kind="stable")
    return Side(
        mass=float(counts[rows].sum() / counts.sum()),
        words=len(rows),
        frequent=[words[row] for row in rows[:_SHOWN]],
        typical=[words[row] for row in rows[nearest[:_SHOWN]]],
    )

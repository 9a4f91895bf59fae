"""Statistics of a model's tree: code lengths, mass by depth, first splits, neighbourhoods."""

from dataclasses import asdict, dataclass
from typing import Any, TypeAlias

import numpy as np

from w2v_hs.errors import OptionError
from w2v_hs.model.model import Model
from w2v_hs.tree import Tree, entropy
from w2v_hs.types import Int64

Nested: TypeAlias = list["str | Nested"]  # a tree as lists, left side first

_SHOWN = 6  # words that describe a side of a split
_CANDIDATES = 5000  # most frequent words of a side, from which the typical ones are chosen


@dataclass(frozen=True)
class Side:
    """One side of a split."""

    mass: float  # its share of all occurrences
    words: int  # its number of words
    frequent: list[str]  # its most frequent words
    typical: list[str]  # the words nearest by cosine to the mean of its unit vectors


@dataclass(frozen=True)
class Split:
    """An inner node: its code, which is empty for the root, and its two sides."""

    code: str
    left: Side
    right: Side


@dataclass(frozen=True)
class Anatomy:
    """Statistics of a tree."""

    kind: str  # "huffman", "balanced", "learned" or "given"
    words: int  # leaves
    expected_length: float  # mean code length over all occurrences, in bits
    entropy: float  # of the words, in bits: the lower bound of the expected length
    gap: float  # expected_length - entropy
    shallowest_leaf: int  # code length in bits
    deepest_leaf: int  # code length in bits
    deepest_word: str  # the most frequent word at the deepest leaf
    mass_by_depth: list[float]  # share of all occurrences at each depth from 0
    words_by_depth: list[int]  # words at each depth from 0
    splits: list[Split]  # the inner nodes of the first levels, level by level

    def as_dict(self) -> dict[str, Any]:
        """The fields as JSON can represent them."""
        return asdict(self)


def anatomy(model: Model, levels: int = 2) -> Anatomy:
    """Statistics of a model's tree and `levels` levels of splits; `OptionError` without a tree."""
    tree, counts = _tree_of(model), model.vocabulary.counts
    lengths, share = tree.lengths, counts / counts.sum(dtype=np.float64)
    expected, least = tree.expected_length(counts), entropy(counts)
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
        splits=_first_splits(model, tree, levels),
    )


def _first_splits(model: Model, tree: Tree, levels: int) -> list[Split]:
    """The splits of the first levels, level by level."""
    words = len(model.vocabulary)
    order, ranges = _leaf_order(tree)
    children, _ = tree.children()
    splits: list[Split] = []
    level = [("", int(tree.nodes[0]))]
    for _ in range(levels):
        for code, node in level:
            first, last = ranges[node]
            left = children[node, 0]
            middle = first + 1 if left < words else ranges[left - words][1]
            sides = [_side(model, order[a:b]) for a, b in ((first, middle), (middle, last))]
            splits.append(Split(code, *sides))
        level = [
            (f"{code}{side}", int(children[node, side]) - words)
            for code, node in level
            for side in (0, 1)
            if children[node, side] >= words
        ]
    return splits


def neighbourhood(model: Model, word: str, k: int = 20) -> tuple[str, Nested]:
    """The largest subtree that contains a word and at most k words; at least its parent's.

    Returns the branches from the root to the subtree, and its words as nested lists, left side
    first. `UnknownWordError` if the word is not in the vocabulary; `OptionError` if the model has
    no tree, or `k` is below 2.
    """
    if k < 2:
        raise OptionError(f"k={k}: expected a whole number from 2")
    tree, row = _tree_of(model), model.vectors.row(word)
    words, (_, ranges) = model.vocabulary.words, _leaf_order(tree)
    path = tree.nodes[tree.offsets[row] : tree.offsets[row + 1]].tolist()
    depth = len(path) - 1
    while depth and ranges[path[depth - 1]][1] - ranges[path[depth - 1]][0] <= k:
        depth -= 1
    children, _ = tree.children()

    def subtree(node: int) -> Nested:
        below = children[node].tolist()
        return [words[c] if c < len(words) else subtree(c - len(words)) for c in below]

    return tree.code(row)[:depth], subtree(path[depth])


def _tree_of(model: Model) -> Tree:
    """The tree of a model; `OptionError` if it has none."""
    if model.tree is None:
        raise OptionError("a model of the full softmax has no tree")
    return model.tree


def _leaf_order(tree: Tree) -> tuple[Int64, Int64]:
    """Words from left to right, (V,), and the range of those below each inner node, (V - 1, 2)."""
    children, order = tree.children()
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
    """The side of a split whose words have these rows."""
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

"""Binary trees over the vocabulary, as arrays; Huffman and balanced trees.

Each word is a leaf, each of the V - 1 inner nodes a binary decision with a weight vector. Training
reads the path of each word, so a tree is stored as paths in compressed sparse rows, root first.
Inner nodes are numbered by weight (occurrences of the words below them), heaviest first: the root
is node 0, and the rows of the much-used top of the tree are adjacent in memory.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from w2v_hs.errors import FormatError, VocabularyError
from w2v_hs.kernels.jit import jit
from w2v_hs.types import Array, Float64, Int32, Int64, UInt8


@dataclass(frozen=True)
class Tree:
    """Paths from the root to V words.

    Attributes
    ----------
    offsets : ndarray of int64, shape (V + 1,)
        The path of word w is offsets[w]:offsets[w + 1] in the other two arrays.
    nodes : ndarray of int32
        Inner nodes 0 .. V - 2, root first.
    bits : ndarray of uint8
        The branch at each node: 0 is left, whose probability is sigmoid(f) as in word2vec.c.
    """

    offsets: Int64
    nodes: Int32
    bits: UInt8

    @property
    def inner(self) -> int:
        """The number of inner nodes, V - 1."""
        return len(self.offsets) - 2

    @property
    def lengths(self) -> Int64:
        """The path length of each word in branches, (V,) int64."""
        return np.diff(self.offsets)

    def __repr__(self) -> str:
        return f"Tree({self.inner + 1:,} words, deepest path {self.lengths.max()})"

    def code(self, word: int) -> str:
        """The branches from the root to a word, as a string of 0 and 1."""
        return "".join(map(str, self.bits[self.offsets[word] : self.offsets[word + 1]]))

    def children(self) -> tuple[Int64, Int64]:
        """Return the children of each inner node, and the inner nodes level by level.

        children (V - 1, 2), left and right: c < V is word c, V + j is inner node j. order (V - 1,):
        no node comes before its parent. `FormatError` if the paths are not those of one binary
        tree, as in a damaged file.
        """
        children = _children(self.offsets, self.nodes, self.bits)
        if children is None:
            raise FormatError(
                f"the paths of {self.inner + 1:,} words are not those of one binary tree; the file "
                "they come from is damaged: take a copy from a backup"
            )
        return children, _top_down(children, int(self.nodes[0]))

    def mass_below(self, masses: Array) -> Float64:
        """The sum of `masses`, (V,), over the words below each inner node: (V - 1,) float64."""
        return _mass_below(self.offsets, self.nodes, np.asarray(masses, np.float64))

    def expected_length(self, counts: Array) -> float:
        """The mean path length in bits, weighted by `counts` (V,)."""
        return float(np.dot(self.lengths, counts / np.sum(counts, dtype=np.float64)))


def entropy(counts: Array) -> float:
    """The entropy of the unigram distribution in bits, a lower bound of any expected length."""
    p = counts / np.sum(counts, dtype=np.float64)
    return float(-np.dot(p, np.log2(p)))


def huffman(counts: npt.ArrayLike) -> Tree:
    """Return the tree of least expected path length (Huffman 1952), in O(V log V).

    counts (V,): occurrences, at least 1, in any order. Of a word and an inner node of equal weight
    the inner node is merged first, as in word2vec.c; the second of a pair is the right child.
    `VocabularyError` if there are fewer than two words, or a count is below 1.
    """
    counts = _checked_counts(counts)
    order = np.argsort(-counts, kind="stable")
    merged = _merge_lightest(counts[order])
    leaves = merged < len(counts)
    merged[leaves] = order[merged[leaves]]
    return tree_from_children(merged, counts)


def balanced(counts: npt.ArrayLike, order: Int64 | None = None) -> Tree:
    """Return the tree that halves the list of words again and again; its depth is ceil(log2 V).

    counts (V,): occurrences, at least 1. order (V,): the list of words. By default they stay in
    their order, by frequency, so that words of similar frequency share branches. `VocabularyError`
    if there are fewer than two words, or a count is below 1.
    """
    counts = _checked_counts(counts)
    children = _halve(len(counts))
    if order is not None:
        leaves = children < len(counts)
        children[leaves] = order[children[leaves]]
    return tree_from_children(children, counts)


def initial_tree(kind: str, order: str, words: list[str], counts: Int64, seed: int) -> Tree:
    """The tree that training begins with; `kind` and `order` as `tree`, `tree_order` in `Options`.

    A tree to be learned begins as a Huffman tree; a balanced one, in order of frequency.
    """
    if kind != "balanced":
        return huffman(counts)
    if order == "alphabetical":
        return balanced(counts, np.array(sorted(range(len(words)), key=words.__getitem__)))
    if order == "random":
        return balanced(counts, np.random.Generator(np.random.PCG64(seed)).permutation(len(words)))
    return balanced(counts)


def tree_from_children(children: Int64, counts: Int64) -> Tree:
    """The tree of V - 1 inner nodes given by their children.

    children (V - 1, 2), as from `Tree.children`, with the inner nodes in any order. counts (V,):
    the weights of the words, by which inner nodes are numbered.
    """
    return numbered_tree(children, counts)[0]


def numbered_tree(children: Int64, counts: Int64) -> tuple[Tree, Int64]:
    """As `tree_from_children`; also the new number of each inner node, (V - 1,) int64."""
    root = _root(children)
    order = _top_down(children, root)
    number = np.empty(len(children), np.int64)
    number[np.argsort(-_weights(children, order, counts), kind="stable")] = np.arange(len(children))
    offsets = np.zeros(len(counts) + 1, np.int64)
    np.cumsum(_depths(children, order), out=offsets[1:])
    nodes = np.empty(offsets[-1], np.int32)
    bits = np.empty(offsets[-1], np.uint8)
    _write_paths(children, root, number, offsets, nodes, bits)
    return Tree(offsets, nodes, bits), number


def _checked_counts(counts: npt.ArrayLike) -> Int64:
    counts = np.asarray(counts, dtype=np.int64)
    if len(counts) < 2:
        raise VocabularyError(f"a tree over {len(counts)} words: need at least 2 words")
    if counts.min() < 1:
        word = int(np.argmin(counts))
        raise VocabularyError(f"word {word} has the count {counts[word]}: counts start at 1")
    return counts


@jit
def _merge_lightest(counts: Int64) -> Int64:
    """Huffman's merges for decreasing counts: words and inner nodes are two sorted queues."""
    words = len(counts)
    weights = np.empty(2 * words - 1, np.int64)
    weights[:words] = counts
    weights[words:] = np.iinfo(np.int64).max
    children = np.empty((words - 1, 2), np.int64)
    leaf, inner = words - 1, words
    for node in range(words, 2 * words - 1):
        total = 0
        for side in range(2):
            if leaf >= 0 and weights[leaf] < weights[inner]:
                child = leaf
                leaf -= 1
            else:
                child = inner
                inner += 1
            children[node - words, side] = child
            total += weights[child]
        weights[node] = total
    return children


@jit
def _halve(words: int) -> Int64:
    """Children of the tree that splits words first .. last - 1 in the middle, level by level."""
    children = np.empty((words - 1, 2), np.int64)
    first = np.empty(words - 1, np.int64)
    last = np.empty(words - 1, np.int64)
    first[0], last[0] = 0, words
    used = 1
    for node in range(words - 1):
        middle = (first[node] + last[node] + 1) // 2
        for side in range(2):
            low = first[node] if side == 0 else middle
            high = middle if side == 0 else last[node]
            if high - low == 1:
                children[node, side] = low
            else:
                first[used], last[used] = low, high
                children[node, side] = words + used
                used += 1
    return children


@jit
def _root(children: Int64) -> int:
    """The inner node that is no child."""
    words = len(children) + 1
    child = np.zeros(words - 1, np.bool_)
    for node in range(words - 1):
        for side in range(2):
            if children[node, side] >= words:
                child[children[node, side] - words] = True
    return int(np.argmin(child))


@jit
def _weights(children: Int64, order: Int64, counts: Int64) -> Int64:
    """The sum of `counts` below each inner node; order: level by level."""
    words = len(counts)
    weights = np.zeros(words - 1, np.int64)
    for place in range(words - 2, -1, -1):
        node = order[place]
        for side in range(2):
            child = children[node, side]
            weights[node] += counts[child] if child < words else weights[child - words]
    return weights


@jit
def _mass_below(offsets: Int64, nodes: Int32, masses: Float64) -> Float64:
    below = np.zeros(len(masses) - 1)
    for word in range(len(masses)):
        for place in range(offsets[word], offsets[word + 1]):
            below[nodes[place]] += masses[word]
    return below


@jit
def _depths(children: Int64, order: Int64) -> Int64:
    """The number of branches to each word; order: inner nodes level by level."""
    words = len(children) + 1
    depths, above = np.empty(words, np.int64), np.zeros(words - 1, np.int64)
    for node in order:
        for side in range(2):
            child = children[node, side]
            if child < words:
                depths[child] = above[node] + 1
            else:
                above[child - words] = above[node] + 1
    return depths


@jit
def _write_paths(
    children: Int64, root: int, number: Int64, offsets: Int64, nodes: Int32, bits: UInt8
) -> None:
    """Write the path of each word, depth first: neighbours in the tree share most of it."""
    words = len(offsets) - 1
    deepest = np.max(offsets[1:] - offsets[:-1])
    at, path = np.empty(deepest, np.int64), np.empty(deepest, np.int32)
    branches, sides = np.empty(deepest, np.uint8), np.empty(deepest, np.int64)
    depth, at[0], path[0], sides[0] = 0, root, number[root], 0
    while depth >= 0:
        side = sides[depth]  # the next to visit
        if side == 2:
            depth -= 1
            continue
        child = children[at[depth], side]
        branches[depth] = side
        sides[depth] += 1
        if child < words:
            for step in range(depth + 1):
                nodes[offsets[child] + step] = path[step]
                bits[offsets[child] + step] = branches[step]
        else:
            depth += 1
            at[depth], path[depth], sides[depth] = child - words, number[child - words], 0


@jit
def _children(offsets: Int64, nodes: Int32, bits: UInt8) -> Int64 | None:
    """Children of each inner node, or None if the paths are not those of one tree.

    If all paths start at one node, no two disagree about a child, and no child is missing, then
    the 2V - 2 children are the V words and the V - 2 inner nodes other than the root: each has
    exactly one parent, so it is a tree.
    """
    words = len(offsets) - 1
    children = np.full((words - 1, 2), -1, np.int64)
    for word in range(words):
        end = offsets[word + 1]
        if nodes[offsets[word]] != nodes[0]:
            return None
        for step in range(offsets[word], end):
            child = words + nodes[step + 1] if step + 1 < end else word
            known = children[nodes[step], bits[step]]
            if known != -1 and known != child:
                return None
            children[nodes[step], bits[step]] = child
    if children.min() < 0:
        return None
    return children


@jit
def _top_down(children: Int64, root: int) -> Int64:
    """Inner nodes level by level."""
    words = len(children) + 1
    order = np.empty(words - 1, np.int64)
    order[0], found = root, 1
    for place in range(words - 1):
        for side in range(2):
            child = children[order[place], side]
            if child >= words:
                order[found] = child - words
                found += 1
    return order

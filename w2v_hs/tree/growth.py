"""New words in a trained tree: each splits a leaf, and nothing else moves.

A leaf is replaced by a new inner node with the old word and the new one below it. The new node's
weights are 0, so that each of the two gets half of what the leaf had, and the probability of every
other word stays as it was, to the bit. (Building a new Huffman tree, as other programs do, gives
the old weights to other nodes.)
"""

import numpy as np

from w2v_hs.tree.tree import Tree, numbered_tree
from w2v_hs.types import Float32, Float64, Int64


def grow(tree: Tree, counts: Int64, new_counts: Int64, rows: Int64) -> tuple[Tree, Int64]:
    """The tree with n new words, each at a leaf of a word that occurs about as often.

    counts: (V,) int64, of the words of `tree`. new_counts: (n,) int64, falling, of the new words.
    rows: (V + n,) int64, where the old words, then the new ones, stand in the new order of words.
    Returns the tree over the new order and (V + n - 1,) int64: for each of its inner nodes the one
    of `tree` that it was, -1 for a new one.
    """
    old, words = len(counts), len(counts) + len(new_counts)
    counts = np.concatenate([counts, new_counts])
    children = np.empty((words - 1, 2), np.int64)
    children[: old - 1], _ = tree.children()
    children[: old - 1][children[: old - 1] >= old] += len(new_counts)
    flat = children.reshape(-1)
    places = np.empty(words, np.int64)  # where in `flat` each word stands
    leaves = np.flatnonzero(flat[: 2 * old - 2] < words)
    places[flat[leaves]] = leaves
    present = old
    while present < words:  # a round splits no leaf twice
        newcomers = np.arange(present, min(2 * present, words))
        by_count = np.argsort(-counts[:present], kind="stable")
        split = by_count[nearest_leaves(counts[by_count], counts[newcomers])]
        nodes = newcomers - 1
        flat[places[split]] = words + nodes
        children[nodes, 0], children[nodes, 1] = split, newcomers
        places[split], places[newcomers] = 2 * nodes, 2 * nodes + 1
        present += len(newcomers)
    at_leaf = flat < words
    flat[at_leaf] = rows[flat[at_leaf]]
    in_order = np.empty(words, np.int64)
    in_order[rows] = counts
    grown, numbers = numbered_tree(children, in_order)
    former = np.full(words - 1, -1, np.int64)
    former[numbers[: old - 1]] = np.arange(old - 1)
    return grown, former


def settle(start: Float32, trained: Float32, shares: Float64) -> None:
    """Take back most of what training with a little more text did to rows that knew much already.

    start, trained: (n, dim) float32, before and after; trained is written. shares: (n,), how much
    of all that a row was ever trained with is new: 1 keeps what was trained, 0 what was before.

    Left alone, 1.6 million words of movie reviews take a model of 16 million words of Wikipedia
    from 43% of Google's analogies to 28. So they leave it at 43, and the neighbours of new words
    are as good.
    """
    trained -= start
    trained *= shares[:, None].astype(np.float32)
    trained += start


def nearest_leaves(counts: Int64, new_counts: Int64) -> Int64:
    """For each new word a leaf of its own, near in frequency.

    counts: (V,) int64, falling. new_counts: (n,) int64, falling, n <= V. Returns (n,) int64,
    rising.
    """
    nearest = np.searchsorted(-counts, -new_counts)
    places = np.arange(len(new_counts))
    # Each at least one behind the one before it; then none so late that the rest has no room.
    taken = np.maximum.accumulate(nearest - places) + places
    return np.minimum(taken, len(counts) - len(new_counts) + places)

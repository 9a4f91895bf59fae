"""New words in a trained tree: each splits a leaf, and nothing else moves.

A leaf is replaced by a new inner node, with the old word and the new word below it. Its weights are
0, so each of the two words gets half of the leaf's probability. The probabilities of all other
words stay the same to the bit. (Other programs build a new Huffman tree, in which the old weights
belong to other nodes.)
"""

import numpy as np

from w2v_hs.tree.tree import Tree, numbered_tree
from w2v_hs.types import Float32, Float64, Int64


def grow(tree: Tree, counts: Int64, new_counts: Int64, rows: Int64) -> tuple[Tree, Int64]:
    """Return a tree over V words with n new ones, each beside a word that occurs about as often.

    counts (V,); new_counts (n,), in decreasing order. rows (V + n,): the positions of the old
    words, then of the new ones, in the new vocabulary. Also returns (V + n - 1,) int64: for each
    inner node its number in the old tree, -1 for a new node.
    """
    old, words = len(counts), len(counts) + len(new_counts)
    counts = np.concatenate([counts, new_counts])
    children = np.empty((words - 1, 2), np.int64)
    children[: old - 1], _ = tree.children()
    children[: old - 1][children[: old - 1] >= old] += len(new_counts)
    _split_leaves_in_place(children, counts, old)
    flat = children.reshape(-1)
    at_leaf = flat < words
    flat[at_leaf] = rows[flat[at_leaf]]
    in_new_order = np.empty(words, np.int64)
    in_new_order[rows] = counts
    grown, numbers = numbered_tree(children, in_new_order)
    former = np.full(words - 1, -1, np.int64)
    former[numbers[: old - 1]] = np.arange(old - 1)
    return grown, former


def _split_leaves_in_place(children: Int64, counts: Int64, old: int) -> None:
    """Add words old .. V + n - 1 to the children (V + n - 1, 2), of which the first V - 1 are set.

    Each round splits every leaf at most once, so that many new words do not make one deep branch.
    """
    words = len(counts)
    flat = children.reshape(-1)
    places = np.empty(words, np.int64)  # of each word in `flat`
    leaves = np.flatnonzero(flat[: 2 * old - 2] < words)
    places[flat[leaves]] = leaves
    present = old
    while present < words:
        newcomers = np.arange(present, min(2 * present, words))
        by_count = np.argsort(-counts[:present], kind="stable")
        split = by_count[nearest_leaves(counts[by_count], counts[newcomers])]
        nodes = newcomers - 1
        flat[places[split]] = words + nodes
        children[nodes, 0], children[nodes, 1] = split, newcomers
        places[split], places[newcomers] = 2 * nodes, 2 * nodes + 1
        present += len(newcomers)


def nearest_leaves(counts: Int64, new_counts: Int64) -> Int64:
    """For each new word a leaf of its own, of a word that occurs about as often.

    counts (V,) and new_counts (n,), n <= V, in decreasing order; result (n,), strictly increasing.
    """
    nearest = np.searchsorted(-counts, -new_counts)
    places = np.arange(len(new_counts))
    # Each leaf lies after the one before it, and none so late that later words have no room.
    taken = np.maximum.accumulate(nearest - places) + places
    return np.minimum(taken, len(counts) - len(new_counts) + places)


def damp_in_place(start: Float32, trained: Float32, shares: Float64) -> None:
    """Undo most of what an update changed in rows that had been trained much before.

    start, trained (n, dim): sets trained to start + shares * (trained - start). shares (n,): the
    part of all occurrences a row was ever trained on that is new. Without this, 1.6 million words
    of movie reviews take a model of 16 million words of Wikipedia from 43% to 28% of Google's
    analogies. With it, the model stays at 43%, and the neighbours of new words are as good.
    """
    trained -= start
    trained *= shares[:, None].astype(np.float32)
    trained += start

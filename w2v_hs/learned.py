"""Trees learned from word vectors: words of similar meaning share their branches.

A Huffman tree knows only frequencies: the words below one of its nodes have nothing in common that
a context could tell. Here the vocabulary is halved again and again by meaning (`kernels.grouping`),
each time into sides that occur about equally often, so that paths stay short.

Morin and Bengio 2005 took such a tree from WordNet, Mnih and Hinton 2009 learned it from vectors
trained on a random one.
"""

import itertools
from concurrent.futures import ThreadPoolExecutor

import numpy as np

from w2v_hs.kernels import grouping, transfer
from w2v_hs.kernels.common import aligned_zeros
from w2v_hs.kernels.vector import LANES
from w2v_hs.tree import Tree, tree_from_children

STEPS = 8  # of power iteration
# Node weights are carried over to a new tree at this share of their size. What the first order says
# oversteps far from the mean.
SHRINK = 0.5


def learned(
    vectors: np.ndarray, counts: np.ndarray, threads: int = 1, equal_depths: bool = False
) -> Tree:
    """The tree that parts words by meaning, into sides that occur equally often.

    vectors: (V, stride) float32, stride a multiple of 16. counts: (V,) integers >= 1. equal_depths:
    the sides have equally many words instead, as in a balanced tree. The tree does not depend on
    the number of threads.
    """
    words, stride = vectors.shape
    norms = np.sqrt(np.einsum("ij,ij->i", vectors, vectors))
    unit = aligned_zeros(words, stride)
    np.divide(vectors, norms[:, None], out=unit, where=norms[:, None] > 0)
    mass = np.ones(words) if equal_depths else counts.astype(np.float64)
    weights = np.sqrt(counts.astype(np.float64))
    return tree_from_children(_halve(unit, weights, mass, threads), counts)


def _halve(unit: np.ndarray, weights: np.ndarray, mass: np.ndarray, threads: int) -> np.ndarray:
    """Children (V - 1, 2) of the inner nodes, level by level; node c - 1 cuts the order at c."""
    words, stride = unit.shape
    rows = np.zeros(words + LANES, np.int64)
    rows[:words] = np.arange(words) * stride
    scratch = [grouping.make_scratch(words, stride) for _ in range(threads)]
    children = np.empty((words - 1, 2), np.int64)
    firsts, lasts = np.array([0]), np.array([words])
    above = np.array([-1])  # for each part the place in `children` that it will fill

    def cut(thread: int, parts: slice, cuts: np.ndarray) -> None:
        grouping.halve(
            rows, firsts[parts], lasts[parts], unit.ravel(), stride, weights, mass, STEPS,
            scratch[thread], cuts[parts],
        )  # fmt: skip

    with ThreadPoolExecutor(threads, "halver") as pool:
        while len(firsts):
            cuts = np.empty(len(firsts), np.int64)
            sizes = np.concatenate([[0], np.cumsum(lasts - firsts)])
            bounds = np.searchsorted(sizes, np.linspace(0, sizes[-1], threads + 1))
            parts = [slice(a, b) for a, b in itertools.pairwise(bounds)]
            list(pool.map(cut, range(threads), parts, [cuts] * threads))
            children.reshape(-1)[above[above >= 0]] = words + cuts[above >= 0] - 1
            # Left halves, then right halves; those of one word are leaves.
            starts, ends = np.concatenate([firsts, cuts]), np.concatenate([cuts, lasts])
            places = np.concatenate([2 * (cuts - 1), 2 * (cuts - 1) + 1])
            single = ends - starts == 1
            children.reshape(-1)[places[single]] = rows[starts[single]] // stride
            firsts, lasts, above = starts[~single], ends[~single], places[~single]
    return children


def transfer_weights(
    vectors: np.ndarray, frequencies: np.ndarray, weights: np.ndarray, old: Tree, new: Tree
) -> None:
    """Replace the node weights of the tree `old` by those of `new` that predict most nearly the
    same; see `kernels.transfer`.

    vectors: (V, stride) float32 inputs. frequencies: (V,), how often each is an input. weights:
    (V - 1, stride) float32, written.
    """
    mean = (frequencies @ vectors / frequencies.sum()).astype(np.float32)
    outputs, log_probs = np.empty_like(vectors), np.empty(len(vectors))
    transfer.word_outputs(old.offsets, old.nodes, old.bits, weights, mean, outputs, log_probs)
    transfer.node_weights(*new.children(), outputs, log_probs, mean, weights)
    weights *= np.float32(SHRINK)

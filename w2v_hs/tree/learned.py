"""Trees learned while vectors are trained: words of similar meaning share their branches.

A Huffman tree knows only frequencies: the words below one of its nodes have nothing in common that
a context could tell. Here the vocabulary is halved again and again by the mean contexts of its
words (`kernels.contexts`, `kernels.grouping`), each time into sides that are trained about equally
often, so that paths stay short where it counts.

Morin and Bengio 2005 took such a tree from WordNet, Mnih and Hinton 2009 learned it from the
contexts that words have under a random one.
"""

import itertools
from concurrent.futures import ThreadPoolExecutor

import numpy as np

from w2v_hs.kernels import bisect as grouping
from w2v_hs.kernels import contexts, transfer
from w2v_hs.kernels.common import Text, aligned_zeros
from w2v_hs.kernels.simd import LANES
from w2v_hs.tree.tree import Tree, tree_from_children
from w2v_hs.types import Float32, Float64, Int64

STEPS = 8  # of power iteration
# Node weights are carried over to a new tree at this share of their size. What the first order says
# oversteps far from the mean.
SHRINK = 0.5
# Against large weights where inputs are small, as after a few words of training: they would throw
# the inputs far away. Inputs of a text worth training on are longer than 1, and hardly feel it.
RIDGE = 0.1


def warm_up(stride: int, window: int) -> None:
    """Compile what is needed here, or load it from the cache, on a text of two words."""
    text = Text(np.array([0, 1], np.int32), np.array([0, 2]), np.ones(2, np.float32))
    vectors, counts = aligned_zeros(2, stride), np.ones(2, np.int64)
    features = mean_contexts(text, vectors, window)
    tree = learned(features, counts)
    transfer_weights(vectors, np.ones(2), aligned_zeros(1, stride), tree, tree, features)


def mean_contexts(text: Text, vectors: Float32, window: int, threads: int = 1) -> Float32:
    """(V, stride) float32: the mean input vector of the words around each word, less the mean of
    all, after subsampling; 0 for a word that subsampling leaves without any.

    vectors: (V, stride) float32. It does not depend on the number of threads.
    """
    return centred(*context_sums(text, vectors, window, threads))


def context_sums(
    text: Text, vectors: np.ndarray, window: int, threads: int = 1
) -> tuple[np.ndarray, np.ndarray]:
    """The sums (V, stride) float32 of the means of `mean_contexts`, and how many vectors are in
    each, (V,) int64. Those of several texts may be added up."""
    words, stride = vectors.shape
    sums, sentences = aligned_zeros(words, stride), len(text.sentences) - 1
    longest = int(np.diff(text.sentences).max(initial=0))
    bounds = np.linspace(0, stride // LANES, threads + 1).astype(np.int64) * LANES
    counted = [np.zeros(words, np.int64) for _ in range(threads)]

    def add(thread: int) -> None:
        contexts.add_contexts(
            text, 0, sentences, window, vectors.ravel(), stride, bounds[thread],
            bounds[thread + 1], contexts.make_scratch(longest, stride), sums.ravel(),
            counted[thread],
        )  # fmt: skip

    with ThreadPoolExecutor(threads, "contexts") as pool:
        list(pool.map(add, range(threads)))
    return sums, counted[0]


def centred(sums: np.ndarray, counted: np.ndarray) -> np.ndarray:
    """What `mean_contexts` gives, from `context_sums`; the sums are overwritten."""
    number = counted.astype(np.float32)[:, None]
    middle = sums.sum(axis=0, dtype=np.float64) / max(1.0, counted.sum())
    np.divide(sums, number, out=sums, where=number > 0)
    np.subtract(sums, middle.astype(np.float32), out=sums, where=number > 0)
    return sums


def learned(
    features: Float32,
    counts: Int64,
    frequencies: Float64 | None = None,
    threads: int = 1,
    equal_depths: bool = False,
) -> Tree:
    """The tree that parts words by what they are like, into sides that are trained equally often.

    features: (V, stride) float32, stride a multiple of 16, of which only the direction counts;
    overwritten. counts: (V,) integers >= 1. frequencies: (V,), how often each word is trained, by
    default its count. equal_depths: the sides have equally many words instead, as in a balanced
    tree. The tree does not depend on the number of threads.
    """
    frequencies = (counts if frequencies is None else frequencies).astype(np.float64)
    norms = np.sqrt(np.einsum("ij,ij->i", features, features))[:, None]
    np.divide(features, norms, out=features, where=norms > 0)
    mass = np.ones(len(counts)) if equal_depths else frequencies
    return tree_from_children(_halve(features, np.sqrt(frequencies), mass, threads), counts)


def _halve(unit: Float32, weights: Float64, mass: Float64, threads: int) -> Int64:
    """Children (V - 1, 2) of the inner nodes, level by level; node c - 1 cuts the order at c."""
    words, stride = unit.shape
    rows = np.zeros(words + LANES, np.int64)
    rows[:words] = np.arange(words) * stride
    scratch = [grouping.make_scratch(words, stride) for _ in range(threads)]
    children = np.empty((words - 1, 2), np.int64)
    firsts, lasts = np.array([0]), np.array([words])
    above = np.array([-1])  # for each part the place in `children` that it will fill

    def cut(thread: int, parts: slice, cuts: Int64) -> None:
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
    vectors: Float32, frequencies: Float64, weights: Float32, old: Tree, new: Tree, spare: Float32
) -> None:
    """Replace the node weights of the tree `old` by those of `new` that predict most nearly the
    same; see `kernels.transfer`.

    vectors: (V, stride) float32 inputs. frequencies: (V,), how often each is an input. weights:
    (V - 1, stride) float32, written. spare: (V, stride) float32, memory that is overwritten.
    """
    share = frequencies / frequencies.sum()
    mean = share.astype(np.float32) @ vectors  # in float64 it would take a copy of all vectors
    along = (vectors @ mean).astype(np.float64)
    square = share @ along**2 + RIDGE * float(mean @ mean)
    constant = share @ along / square if square > 0 else 0.0
    log_probs = np.empty(len(vectors))
    transfer.word_outputs(old.offsets, old.nodes, old.bits, weights, mean, spare, log_probs)
    transfer.node_weights(*new.children(), spare, log_probs, mean, constant, weights)
    weights *= np.float32(SHRINK)

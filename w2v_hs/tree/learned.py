"""Trees learned while vectors are trained: words of similar meaning share branches.

A Huffman tree knows only frequencies: the words below one of its nodes have nothing in common that
a context could predict. A learned tree splits the vocabulary again and again by the mean contexts
of its words (`kernels.contexts`, `kernels.bisect`), each time into halves that are trained about
equally often, so that the paths of frequent words stay short. Morin and Bengio (2005) took such a
tree from WordNet; Mnih and Hinton (2009) learned it from the contexts that words have under a
random tree.
"""

import itertools
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import numpy as np

from w2v_hs.kernels import bisect, contexts, transfer
from w2v_hs.kernels.common import Text, Window, aligned_zeros
from w2v_hs.kernels.simd import LANES
from w2v_hs.text.vocabulary import Vocabulary
from w2v_hs.tree.tree import Tree, tree_from_children
from w2v_hs.types import Float32, Float64, Int64

CONTEXT_SAMPLE = 1e-4  # subsampling threshold
ENOUGH = 1000  # occurrences of a word
# The first-order approximation overshoots far from the mean input; half of it does not.
SHRINK = 0.5
# Keeps weights small where inputs are small, as after a few words of training: large weights would
# throw such inputs far away. Inputs of a text worth training on are longer than 1 and hardly
# affected.
RIDGE = 0.1
# Of a call of compiled code, which nothing can stop.
_TOKENS = 1 << 20
_WORDS = 1 << 18


class Stopped(Exception):
    """A tree was being learned when the run was to stop; nothing has changed."""


def never() -> bool:
    """Whether to stop where nothing can stop a run."""
    return False


def compile_kernels(stride: int, window: Window) -> None:
    """Compile the kernels used here, or load them from the cache, on a text of two words."""
    text = Text(np.array([0, 1], np.int32), np.array([0, 2]), np.ones(2, np.float32))
    vectors, counts = aligned_zeros(2, stride), np.ones(2, np.int64)
    features = mean_contexts(text, vectors, window)
    tree = learn_tree(features, counts)
    frequencies, weights = np.ones(2), aligned_zeros(1, stride)
    transfer_weights_in_place(vectors, frequencies, weights, tree, tree, scratch=features)


# ---- mean contexts ------------------------------------------------------------------------------


def context_keep(vocabulary: Vocabulary, sample: float) -> Float32:
    """The probability that an occurrence of each word counts as a context, (V,) float32.

    As in training with the threshold `sample`, but frequent words occur less often: they say little
    about the words around them. Not below some `ENOUGH` times, though.
    """
    least = np.minimum(ENOUGH / vocabulary.counts, 1).astype(np.float32)
    keep = np.maximum(vocabulary.keep_probabilities(CONTEXT_SAMPLE), least)
    return np.minimum(keep, vocabulary.keep_probabilities(sample))


def mean_contexts(
    text: Text, vectors: Float32, window: Window, threads: int = 1, stopping: Callable[[], bool] = never
) -> Float32:
    """The mean input vector of the words around each word, minus the mean over all words.

    (V, stride); 0 for a word that subsampling, as in training, leaves without a context. The full
    width of the window counts. The result does not depend on `threads`. `Stopped` soon
    after stopping() is true.
    """
    sums, counts = context_sums(text, vectors, window, threads, stopping)
    center_in_place(sums, counts)
    return sums


def context_sums(
    text: Text, vectors: Float32, window: Window, threads: int = 1, stopping: Callable[[], bool] = never
) -> tuple[Float32, Int64]:
    """The sums (V, stride) and counts (V,) that `mean_contexts` divides; they add up over texts."""
    words, stride = vectors.shape
    sums, sentences = aligned_zeros(words, stride), len(text.sentences) - 1
    longest = int(np.diff(text.sentences).max(initial=0))
    bounds = np.linspace(0, stride // LANES, threads + 1).astype(np.int64) * LANES
    flat, flat_sums = vectors.ravel(), sums.ravel()
    counts = [np.zeros(words, np.int64) for _ in range(threads)]  # all threads count the same
    step = max(1, sentences * _TOKENS // max(1, len(text.ids)))

    def add_columns(thread: int) -> None:
        begin, end = bounds[thread], bounds[thread + 1]
        scratch, counted = contexts.make_scratch(longest, stride), counts[thread]
        for first in range(0, sentences, step):
            last = min(first + step, sentences)
            if not stopping():
                contexts.add_contexts(
                    text, first, last, window, flat, stride, begin, end, scratch, flat_sums, counted
                )

    with ThreadPoolExecutor(threads, "contexts") as pool:
        list(pool.map(add_columns, range(threads)))
    if stopping():
        raise Stopped
    return sums, counts[0]


def center_in_place(sums: Float32, counts: Int64) -> None:
    """Turn the `sums` of `context_sums` into `mean_contexts`."""
    divisors = counts.astype(np.float32)[:, None]
    mean = sums.sum(axis=0, dtype=np.float64) / max(1.0, counts.sum())
    np.divide(sums, divisors, out=sums, where=divisors > 0)
    np.subtract(sums, mean.astype(np.float32), out=sums, where=divisors > 0)


# ---- the tree -----------------------------------------------------------------------------------


def normalize_in_place(rows: Float32) -> None:
    """Scale each row to length 1; rows of zeros stay zeros."""
    norms = np.sqrt(np.einsum("ij,ij->i", rows, rows))[:, None]
    np.divide(rows, norms, out=rows, where=norms > 0)


def learn_tree(
    directions: Float32,
    counts: Int64,
    frequencies: Float64 | None = None,
    threads: int = 1,
    equal_depths: bool = False,
    power_steps: int = 4,
    stopping: Callable[[], bool] = never,
) -> Tree:
    """Build the tree that splits words along the direction in which they differ most.

    directions (V, stride): what words are like, such as their mean contexts; rows of length 1 or 0,
    stride a multiple of 16. counts (V,), at least 1. frequencies (V,): how often each word is
    trained; by default its count. Halves have about equal sums of frequencies; with `equal_depths`,
    equally many words, as in a balanced tree. `power_steps` of power iteration find the principal
    direction of the words of a node. The tree does not depend on `threads`. `Stopped` soon after
    stopping() is true.
    """
    frequencies = (counts if frequencies is None else frequencies).astype(np.float64)
    mass = np.ones(len(counts)) if equal_depths else frequencies
    children = _bisect(directions, np.sqrt(frequencies), mass, threads, power_steps, stopping)
    return tree_from_children(children, counts)


def _bisect(
    directions: Float32,
    weights: Float64,
    mass: Float64,
    threads: int,
    power_steps: int,
    stopping: Callable[[], bool],
) -> Int64:
    """Children (V - 1, 2) of the inner nodes, level by level.

    Each part of the vocabulary is a range of one order of words. The part that is cut at place c
    is inner node c - 1.
    """
    words, stride = directions.shape
    rows = np.zeros(words + LANES, np.int64)
    rows[:words] = np.arange(words) * stride
    scratch = [bisect.make_scratch(words, stride) for _ in range(threads)]
    children = np.empty((words - 1, 2), np.int64)
    flat, vectors = children.reshape(-1), directions.ravel()
    firsts, lasts = np.array([0]), np.array([words])
    above = np.array([-1])  # for each part its place in `flat`; the root has none

    def cut_parts(thread: int, parts: slice, cuts: Int64) -> None:
        begins, ends, memory = firsts[parts], lasts[parts], scratch[thread]
        bisect.halve(rows, begins, ends, vectors, stride, weights, mass, power_steps, memory, cuts[parts])

    with ThreadPoolExecutor(threads, "halver") as pool:
        while len(firsts):
            if stopping():
                raise Stopped
            cuts = np.empty(len(firsts), np.int64)
            sizes = np.concatenate([[0], np.cumsum(lasts - firsts)])
            bounds = np.searchsorted(sizes, np.linspace(0, sizes[-1], threads + 1))
            parts = [slice(a, b) for a, b in itertools.pairwise(bounds)]
            list(pool.map(cut_parts, range(threads), parts, [cuts] * threads))
            flat[above[above >= 0]] = words + cuts[above >= 0] - 1
            # Left halves, then right halves; a half of one word is a leaf.
            starts, ends = np.concatenate([firsts, cuts]), np.concatenate([cuts, lasts])
            places = np.concatenate([2 * (cuts - 1), 2 * (cuts - 1) + 1])
            single = ends - starts == 1
            flat[places[single]] = rows[starts[single]] // stride
            firsts, lasts, above = starts[~single], ends[~single], places[~single]
    return children


# ---- node weights -------------------------------------------------------------------------------


def transfer_weights_in_place(
    vectors: Float32,
    frequencies: Float64,
    weights: Float32,
    old: Tree,
    new: Tree,
    scratch: Float32,
    shrink: float = SHRINK,
    ridge: float = RIDGE,
    stopping: Callable[[], bool] = never,
) -> None:
    """Replace the node weights of a tree by those of a new tree that predict most nearly the same.

    `kernels.transfer` derives them; they are multiplied by `shrink`. vectors (V, stride).
    frequencies (V,): how often each word is an input. weights (V - 1, stride): of `old`;
    overwritten. scratch (V, stride): memory, overwritten. ridge: r in `kernels.transfer`, as a
    multiple of the square of the mean input's length. `Stopped`, with `weights` as they were, soon
    after stopping() is true.
    """
    share = frequencies / frequencies.sum()
    mean = share.astype(np.float32) @ vectors  # float64 would take a copy of all vectors
    along = (vectors @ mean).astype(np.float64)
    square = share @ along**2 + ridge * float(mean @ mean)
    constant = share @ along / square if square > 0 else 0.0
    log_probs = np.empty(len(vectors))
    for first in range(0, len(vectors), _WORDS):
        if stopping():
            raise Stopped
        words, offsets = slice(first, first + _WORDS), old.offsets[first : first + _WORDS + 1]
        transfer.word_outputs(offsets, old.nodes, old.bits, weights, mean, scratch[words], log_probs[words])
    transfer.node_weights(*new.children(), scratch, log_probs, mean, constant, weights)
    weights *= np.float32(shrink)

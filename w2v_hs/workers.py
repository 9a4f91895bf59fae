"""What threads do: for each a function that trains some sentences, with memory of its own."""

from collections.abc import Callable
from typing import TypeAlias

import numpy as np

from w2v_hs.corpus import LONGEST_SENTENCE, Corpus
from w2v_hs.kernels import cbow, skipgram, softmax
from w2v_hs.kernels.common import Paths, Text, aligned_zeros, make_scratch
from w2v_hs.kernels.copies import Copies
from w2v_hs.options import Resolved
from w2v_hs.tree import Tree
from w2v_hs.types import Float32, Float64

# (first, last, rate, state of the generator) -> totals, as in `kernels.common.Scratch`
Worker: TypeAlias = Callable[[int, int, float, np.uint64], Float64]

# Private copies of the top of the tree, where there are several threads (see kernels.copies).
# Measured on 16M words of Wikipedia, V = 70,000, skip-gram, dim 100, one epoch
# (benchmarks/threads.py): without copies two threads took 1.7 to 2 times as long. Merging all of
# 512 copies every 2048 windows lost 0.007 of Google's analogies on two threads, and more on eight
# (0.201, loss 8.247, against 0.227 and 8.191 at every 64). With the intervals that grow away from
# the root, 64 windows a thread reached 0.216 on two threads (no copies: 0.217), 256 windows 0.211.
# What counts is what all threads do between merges, hence one interval for all of them together. A
# window of CBOW updates its path once, not once for each context word, so that 512 windows are as
# good (0.164 to 0.168 at 128, 512 and 1024, no trend), and 8% faster than 128.
COPIED_NODES = 1024
NODE_INTERVAL = {"skipgram": 128, "cbow": 512}  # windows of all threads together
FIRST_NODES = 16
COPIED_WORDS = 128
WORD_INTERVAL = 32  # times that of the nodes


def room_for_copies(options: Resolved, words: int, inner: int) -> tuple[int, int]:
    """Rows that the copies of all threads need behind the input vectors and the inner nodes."""
    threads = options.threads if options.threads > 1 else 0
    return threads * min(COPIED_WORDS, words), threads * min(COPIED_NODES, inner)


def encoded(corpus: Corpus, options: Resolved) -> Text:
    """A corpus as kernels take it."""
    keep = corpus.vocabulary.keep_probabilities(options.sample)
    # np.asarray: Numba compiles for a plain array once, and for a memory map again.
    return Text(np.asarray(corpus.ids), corpus.sentences, keep)


def _copies(
    matrix: Float32, shared: int, most: int, first: int, interval: int, thread: int, threads: int
) -> Copies:
    """The copies of a thread, which lie behind the `shared` rows of `matrix`."""
    count = min(most, shared) if threads > 1 else 0
    start = shared + thread * count
    snapshot = aligned_zeros(count, matrix.shape[1])
    matrix[start : start + count] = snapshot[:] = matrix[:count]
    each = max(1, interval // threads)
    return Copies(count, start, thread / threads, first, each, snapshot.ravel())


def tree_workers(
    corpus: Corpus, tree: Tree, options: Resolved, vectors: Float32, outputs: Float32
) -> list[Worker]:
    """A function for each thread that trains sentences first .. last - 1."""
    text = encoded(corpus, options)
    paths = Paths(tree.offsets, tree.nodes, tree.bits)
    kernel = skipgram.train if options.arch == "skipgram" else cbow.train
    stride = vectors.shape[1]
    longest, interval = int(tree.lengths.max()), NODE_INTERVAL[options.arch]

    def worker(thread: int) -> Worker:
        scratch = make_scratch(LONGEST_SENTENCE, options.window, longest, stride)
        inputs = _copies(
            vectors, len(corpus.vocabulary), COPIED_WORDS, COPIED_WORDS, WORD_INTERVAL * interval,
            thread, options.threads,
        )  # fmt: skip
        nodes = _copies(
            outputs, tree.inner, COPIED_NODES, FIRST_NODES, interval, thread,
            options.threads,
        )  # fmt: skip

        def train(first: int, last: int, rate: float, state: np.uint64) -> Float64:
            scratch.random[0], scratch.totals[:] = state, 0
            kernel(
                text, first, last, options.window, paths, vectors.ravel(), outputs.ravel(), stride,
                rate, inputs, nodes, scratch,
            )  # fmt: skip
            return scratch.totals

        return train

    return [worker(thread) for thread in range(options.threads)]


def softmax_workers(
    corpus: Corpus, options: Resolved, vectors: Float32, outputs: Float32
) -> list[Worker]:
    """As `tree_workers`, for the full softmax."""
    text = encoded(corpus, options)
    words, stride = len(corpus.vocabulary), vectors.shape[1]

    def worker() -> Worker:
        scratch = make_scratch(LONGEST_SENTENCE, options.window, 0, stride)
        batch = softmax.make_batch(words, options.window, stride)

        def train(first: int, last: int, rate: float, state: np.uint64) -> Float64:
            scratch.random[0], scratch.totals[:] = state, 0
            softmax.train(
                text, first, last, options.window, options.arch == "cbow", words, vectors, outputs,
                rate, batch, scratch,
            )  # fmt: skip
            return scratch.totals

        return train

    return [worker() for _ in range(options.threads)]

"""What threads do: for each a function that trains some sentences, with memory of its own."""

from collections.abc import Callable
from typing import TypeAlias

import numpy as np

from w2v_hs.kernels import cbow, skipgram, softmax
from w2v_hs.kernels.common import Paths, Text, aligned_zeros, make_scratch
from w2v_hs.kernels.copies import Copies
from w2v_hs.options import Resolved
from w2v_hs.text.corpus import LONGEST_SENTENCE, Corpus
from w2v_hs.tree.tree import Tree
from w2v_hs.types import Float32, Float64, Int64

# (first, last, rate, state of the generator) -> totals, as in `kernels.common.Scratch`
Worker: TypeAlias = Callable[[int, int, float, np.uint64], Float64]

# Private copies of the top of the tree, where there are several threads (see kernels.copies).
# Measured on 16M words of Wikipedia, V = 70,000, dim 100, one epoch, Huffman. When changes were
# added whole, as cores do that share a row, training on 16 cores (skip-gram) or 8 (CBOW) ended in
# infinities unless all threads together merged every 128 windows, which then took three quarters of
# the time of 16 cores. With the share below, 16 threads that take turns (benchmarks/threads.py)
# reach 0.220, 0.213 and 0.212 of Google's analogies at 1,024, 2,048 and 4,096 windows each (one
# thread: 0.212); docs/speed.md has other q. 64 threads of CBOW reach 0.143 at 2,048 windows, and
# 0.166, as one does, where each merges 400 times. Copies of the 128 most frequent words as well,
# with shares of their own, lost 0.01 to 0.03.
COPIED_NODES = 1024
NODE_INTERVAL = 4096  # windows of one thread, or fewer, so that each merges so many times in a run:
MERGES = 400
NODE_CURVATURE = 0.3  # the q of `rounds`, for predictions that are as few as these


def room_for_copies(options: Resolved, inner: int) -> int:
    """Rows that the copies of all threads need behind the inner nodes."""
    return options.threads * min(COPIED_NODES, inner) if options.threads > 1 else 0


def encoded(corpus: Corpus, options: Resolved) -> Text:
    """A corpus as kernels take it."""
    keep = corpus.vocabulary.keep_probabilities(options.sample)
    # np.asarray: Numba compiles for a plain array once, and for a memory map again.
    return Text(np.asarray(corpus.ids), corpus.sentences, keep)


def _interval(text: Text, counts: Int64, options: Resolved) -> int:
    """Windows that a thread trains between two merges."""
    kept = float(text.keep @ counts.astype(np.float64)) / float(counts.sum())
    windows = kept * len(text.ids) * options.epochs
    return max(1, min(NODE_INTERVAL, int(windows / (options.threads * MERGES))))


def node_predictions(tree: Tree, centres: Float64, options: Resolved) -> Float64:
    """From how many predictions each inner node, (inner,), is expected to learn when each word is
    the centre of so many windows, (V,)."""
    around = options.window + 1  # words in a window, in the mean over its reach
    return tree.mass_below(centres) * (around if options.arch == "skipgram" else 1)


def tree_workers(
    corpus: Corpus, tree: Tree, options: Resolved, vectors: Float32, outputs: Float32
) -> list[Worker]:
    """A function for each thread that trains sentences first .. last - 1. Called for none, it
    merges what is left in the thread's copies."""
    text = encoded(corpus, options)
    paths = Paths(tree.offsets, tree.nodes, tree.bits)
    kernel = skipgram.train if options.arch == "skipgram" else cbow.train
    stride, threads, longest = vectors.shape[1], options.threads, int(tree.lengths.max())
    count = room_for_copies(options, tree.inner) // threads
    if count:
        counts = corpus.vocabulary.counts
        interval = _interval(text, counts, options)
        kept = text.keep * counts.astype(np.float64)
        steps = node_predictions(tree, interval * kept / kept.sum(), options)[:count]
    else:
        interval, steps = 1, np.zeros(0)

    def worker(thread: int) -> Worker:
        scratch = make_scratch(LONGEST_SENTENCE, options.window, longest, stride)
        start = tree.inner + thread * count
        snapshot = aligned_zeros(count, stride)
        outputs[start : start + count] = snapshot[:] = outputs[:count]
        nodes = Copies(
            count, start, thread / threads, interval, np.ones(count, np.float32),
            snapshot.ravel(), np.zeros(1, np.int64),
        )  # fmt: skip

        def train(first: int, last: int, rate: float, state: np.uint64) -> Float64:
            scratch.random[0], scratch.totals[:] = state, 0
            if count and rate > 0:
                ways = np.maximum(rate * NODE_CURVATURE * steps, 1e-9)  # of 0 the share is 1
                nodes.share[:] = np.expm1(-threads * ways) / (threads * np.expm1(-ways))
            kernel(
                text, first, last, options.window, paths, vectors.ravel(), outputs.ravel(), stride,
                rate, nodes, scratch,
            )  # fmt: skip
            return scratch.totals

        return train

    return [worker(thread) for thread in range(threads)]


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

"""What one thread of training does: it trains sentences with memory of its own.

A `TreeWorker` calls the kernels of hierarchical softmax, a `SoftmaxWorker` that of the full one.
"""

from abc import ABC, abstractmethod
from dataclasses import dataclass

import numpy as np

from w2v_hs.kernels import cbow, skipgram, softmax
from w2v_hs.kernels.common import Paths, Text, Window, aligned_zeros, make_scratch
from w2v_hs.kernels.copies import Copies
from w2v_hs.kernels.subwords import NO_PARTS, Parts, make_ring
from w2v_hs.options import Resolved
from w2v_hs.text.corpus import LONGEST_SENTENCE, Corpus
from w2v_hs.text.windows import expected_contexts, kernel_window
from w2v_hs.tree.tree import Tree
from w2v_hs.types import Float32, Float64, Int64


# Private copies of the top of the tree, where there are several threads (see kernels.copies).
# Measured on 16M words of Wikipedia, V = 70,000, dim 100, one epoch, Huffman. When changes were
# added whole, as cores do that share a row, training on 16 cores (skip-gram) or 8 (CBOW) ended in
# infinities unless all threads together merged every 128 windows, which then took three quarters of
# the time of 16 cores. With the share below, 16 threads that take turns (benchmarks/threads.py)
# reach 0.220, 0.213 and 0.212 of Google's analogies at 1,024, 2,048 and 4,096 windows each (one
# thread: 0.212); docs/speed.md has other q. 64 threads of CBOW reach 0.143 at 2,048 windows, and
# 0.166, as one does, where each merges 400 times. Copies of the 128 most frequent words as well,
# with shares of their own, lost 0.01 to 0.03.
@dataclass(frozen=True)
class Copying:
    """How threads copy the top of the tree and merge their copies."""

    nodes: int = 1024  # that each thread copies
    interval: int = 4096  # windows between two merges of a thread, or fewer for `merges`
    merges: float = 400  # of each thread in a run, at least
    curvature: float = 0.3  # q of `cluster.merging`, for as few predictions as between two merges

    def rows(self, options: Resolved, inner: int) -> int:
        """Rows that the copies of all threads take, after those of the inner nodes."""
        return options.threads * min(self.nodes, inner) if options.threads > 1 else 0


class Worker(ABC):
    """One thread of training."""

    @abstractmethod
    def train(self, first: int, last: int, rate: float, state: np.uint64) -> Float64:
        """Train sentences first .. last - 1; the random number generator begins in `state`.

        Returns (3,) float64, which the next call overwrites: loss in nats, predictions, tokens kept
        by subsampling.
        """

    def finish(self) -> None:  # noqa: B027 (most workers have nothing to do)
        """Merge what is left in private copies, before all threads wait."""

    def compile(self) -> None:
        """Compile the kernel, or load it from the cache."""
        self.train(0, 0, 0.0, np.uint64(0))


class TreeWorker(Worker):
    """Hierarchical softmax, with a private copy of the top of the tree.

    vectors: (V, stride) float32, input vectors, shared by all threads. outputs: (rows, stride)
    float32, node weights, shared, and behind them the copies of each thread. copies: which rows are
    this thread's. predictions: (copies.count,) float64, from how many each copied node learns
    between two merges. curvature: the q of `cluster.merging`. frozen: `outputs` stay.
    """

    def __init__(
        self,
        text: Text,
        tree: Tree,
        options: Resolved,
        window: Window,
        vectors: Float32,
        outputs: Float32,
        copies: Copies,
        predictions: Float64,
        curvature: float,
        parts: Parts = NO_PARTS,
        frozen: bool = False,
    ):
        self.text, self.options, self.window, self.copies = text, options, window, copies
        self.predictions, self.curvature = predictions, curvature
        self.stride = vectors.shape[1]
        self.paths = Paths(tree.offsets, tree.nodes, tree.bits)
        self.vectors, self.outputs = vectors.ravel(), outputs.ravel()
        kernels = skipgram if options.arch == "skipgram" else cbow
        self.kernel = kernels.train_inputs if frozen else kernels.train
        longest_path = int(tree.lengths.max())
        self.scratch = make_scratch(LONGEST_SENTENCE, window, longest_path, self.stride)
        self.ring = make_ring(parts, window, self.stride)

    def train(self, first: int, last: int, rate: float, state: np.uint64) -> Float64:
        self.scratch.random[0], self.scratch.totals[:] = state, 0
        if self.copies.count and rate > 0:
            self.copies.share[:] = self._shares(rate)
        self.kernel(
            self.text,
            first,
            last,
            self.window,
            self.paths,
            self.vectors,
            self.ring,
            self.outputs,
            self.stride,
            rate,
            self.copies,
            self.scratch,
        )
        return self.scratch.totals

    def finish(self) -> None:
        self.train(0, 0, 0.0, np.uint64(0))  # the kernel merges where it gets no sentence

    def _shares(self, rate: float) -> Float64:
        """The share of each copied node's change that is merged; see `cluster.merging`."""
        ways = np.maximum(rate * self.curvature * self.predictions, 1e-9)  # of 0 the share is 1
        threads = self.options.threads
        shares: Float64 = np.expm1(-threads * ways) / (threads * np.expm1(-ways))
        return shares


class SoftmaxWorker(Worker):
    """The full softmax.

    vectors: (V, stride) float32, input vectors, shared by all threads. outputs: (rows, stride)
    float32, output vectors; rows is a multiple of 16, at least V. frozen: they stay.
    """

    def __init__(
        self,
        text: Text,
        options: Resolved,
        window: Window,
        vectors: Float32,
        outputs: Float32,
        parts: Parts = NO_PARTS,
        frozen: bool = False,
    ):
        self.text, self.options, self.window = text, options, window
        self.parts, self.frozen = parts, frozen
        self.words, stride = len(text.keep), vectors.shape[1]
        self.vectors, self.outputs = vectors, outputs
        self.scratch = make_scratch(LONGEST_SENTENCE, window, 0, stride)
        self.batch = softmax.make_batch(self.words, window, stride)

    def train(self, first: int, last: int, rate: float, state: np.uint64) -> Float64:
        self.scratch.random[0], self.scratch.totals[:] = state, 0
        softmax.train(
            self.text,
            first,
            last,
            self.window,
            self.options.arch == "cbow",
            self.words,
            self.vectors,
            self.parts,
            self.outputs,
            rate,
            self.batch,
            self.scratch,
            not self.frozen,
        )
        return self.scratch.totals


def make_workers(
    corpus: Corpus,
    tree: Tree | None,
    options: Resolved,
    vectors: Float32,
    outputs: Float32,
    copying: Copying = Copying(),
    parts: Parts = NO_PARTS,
    frozen: bool = False,
) -> list[Worker]:
    """A worker for each thread; `tree` is None for the full softmax.

    vectors, outputs, frozen: as in `TreeWorker` and `SoftmaxWorker`, with `copying.rows` rows for
    copies.
    """
    text, threads = kernel_text(corpus, options), options.threads
    window = kernel_window(options, corpus.sentences)
    if tree is None:
        whole = vectors, outputs, parts, frozen
        return [SoftmaxWorker(text, options, window, *whole) for _ in range(threads)]
    count = copying.rows(options, tree.inner) // threads
    interval, predictions = 1, np.zeros(0)
    if count:
        kept = text.keep * corpus.vocabulary.counts.astype(np.float64)
        share = kept.sum() / float(corpus.vocabulary.counts.sum())  # of tokens that are kept
        windows = share * len(text.ids) * options.epochs / threads
        interval = max(1, min(copying.interval, int(windows / copying.merges)))
        centres = interval * kept / kept.sum()
        predictions = node_predictions(tree, centres, options, corpus.sentences)[:count]
    workers: list[Worker] = []
    for thread in range(threads):
        copies = _make_copies(outputs, tree.inner, count, thread, threads, interval)
        weights = vectors, outputs, copies, predictions, copying.curvature, parts, frozen
        workers.append(TreeWorker(text, tree, options, window, *weights))
    return workers


def _make_copies(
    outputs: Float32, inner: int, count: int, thread: int, threads: int, interval: int
) -> Copies:
    """One thread's copy of the first `count` rows, which is written behind the inner nodes."""
    start, stride = inner + thread * count, outputs.shape[1]
    snapshot = aligned_zeros(count, stride)
    outputs[start : start + count] = snapshot[:] = outputs[:count]
    return Copies(
        count=count,
        start=start,
        turn=thread / threads,
        interval=interval,
        share=np.ones(count, np.float32),
        snapshot=snapshot.ravel(),
        windows=np.zeros(1, np.int64),
    )


def kernel_text(corpus: Corpus, options: Resolved) -> Text:
    """A corpus as kernels take it."""
    keep = corpus.vocabulary.keep_probabilities(options.sample)
    # np.asarray: Numba compiles for a plain array once, and for a memory map again.
    return Text(np.asarray(corpus.ids), corpus.sentences, keep)


def node_predictions(
    tree: Tree, centres: Float64, options: Resolved, sentences: Int64 | None = None
) -> Float64:
    """Predictions from which each inner node is expected to learn, (inner,) float64.

    centres: (V,), how many windows each word is the centre of. sentences: as `expected_contexts`.
    """
    around = expected_contexts(options, sentences)
    return tree.mass_below(centres) * (around if options.arch == "skipgram" else 1)

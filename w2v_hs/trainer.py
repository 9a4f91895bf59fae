"""Training: chunks of sentences, threads that take them, a rate that falls.

The corpus is cut into chunks of sentences. Threads take the next chunk, epoch after epoch, until
all are done; nothing locks the weights (Hogwild: Recht, Re, Wright, Niu 2011). Learning rate and
random numbers of a chunk depend on its place alone, not on the thread or on time, so a run with
one thread can be repeated to the bit.
"""

import math
import threading
import time
from collections.abc import Callable
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait
from dataclasses import dataclass, field

import numpy as np

from w2v_hs.corpus import LONGEST_SENTENCE, Corpus
from w2v_hs.errors import CorpusError, DivergedError, OptionError
from w2v_hs.kernels import cbow, skipgram, softmax
from w2v_hs.kernels.common import Paths, Text, aligned_zeros, make_scratch, padded
from w2v_hs.kernels.copies import Copies
from w2v_hs.learned import learned, transfer_weights
from w2v_hs.options import Options
from w2v_hs.tree import Tree

LOWEST_RATE = 1e-4  # as a share of the rate at the start, as in word2vec.c
LONGEST_CHUNK = 50_000  # words: some 50 ms, so that Ctrl-C and the progress bar need not wait
LONGEST_WORK = 10**11  # floating-point operations of a chunk, an upper bound: some 2 s at most
# The full softmax reads and writes all output weights for each batch: beyond the caches of a
# processor it would take days where the tree takes minutes.
SOFTMAX_LIMIT = 16 << 20  # bytes of output weights
# Private copies of the top of the tree, where there are several threads (see kernels.top). Measured
# on 16M words of Wikipedia, V = 70,000, skip-gram, dim 100, one epoch (benchmarks/threads.py):
# without copies two threads took 1.7 to 2 times as long. Merging all of 512 copies every 2048
# windows lost 0.007 of Google's analogies on two threads, and more on eight (0.201, loss 8.247,
# against 0.227 and 8.191 at every 64). With the intervals that grow away from the root, 64 windows
# a thread reached 0.216 on two threads (no copies: 0.217), 256 windows 0.211. What counts is what
# all threads do between merges, hence one interval for all of them together. A window of CBOW
# updates its path once, not once for each context word, so that 512 windows are as good (0.164 to
# 0.168 at 128, 512 and 1024, no trend), and 8% faster than 128.
COPIED_NODES = 1024
NODE_INTERVAL = {"skipgram": 128, "cbow": 512}  # windows of all threads together
FIRST_NODES = 16
COPIED_WORDS = 128
WORD_INTERVAL = 32  # times that of the nodes
REBUILDS = (0.05, 0.1, 0.2, 0.4)  # shares of the run after which a tree is learned anew


@dataclass
class Progress:
    """Where a run is: tokens trained of all tokens of all epochs, the rate now, the mean loss of
    late in nats a prediction, and the seconds since it began."""

    tokens: int
    total: int
    epoch: int
    rate: float
    loss: float
    seconds: float


@dataclass
class Weights:
    """What training gives.

    vectors: (V, stride) float32 input vectors; outputs: (V - 1, stride) weights of the inner nodes
    of `tree` or, where that is None, (V, stride) output vectors of the full softmax; the first
    `dim` columns count, the others are 0. losses: mean nats a prediction, one for
    each epoch, None where there was nothing to predict. predictions: over all epochs.
    """

    vectors: np.ndarray
    outputs: np.ndarray
    tree: Tree | None
    losses: list[float | None] = field(default_factory=list)
    predictions: int = 0
    seconds: float = 0.0


def check_softmax(words: int, dim: int) -> None:
    """Raise `OptionError` where the full softmax is too large to be of use."""
    row = 4 * padded(dim)
    if words * row > SOFTMAX_LIMIT:
        raise OptionError(
            f"loss=softmax over {words:,} words needs {words * row:,} bytes of output weights, the "
            f"limit is {SOFTMAX_LIMIT:,}; set max_vocab to {SOFTMAX_LIMIT // row} or less, or use "
            "loss=hs"
        )


def start_vectors(words: int, dim: int, seed: int, more: int = 0) -> np.ndarray:
    """(V + more, stride) float32: uniform in [-0.5, 0.5) / dim, as in word2vec.c, then zeros."""
    vectors = aligned_zeros(words + more, padded(dim))
    generator = np.random.Generator(np.random.PCG64(seed))
    block = 1 << 16
    for first in range(0, words, block):
        rows = vectors[first : min(first + block, words), :dim]
        rows[:] = (generator.random(rows.shape, np.float32) - np.float32(0.5)) / np.float32(dim)
    return vectors


def train_weights(
    corpus: Corpus,
    tree: Tree | None,
    options: Options,
    report: Callable[[Progress], None] = lambda progress: None,
    after_epoch: Callable[[Weights], bool] | None = None,
    start: tuple[np.ndarray, np.ndarray] | None = None,
) -> Weights:
    """Train on a corpus; `tree` is None for the full softmax. `options` must be resolved.

    Where the options have a tree learned, `tree` is the one to begin with; it is replaced as
    `REBUILDS` says. start: vectors (V, dim) and outputs (rows, dim) float32 to go on from; the tree
    then stays.

    report is called from the calling thread, some ten times a second. after_epoch(weights), where
    given, is called between two epochs and after the last, while all threads wait; it may write
    the matrices and the tree, and ends training by returning True.

    Raises
    ------
    DivergedError
        The loss is no longer a finite number, or far above that of an untrained model.
    CorpusError
        No sentence keeps two words, so there is nothing to predict.
    """
    words, stride, counts = len(corpus.vocabulary), padded(options.dim), corpus.vocabulary.counts
    own = options.threads if options.threads > 1 and tree is not None else 0
    vectors = start_vectors(words, options.dim, options.seed, own * min(COPIED_WORDS, words))
    shared = padded(words) if tree is None else tree.inner
    outputs = aligned_zeros(shared + own * min(COPIED_NODES, shared), stride)
    weights = Weights(vectors[:words], outputs[:shared], tree)
    if start is not None:
        weights.vectors[:, : options.dim] = start[0]
        weights.outputs[: len(start[1]), : options.dim] = start[1]
    if tree is None:
        workers = _softmax_workers(corpus, options, vectors, outputs)
    else:
        workers = _tree_workers(corpus, tree, options, vectors, outputs)

    def rebuild() -> bool:
        started = time.perf_counter()
        keep = corpus.vocabulary.keep_probabilities(options.sample)
        new = learned(
            weights.vectors, counts, options.threads, equal_depths=options.tree == "balanced"
        )
        transfer_weights(weights.vectors, counts * keep, weights.outputs, weights.tree, new)
        weights.tree = new
        workers[:] = _tree_workers(corpus, new, options, vectors, outputs)
        run.seconds += time.perf_counter() - started
        return False

    run = _Run(corpus, options, 0 if tree is not None else words)
    pauses: dict[int, list[Callable[[], bool]]] = {}
    if after_epoch is not None:
        for epoch in range(1, options.epochs + 1):
            pauses[epoch * run.chunks] = [lambda: after_epoch(weights)]
    if options.learns_tree and start is None:
        for share in REBUILDS:
            pauses.setdefault(round(share * run.chunks * options.epochs), []).append(rebuild)
    run.go(workers, report, pauses)
    weights.losses, weights.seconds = run.losses(), run.seconds
    weights.predictions = int(run.predictions.sum())
    if weights.tree is not None:
        _check_learned(weights.losses[-1], math.log(2) * weights.tree.expected_length(counts))
    else:
        weights.outputs = outputs[:words]
        _check_learned(weights.losses[-1], math.log(words))
    return weights


def _check_learned(loss: float | None, untrained: float) -> None:
    """Raise `DivergedError` for a model that is much worse than one that was never trained."""
    if loss is not None and loss > 2 * untrained:
        raise DivergedError(
            f"the mean loss of the last epoch is {loss:.4g} nats, {untrained:.4g} before any "
            "training: the learning rate is too large; start again with a smaller lr"
        )


def _text(corpus: Corpus, options: Options) -> Text:
    keep = corpus.vocabulary.keep_probabilities(options.sample)
    # np.asarray: Numba compiles for a plain array once, and for a memory map again.
    return Text(np.asarray(corpus.ids), corpus.sentences, keep)


def _copies(matrix, shared: int, most: int, first: int, interval: int, thread: int, threads: int):
    """The copies of a thread, which lie behind the `shared` rows of `matrix`."""
    count = min(most, shared) if threads > 1 else 0
    start = shared + thread * count
    snapshot = aligned_zeros(count, matrix.shape[1])
    matrix[start : start + count] = snapshot[:] = matrix[:count]
    each = max(1, interval // threads)
    return Copies(count, start, thread / threads, first, each, snapshot.ravel())


def _tree_workers(corpus, tree, options, vectors, outputs) -> list[Callable]:
    """A function (first, last, rate, state of the generator) -> totals for each thread."""
    text = _text(corpus, options)
    paths = Paths(tree.offsets, tree.nodes, tree.bits)
    kernel = skipgram.train if options.arch == "skipgram" else cbow.train
    stride = vectors.shape[1]
    longest, interval = int(tree.lengths.max()), NODE_INTERVAL[options.arch]

    def worker(thread: int) -> Callable:
        scratch = make_scratch(LONGEST_SENTENCE, options.window, longest, stride)
        inputs = _copies(
            vectors, len(corpus.vocabulary), COPIED_WORDS, COPIED_WORDS, WORD_INTERVAL * interval,
            thread, options.threads,
        )  # fmt: skip
        nodes = _copies(
            outputs, tree.inner, COPIED_NODES, FIRST_NODES, interval, thread,
            options.threads,
        )  # fmt: skip

        def train(first, last, rate, state):
            scratch.random[0], scratch.totals[:] = state, 0
            kernel(
                text, first, last, options.window, paths, vectors.ravel(), outputs.ravel(), stride,
                rate, inputs, nodes, scratch,
            )  # fmt: skip
            return scratch.totals

        return train

    return [worker(thread) for thread in range(options.threads)]


def _softmax_workers(corpus, options, vectors, outputs) -> list[Callable]:
    """As `_tree_workers`, for the full softmax."""
    text = _text(corpus, options)
    words, stride = len(corpus.vocabulary), vectors.shape[1]

    def worker() -> Callable:
        scratch = make_scratch(LONGEST_SENTENCE, options.window, 0, stride)
        batch = softmax.make_batch(words, options.window, stride)

        def train(first, last, rate, state):
            scratch.random[0], scratch.totals[:] = state, 0
            softmax.train(
                text, first, last, options.window, options.arch == "cbow", words, vectors, outputs,
                rate, batch, scratch,
            )  # fmt: skip
            return scratch.totals

        return train

    return [worker() for _ in range(options.threads)]


class _Run:
    """One run over all epochs: hands out chunks and adds up what comes back."""

    def __init__(self, corpus: Corpus, options: Options, softmax_words: int):
        self.options = options
        self.tokens = len(corpus.ids)
        self.total = self.tokens * options.epochs
        steps = 200 * options.threads  # the rate falls in at least as many steps
        work = 6 * padded(options.dim) * max(softmax_words, 32) * 2 * options.window
        size = max(1, min(LONGEST_CHUNK, self.total // steps + 1, LONGEST_WORK // work))
        self.bounds = _cut(corpus.sentences, size)
        self.before = corpus.sentences[self.bounds]  # tokens before each chunk
        self.chunks = len(self.bounds) - 1  # of an epoch
        chunks = self.chunks * options.epochs
        self.loss = np.zeros(chunks)  # nats, float64, of each chunk
        self.predictions = np.zeros(chunks, np.int64)
        self.next = 0
        self.end = chunks  # threads wait for each other there
        self.done = 0  # tokens
        self.rate = options.lr
        self.recent = (0.0, 0.0)
        self.stopped = False
        self.lock = threading.Lock()
        self.seconds = 0.0

    def go(
        self,
        workers: list[Callable],
        report: Callable[[Progress], None],
        pauses: dict[int, list[Callable[[], bool]]],
    ) -> None:
        """Train all chunks. Before the chunks that `pauses` names, all threads wait while its
        functions are called, which may replace the workers; True from one ends training."""
        # BLAS must not start threads of its own beside ours.
        from threadpoolctl import threadpool_limits

        workers[0](0, 0, 0.0, np.uint64(0))  # compiles, or loads what was compiled
        with threadpool_limits(1), ThreadPoolExecutor(len(workers), "trainer") as pool:
            try:
                for end in sorted({*pauses, len(self.loss)}):
                    self._train_to(end, pool, workers, report)
                    if any([act() for act in pauses.get(end, [])]):
                        self.loss, self.predictions = self.loss[:end], self.predictions[:end]
                        return
            finally:
                self.stopped = True

    def _train_to(self, end: int, pool, workers: list[Callable], report: Callable) -> None:
        """Train all chunks before `end`."""
        self.end = end
        before, started = self.seconds, time.perf_counter()
        waiting = {pool.submit(self._work, worker) for worker in workers}
        while waiting:
            finished, waiting = wait(waiting, 0.1, FIRST_EXCEPTION)
            for future in finished:
                future.result()
            self.seconds = before + time.perf_counter() - started
            report(self._progress())

    def _work(self, worker: Callable) -> None:
        while not self.stopped:
            with self.lock:
                place = self.next
                if place == self.end:
                    return
                self.next += 1
            epoch, chunk = divmod(place, self.chunks)
            before = epoch * self.tokens + int(self.before[chunk])
            rate = self.options.lr * max(LOWEST_RATE, 1 - before / (self.total + 1))
            state = np.random.SeedSequence([self.options.seed, place]).generate_state(1, np.uint64)
            loss, predictions, _ = worker(
                int(self.bounds[chunk]), int(self.bounds[chunk + 1]), rate, state[0]
            )
            if not math.isfinite(loss):
                raise DivergedError(
                    f"epoch {epoch + 1}, token {before:,}: the loss is {loss} at the learning rate "
                    f"{rate:.3g}; start again with a smaller lr than {self.options.lr:g}"
                )
            with self.lock:
                self.loss[place], self.predictions[place] = loss, predictions
                self.done += int(self.before[chunk + 1] - self.before[chunk])
                self.rate = rate
                # A mean that forgets: the loss of about the last 50 chunks.
                self.recent = (0.98 * self.recent[0] + loss, 0.98 * self.recent[1] + predictions)

    def _progress(self) -> Progress:
        with self.lock:
            loss, predictions = self.recent
            return Progress(
                self.done,
                self.total,
                min(self.done // self.tokens + 1, self.options.epochs),
                self.rate,
                loss / predictions if predictions else math.nan,
                self.seconds,
            )

    def losses(self) -> list[float | None]:
        """Mean nats a prediction of each epoch; None for one without a prediction."""
        loss = self.loss.reshape(-1, self.chunks).sum(axis=1)
        predictions = self.predictions.reshape(-1, self.chunks).sum(axis=1)
        if not predictions.any():
            raise CorpusError(
                f"nothing to predict: of {self.tokens:,} tokens no sentence kept two words; give "
                "longer sentences, or turn subsampling off with sample=0"
            )
        return [
            float(nats / count) if count else None
            for nats, count in zip(loss, predictions, strict=True)
        ]


def _cut(sentences: np.ndarray, size: int) -> np.ndarray:
    """Bounds of chunks of about `size` tokens, as numbers of sentences; no sentence is cut."""
    targets = np.arange(0, sentences[-1] + size, size)
    bounds = np.unique(np.searchsorted(sentences, targets))
    bounds = np.minimum(bounds, len(sentences) - 1)
    return np.unique(np.append(bounds, len(sentences) - 1))

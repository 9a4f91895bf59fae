"""The order of a run: chunks of sentences, threads that take them, a rate that falls.

The corpus is cut into chunks of sentences. Threads take the next chunk, epoch after epoch, until
all are done; nothing locks the weights (Hogwild: Recht, Re, Wright, Niu 2011). Learning rate and
random numbers of a chunk depend on its place alone, not on the thread or on time. So a run with
one thread can be repeated to the bit, and one that was stopped between two chunks can go on there
as if nothing had happened: there is no other state.
"""

import itertools
import math
import threading
import time
from collections.abc import Callable
from concurrent.futures import FIRST_EXCEPTION, Executor, ThreadPoolExecutor, wait
from dataclasses import dataclass, replace

import numpy as np

from w2v_hs.errors import CorpusError, DivergedError, FormatError
from w2v_hs.kernels.common import padded
from w2v_hs.model.weights import Weights
from w2v_hs.options import Resolved
from w2v_hs.progress import Progress
from w2v_hs.text.corpus import LONGEST_SENTENCE, Corpus
from w2v_hs.training.workers import Worker
from w2v_hs.types import Float64, Int64

LOWEST_RATE = 1e-4  # as a share of the rate at the start, as in word2vec.c
LOOK = 0.1  # seconds between two looks at the threads, for progress, signals and checkpoints
LONGEST_CHUNK = 50_000  # words: some 50 ms, so that Ctrl-C and the progress bar need not wait
LONGEST_WORK = 5 * 10**10  # floating-point operations of a chunk: half a second or so


@dataclass
class Position:
    """A place between two chunks of a run, from which it can go on.

    chunk_tokens: about how many tokens the run's chunks hold. loss (n,) float64, in nats, and
    predictions (n,) int64, of each chunk trained so far. seconds of training so far.
    """

    chunk_tokens: int
    loss: Float64
    predictions: Int64
    seconds: float


@dataclass(frozen=True)
class Stretch:
    """The part of a longer run that a run is: from which share of the tokens of all of it to which,
    for the learning rate, and numbers that set its random numbers apart from those of other
    parts."""

    begin: float = 0.0
    end: float = 1.0
    seed: tuple[int, ...] = ()


class Watch:
    """Looks on while a run trains, and may have all threads wait. This one does nothing."""

    def due(self) -> bool:
        """Asked some ten times a second, while threads train; True has them wait."""
        return False

    def stopped(self) -> bool:
        """Whether it waits because the run is to end."""
        return False

    def halt(self, weights: Weights, position: Position) -> None:
        """Called while all threads wait; what it raises ends the run."""


def most_tokens(options: Resolved, softmax_words: int) -> int:
    """How many tokens a call of a kernel may train; softmax_words: of the full softmax, 0 for a
    tree."""
    work = 6 * padded(options.dim) * max(softmax_words, 32) * 2 * options.window
    return max(1, min(LONGEST_CHUNK, LONGEST_WORK // work))


def with_short_sentences(corpus: Corpus, most: int, window: int) -> Corpus:
    """The corpus with its sentences cut to `most` tokens, but not below two windows, where the
    longest would keep a kernel busy for longer than a user waits for Ctrl-C."""
    most = max(most, 2 * window)
    if most >= LONGEST_SENTENCE:
        return corpus
    bounds = corpus.sentences
    pieces = [np.arange(first, last, most) for first, last in itertools.pairwise(bounds.tolist())]
    return replace(corpus, sentences=np.concatenate([*pieces, bounds[-1:]]))


class Run:
    """One run over all epochs: hands out chunks and adds up what comes back.

    most: tokens of a chunk, see `most_tokens`. position: where to go on. stretch: where it lies in
    a longer run.
    """

    def __init__(
        self,
        corpus: Corpus,
        options: Resolved,
        most: int,
        position: Position | None = None,
        stretch: Stretch = Stretch(),
    ):
        self.options, self.stretch = options, stretch
        self.tokens = len(corpus.ids)
        self.total = self.tokens * options.epochs
        # The rate of a whole run falls in at least 200 steps, and at its end no thread waits long.
        threads, length = options.threads, stretch.end - stretch.begin
        steps = max(16 * threads, round(200 * length), round(50 * threads * length))
        self.chunk_tokens = min(most, self.total // steps + 1)
        if position is not None:
            self.chunk_tokens = position.chunk_tokens
        self.bounds = _cut(corpus.sentences, self.chunk_tokens)
        self.before = corpus.sentences[self.bounds]  # tokens before each chunk
        self.chunks = len(self.bounds) - 1  # of an epoch
        chunks = self.chunks * options.epochs
        self.loss = np.zeros(chunks)  # nats, float64, of each chunk
        self.predictions = np.zeros(chunks, np.int64)
        self.next = 0
        self.end = chunks  # threads wait for each other there
        self.seconds = 0.0
        if position is not None:
            self.next = len(position.loss)
            if self.next > chunks:
                raise FormatError(
                    f"the checkpoint stands behind chunk {self.next:,} of a run of {chunks:,}: it "
                    "does not belong to this text and these options; train anew"
                )
            self.loss[: self.next] = position.loss
            self.predictions[: self.next] = position.predictions
            self.seconds = position.seconds
        self.done = self._tokens_before(self.next)
        self.rate = self._rate(self.done)
        self.recent = (0.0, 0.0)
        self.stopped = False
        self.lock = threading.Lock()

    def go(
        self,
        workers: list[Worker],
        report: Callable[[Progress], None],
        pauses: dict[int, list[Callable[[], bool]]],
        watch: Watch,
        halt: Callable[[], None],
    ) -> None:
        """Train all chunks. Before the chunks that `pauses` names, all threads wait while its
        functions are called, which may replace the workers; True from one ends training. `halt`
        is called while they wait because `watch` is due."""
        # BLAS must not start threads of its own beside ours.
        from threadpoolctl import threadpool_limits

        workers[0](0, 0, 0.0, np.uint64(0))  # compiles, or loads what was compiled
        with threadpool_limits(1), ThreadPoolExecutor(len(workers), "trainer") as pool:
            try:
                # A pause at the place where a run goes on was before it stopped.
                for end in sorted({*pauses, len(self.loss)}):
                    if end <= self.next:
                        continue
                    while self.next < end:
                        self._train_to(end, pool, workers, report, watch)
                        if self.next < end:
                            halt()
                    if any([act() for act in pauses.get(end, [])]):
                        self.loss, self.predictions = self.loss[:end], self.predictions[:end]
                        return
                    if end < len(self.loss) and watch.due():
                        halt()
            finally:
                self.stopped = True

    def _train_to(
        self,
        end: int,
        pool: Executor,
        workers: list[Worker],
        report: Callable[[Progress], None],
        watch: Watch,
    ) -> None:
        """Train the chunks before `end`, or fewer where `watch` is due."""
        self.end = end
        before, started = self.seconds, time.perf_counter()
        futures = {pool.submit(self._work, worker): i for i, worker in enumerate(workers, 1)}
        waiting = set(futures)
        while waiting:
            finished, waiting = wait(waiting, LOOK, FIRST_EXCEPTION)
            for future in finished:
                if (error := future.exception()) is not None:
                    error.add_note(f"in training thread {futures[future]} of {len(workers)}")
                    raise error
            self.seconds = before + time.perf_counter() - started
            report(self._progress())
            if waiting and watch.due():
                with self.lock:
                    self.end = min(self.end, self.next)

    def _work(self, worker: Worker) -> None:
        while not self.stopped:
            with self.lock:
                place = self.next
                done = place >= self.end
                self.next += not done
            if done:
                worker(0, 0, 0.0, np.uint64(0))  # merges what is left in private copies
                return
            chunk, before = place % self.chunks, self._tokens_before(place)
            rate = self._rate(before)
            seeds = [self.options.seed, *self.stretch.seed, place]
            state = np.random.SeedSequence(seeds).generate_state(1, np.uint64)
            loss, predictions, _ = worker(
                int(self.bounds[chunk]), int(self.bounds[chunk + 1]), rate, state[0]
            )
            if not math.isfinite(loss):
                raise self.diverged(place, f"the loss is {loss}")
            with self.lock:
                self.loss[place], self.predictions[place] = loss, predictions
                self.done += int(self.before[chunk + 1] - self.before[chunk])
                self.rate = rate
                # A mean that forgets: the loss of about the last 50 chunks.
                self.recent = (0.98 * self.recent[0] + loss, 0.98 * self.recent[1] + predictions)

    def diverged(self, place: int, found: str) -> DivergedError:
        """The error for a run whose weights are of no use before chunk `place`."""
        before = self._tokens_before(place)
        return DivergedError(
            f"epoch {place // self.chunks + 1}, token {before:,}: {found} at the learning rate "
            f"{self._rate(before):.3g}; start again with a smaller lr than {self.options.lr:g}"
        )

    def position(self) -> Position:
        """Where the run is; all threads must wait."""
        loss, predictions = self.loss[: self.next], self.predictions[: self.next]
        return Position(self.chunk_tokens, loss.copy(), predictions.copy(), self.seconds)

    def losses(self) -> list[float | None]:
        """Mean nats a prediction of each epoch begun; None for one without a prediction.

        Raises `CorpusError` where there is none in any, after a whole epoch.
        """
        firsts = range(0, max(1, self.next), self.chunks)
        loss = [self.loss[first : first + self.chunks].sum() for first in firsts]
        counts = [self.predictions[first : first + self.chunks].sum() for first in firsts]
        if not any(counts) and self.next >= self.chunks:
            raise CorpusError(
                f"nothing to predict: of {self.tokens:,} tokens no sentence kept two words; give "
                "longer sentences, or turn subsampling off with sample=0"
            )
        return [
            float(nats / count) if count else None for nats, count in zip(loss, counts, strict=True)
        ]

    def _tokens_before(self, place: int) -> int:
        epoch, chunk = divmod(place, self.chunks)
        return epoch * self.tokens + int(self.before[chunk])

    def _rate(self, tokens: int) -> float:
        """The learning rate after so many tokens."""
        begin, end = self.stretch.begin, self.stretch.end
        share = begin + (end - begin) * (tokens / (self.total + 1))
        return self.options.lr * max(LOWEST_RATE, 1 - share)

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


def _cut(sentences: Int64, size: int) -> Int64:
    """Bounds of chunks of about `size` tokens, as numbers of sentences; no sentence is cut."""
    targets = np.arange(0, sentences[-1] + size, size)
    bounds = np.unique(np.searchsorted(sentences, targets))
    bounds = np.minimum(bounds, len(sentences) - 1)
    return np.unique(np.append(bounds, len(sentences) - 1))

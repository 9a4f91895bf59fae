"""Threads that train chunk after chunk, and the losses that come back.

Threads take the next chunk of the schedule until all are trained. Nothing locks the weights
(Hogwild: Recht, Re, Wright, Niu 2011).
"""

import contextlib
import math
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait
from dataclasses import dataclass

import numpy as np

from w2v_hs.errors import CorpusError, DivergedError, FormatError
from w2v_hs.progress import Progress
from w2v_hs.training.schedule import Schedule
from w2v_hs.training.workers import Worker
from w2v_hs.types import Float64, Int64

LOOK = 0.1  # seconds between two looks at the threads, for progress, signals and checkpoints


@dataclass
class Position:
    """A place between two chunks, at which a run can be resumed."""

    chunk_tokens: int  # about how many tokens the run's chunks hold
    loss: Float64  # (n,) float64, in nats, of each chunk trained so far
    predictions: Int64  # (n,) int64, of each chunk trained so far
    seconds: float  # of training so far
    tree_due: bool = False  # whether a tree is to be learned before the next chunk


class Losses:
    """Loss and predictions of each step of a run: of a chunk or, on a cluster, of a round.

    steps: of the run; per_epoch: of an epoch of `tokens`. A resumed run begins at `position`.
    """

    def __init__(self, steps: int, per_epoch: int, tokens: int, position: Position | None = None):
        self.per_epoch, self.tokens = per_epoch, tokens
        self.loss = np.zeros(steps)  # nats
        self.predictions = np.zeros(steps, np.int64)
        self._done = np.zeros(steps + 1, bool)  # of each step; the one after the last never is
        if position is not None:
            done = len(position.loss)
            if done > steps:
                raise FormatError(
                    f"the checkpoint stands after step {done:,} of a run of {steps:,}: it does not "
                    "belong to this text and these options; train anew"
                )
            self.loss[:done], self.predictions[:done] = position.loss, position.predictions
            self._done[:done] = True
        self._reported = self._ended()

    def add(self, step: int, loss: float, predictions: int) -> None:
        """Note a step that is done."""
        self.loss[step], self.predictions[step], self._done[step] = loss, predictions, True

    def position(self, done: int, chunk_tokens: int, seconds: float) -> Position:
        """Where the run is after `done` steps."""
        loss, predictions = self.loss[:done].copy(), self.predictions[:done].copy()
        return Position(chunk_tokens, loss, predictions, seconds)

    def by_epoch(self, done: int) -> list[float | None]:
        """Mean nats per prediction of each epoch begun; None for an epoch without a prediction.

        Raises `CorpusError` if a whole epoch is done and there was nothing to predict.
        """
        means = [self._mean(first) for first in range(0, max(1, done), self.per_epoch)]
        if all(mean is None for mean in means) and done >= self.per_epoch:
            raise CorpusError(
                f"nothing to predict: of {self.tokens:,} tokens no sentence kept two words; give "
                "longer sentences, or turn subsampling off (sample 0)"
            )
        return means

    def report(self) -> tuple[int, float, bool]:
        """The number of an epoch, its mean so far (NaN without a prediction), whether it has ended.

        The epoch is the first that has not ended; but the last that has, once.
        """
        before, self._reported = self._reported, self._ended()
        ended = self._reported > before
        epoch = min(self._reported + (not ended), (len(self._done) - 1) // self.per_epoch)
        mean = self._mean((epoch - 1) * self.per_epoch)
        return epoch, math.nan if mean is None else mean, ended

    def _ended(self) -> int:
        """How many epochs have ended."""
        return int(np.argmin(self._done)) // self.per_epoch

    def _mean(self, first: int) -> float | None:
        """Mean nats per prediction of the epoch with this first step; None without a prediction."""
        steps = slice(first, first + self.per_epoch)
        count = self.predictions[steps].sum()
        return float(self.loss[steps].sum() / count) if count else None


class Threads:
    """Trains the chunks of a schedule with one thread a worker.

    The list of workers may be replaced while no thread trains. `report` is called with a `Progress`
    about ten times a second, from the thread that calls `train_to`. A resumed run begins at
    `position`. next: the first chunk that no thread has taken. seconds: of training so far.
    """

    def __init__(
        self,
        schedule: Schedule,
        workers: list[Worker],
        report: Callable[[Progress], None] = lambda progress: None,
        position: Position | None = None,
    ):
        self.schedule, self.workers, self.report = schedule, workers, report
        self.losses = Losses(schedule.chunks, schedule.per_epoch, schedule.tokens, position)
        self.next, self.seconds = 0, 0.0
        if position is not None:
            self.next, self.seconds = len(position.loss), position.seconds
        self._end = 0  # no thread takes this chunk or a later one
        self._stopped = False
        self._lock = threading.Lock()
        self._trained = schedule.tokens_before(self.next)
        self._rate = schedule.rate(self._trained)

    @contextlib.contextmanager
    def running(self) -> Iterator[None]:
        """Keep a pool of threads while the block lasts; they end with it."""
        # BLAS must not start threads of its own beside ours.
        from threadpoolctl import threadpool_limits

        with threadpool_limits(1), ThreadPoolExecutor(len(self.workers), "trainer") as self._pool:
            try:
                yield
            finally:
                self._stopped = True

    def train_to(self, end: int, due: Callable[[], bool] = lambda: False, look: float = LOOK) -> None:
        """Train the chunks before `end`, or fewer: soon after due() is true, all threads wait.

        due is asked every `look` seconds. An error in one thread is raised here and names it.
        """
        self._end = end
        before, started = self.seconds, time.perf_counter()
        futures = [self._pool.submit(self._train_chunks, worker) for worker in self.workers]
        waiting = set(futures)
        while waiting:
            finished, waiting = wait(waiting, look, FIRST_EXCEPTION)
            for future in finished:
                if (error := future.exception()) is not None:
                    number = futures.index(future) + 1
                    error.add_note(f"in training thread {number} of {len(futures)}")
                    raise error
            self.seconds = before + time.perf_counter() - started
            self.report(self._progress())
            if waiting and due():
                with self._lock:
                    self._end = min(self._end, self.next)

    def _train_chunks(self, worker: Worker) -> None:
        """Train chunk after chunk, in one thread."""
        while (place := self._take()) is not None:
            chunk = self.schedule.chunk(place)
            loss, predictions, _ = worker.train(chunk.first, chunk.last, chunk.rate, chunk.state)
            if not math.isfinite(loss):
                raise self.diverged(place, f"the loss is {loss}")
            with self._lock:
                self.losses.add(place, loss, int(predictions))
                self._trained += chunk.tokens
                self._rate = self.schedule.rate(self.schedule.tokens_before(place))
        worker.finish()

    def _take(self) -> int | None:
        """The place of the next chunk, or None if the thread is to wait."""
        with self._lock:
            if self._stopped or self.next >= self._end:
                return None
            self.next += 1
            return self.next - 1

    def position(self) -> Position:
        """Where the run is; all threads must wait."""
        return self.losses.position(self.next, self.schedule.chunk_tokens, self.seconds)

    def diverged(self, place: int, found: str) -> DivergedError:
        """The error for a run whose weights are useless before chunk `place`."""
        tokens = self.schedule.tokens_before(place)
        return DivergedError(
            f"epoch {place // self.schedule.per_epoch + 1}, token {tokens:,}: {found} at the "
            f"learning rate {self.schedule.rate(tokens):.3g}; start again with a smaller lr than "
            f"{self.schedule.options.lr:g}"
        )

    def _progress(self) -> Progress:
        with self._lock:
            epoch, loss, ended = self.losses.report()
            total = self.schedule.total_tokens
            return Progress(self._trained, total, epoch, self._rate, loss, self.seconds, ended)

"""Training on a cluster: rounds of local SGD as tasks of Dask.

    weights --train_part--> changes --merged, updated--> weights of the next round

The weights are cut into as many blocks as there are workers, and each block is merged by one of
them: every worker sends its changes of a block to the owner, and gets the new block from there.
So all links carry the same, whatever the number of workers (a reduce-scatter and an all-gather, as
in Thakur, Rabenseifner, Gropp 2005). Nothing large passes through the scheduler; the client gets
weights only for checkpoints and at the end, from the workers.

Every task is a function of its arguments. Where a worker is lost Dask runs its tasks again, and
each sentence is in one part of one round of every epoch, so that all of them are trained once.
"""

import math
import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, NamedTuple, cast

import numpy as np

from w2v_hs.errors import CorpusError, DivergedError, OptionError
from w2v_hs.model.weights import Weights
from w2v_hs.options import LEARNING_RATES, Options, Preprocessing, Resolved
from w2v_hs.progress import Progress
from w2v_hs.training.cluster import client as cluster
from w2v_hs.training.cluster import rounds, shards
from w2v_hs.training.cluster.rounds import Block, Changes, Job, Part, Report
from w2v_hs.training.cluster.text import ShardedText
from w2v_hs.training.loop import rebuilds
from w2v_hs.training.run import Position, Watch
from w2v_hs.tree.tree import Tree

# After so many rounds, if no checkpoint did it, the client takes the weights and gives them back:
# Dask keeps the recipe of whatever is kept, and so of all rounds before it.
FORGET = 64


def check_options(options: Options, preprocessing: Preprocessing) -> None:
    """Raise `OptionError` for what a cluster does not do."""
    if preprocessing.splits or preprocessing.text_column is not None:
        raise OptionError(
            "tokenize, split_sentences or text_column on a cluster: not there; give plain text, a "
            "sentence a line"
        )
    if options.loss != "hs":
        raise OptionError(
            f"loss={options.loss} on a cluster: not there; every word touches all output weights, "
            "which would all have to travel; use loss=hs, or train in one process"
        )
    if options.holdout:
        raise OptionError(
            f"holdout={options.holdout:g} on a cluster: not there; measure a file of its own "
            "afterwards with 'w2v-hs perplexity'"
        )


def resolved(options: Options, workers: dict[str, int]) -> Resolved:
    """Options with what depends on the run filled in; threads are those of each worker."""
    filled = replace(
        options,
        lr=options.lr or LEARNING_RATES[options.arch],
        threads=options.threads or min(workers.values()),
    )
    return cast(Resolved, filled)


@dataclass
class Cost:
    """What a run has cost: rounds, the most parts of one, bytes that workers have sent, and seconds
    in which the slowest part of each round trained."""

    rounds: int = 0
    parts: int = 0
    sent: int = 0
    training: float = 0.0


class _Round(NamedTuple):
    """Futures of a round: reports of its parts, changes of each block by each part, new blocks."""

    reports: list[Any]
    changes: list[Any]
    blocks: list[Any]


class RoundRun:
    """A run over all epochs, in `rounds` rounds each.

    start: weights to go on from, and position: where they were taken.
    """

    def __init__(
        self,
        client: Any,
        text: ShardedText,
        tree: Tree,
        options: Resolved,
        rounds: int,
        position: Position | None = None,
    ):
        self.client, self.text, self.tree, self.options = client, text, tree, options
        self.words = len(text.chosen.vocabulary)
        self.rounds, self.total = rounds, rounds * options.epochs
        self.loss, self.predictions = np.zeros(self.total), np.zeros(self.total, np.int64)
        self.rebuilds = rebuilds(self.total) if options.learns_tree else set()
        self.next, self.seconds = 0, 0.0
        self.cost = Cost()
        self.where: list[str | None] = [*text.where]
        self.topic = f"w2v-hs-{uuid.uuid4().hex}"
        if position is not None:
            self.next, self.seconds = len(position.loss), position.seconds
            self.loss[: self.next] = position.loss
            self.predictions[: self.next] = position.predictions

    def go(
        self,
        start: tuple[np.ndarray, np.ndarray] | None,
        report: Callable[[Progress], None],
        watch: Watch,
    ) -> Weights:
        """Train to the end. watch may halt the run between two rounds; a signal ends the round."""
        client, names = self.client, list(cluster.workers(self.client))
        self._give_job()
        ready = [
            cluster.submit(client, rounds.warm_up, self.job, worker=worker) for worker in names
        ]
        begin: dict[str, Any] = {}
        if start is None:
            # Each worker makes all of them for itself, which is faster than to send them.
            arguments = self.words, self.options, len(names)
            begin = {
                worker: cluster.submit(client, rounds.start_blocks, *arguments, worker=worker)
                for worker in names
            }
            blocks = [
                cluster.submit(client, cluster.item, begin[worker], b, worker=worker)
                for b, worker in enumerate(names)
            ]
        else:
            blocks = self._put(*start, len(names))
        cluster.wait_for(client, [*ready, *begin.values(), *blocks])
        before = cluster.sent_bytes(client)
        heard = cluster.Heard(client, self.topic)
        # What the blocks came from stays with the workers for one more round: a worker that dies
        # before it has sent its block on then costs no more than that round.
        earlier, since, ahead = [], 0, None
        try:
            while self.next < self.total:
                began = time.perf_counter()
                now = ahead or self._begin(self.next, blocks, begin)
                ahead, begin = None, {}
                # The next round waits at the workers already, where nothing comes between.
                following = self.next + 1
                if (
                    following < self.total
                    and since + 1 < FORGET
                    and (following not in self.rebuilds)
                ):
                    ahead = self._begin(following, now.blocks)

                def look() -> None:
                    seconds = time.perf_counter() - began  # noqa: B023
                    report(self._progress(heard.tokens(self.next), seconds))
                    if watch.stopped():
                        raise _Stopped

                try:
                    cluster.wait_for(client, now.reports, look)
                except _Stopped:
                    for part in filter(None, (now, ahead)):
                        client.cancel([*part.reports, *part.changes, *part.blocks])
                    watch.halt(self._weights(*self._take(blocks)), self.position())
                earlier, blocks = [*blocks, *now.changes], now.blocks
                self._add(client.gather(now.reports), began)
                if self.next in self.rebuilds:
                    blocks = self._rebuild(blocks)
                report(self._progress(0, 0.0))
                since += 1
                if self.next < self.total and (watch.due() or since >= FORGET):
                    matrices = self._take(blocks)
                    if watch.due():
                        watch.halt(self._weights(*matrices), self.position())
                    if since >= FORGET:
                        blocks, earlier, since = self._put(*matrices, len(blocks)), [], 0
            began = time.perf_counter()
            matrices = self._take(blocks)
            del earlier
            self.seconds += time.perf_counter() - began
        finally:
            heard.stop()
        after = cluster.sent_bytes(client)
        self.cost.sent = sum(n - before.get(worker, 0) for worker, n in after.items())
        return self._weights(*matrices)

    def diverged(self, found: str) -> DivergedError:
        """The error for a run whose weights are of no use."""
        return DivergedError(
            f"round {self.next} of {self.total}: {found}; start again with a smaller lr than "
            f"{self.options.lr:g}, or with more rounds an epoch"
        )

    def position(self) -> Position:
        """Where the run is. What is a chunk to one machine is a round here."""
        done = slice(self.next)
        return Position(1, self.loss[done].copy(), self.predictions[done].copy(), self.seconds)

    def _begin(self, number: int, blocks: list[Any], own: dict[str, Any] | None = None) -> _Round:
        """Submit the tasks of a round. own: a future of all blocks for workers that have them."""
        client, workers = self.client, list(cluster.workers(self.client))
        self.where = [*cluster.places(self.text.lengths, self.where, workers)]
        trained, texts_of = [], self._texts()
        for place, (worker, texts) in enumerate(texts_of.items()):
            part = Part(number, self.rounds, place, len(texts_of))
            arguments = self.job, part, (own or {}).get(worker, blocks), texts, self.topic
            trained.append((cluster.submit(client, _train, *arguments, worker=worker), worker))
        reports = [
            cluster.submit(client, cluster.item, one, 0, worker=worker) for one, worker in trained
        ]
        changes, new = [], []
        for b, block in enumerate(blocks):
            owner = workers[b % len(workers)]
            mine = [
                cluster.submit(client, _change, one, b, worker=worker) for one, worker in trained
            ]
            changes += mine
            mine = cluster.few(client, rounds.merged, mine)
            new.append(cluster.submit(client, rounds.updated, block, mine, worker=owner))
        return _Round(reports, changes, new)

    def _rebuild(self, blocks: list[Any]) -> list[Any]:
        """Learn the tree anew, on one worker from the contexts that all have summed up; the weights
        over it, as blocks."""
        client, began = self.client, time.perf_counter()
        parts = [
            cluster.submit(client, rounds.contexts_of, self.job, blocks, texts, worker=worker)
            for worker, texts in self._texts().items()
        ]
        parts = cluster.few(client, rounds.added, parts)
        new = cluster.submit(client, rounds.rebuilt, self.job, blocks, parts)
        tree = cluster.submit(client, cluster.item, new, 0)
        over = cluster.submit(client, cluster.item, new, 1)
        blocks = [cluster.submit(client, cluster.item, over, b) for b in range(len(blocks))]
        cluster.wait_for(client, [tree, *blocks])
        self.tree = client.gather(tree, direct=True)
        self._give_job()
        self.seconds += time.perf_counter() - began
        return blocks

    def _give_job(self) -> None:
        job = Job(self.text.chosen.vocabulary, self.tree, self.options)
        self.job = cluster.give(self.client, job, list(cluster.workers(self.client)))

    def _texts(self) -> dict[str, list[Any]]:
        """The shards that each worker trains."""
        texts: dict[str, list[Any]] = {}
        for worker, ids in zip(self.where, self.text.ids, strict=True):
            assert worker is not None  # every round has set the places
            texts.setdefault(worker, []).append(ids)
        return dict(sorted(texts.items()))

    def _add(self, reports: list[Report], began: float) -> None:
        """Note a round that is done."""
        self.loss[self.next] = sum(report.loss for report in reports)
        self.predictions[self.next] = sum(report.predictions for report in reports)
        self.next += 1
        self.seconds += time.perf_counter() - began
        self.cost.rounds += 1
        self.cost.training += max(report.training for report in reports)
        self.cost.parts = max(self.cost.parts, len(reports))

    def _take(self, blocks: list[Any]) -> tuple[np.ndarray, np.ndarray]:
        """Both matrices, (V, dim) and (V - 1, dim), from the workers."""
        cluster.wait_for(self.client, blocks)
        vectors = np.empty((self.words, self.options.dim), np.float32)
        outputs = np.empty((self.words - 1, self.options.dim), np.float32)
        rounds.joined(self.client.gather(blocks, direct=True), vectors, outputs)
        return vectors, outputs

    def _put(self, vectors: np.ndarray, outputs: np.ndarray, count: int) -> list[Any]:
        """Both matrices to the workers, as blocks, each on two of them."""
        workers = list(cluster.workers(self.client))
        blocks = rounds.cut(vectors, outputs, count)
        turns = [workers[b % len(workers) :] + workers[: b % len(workers)] for b in range(count)]
        return [
            cluster.give(self.client, block, turn[:2])
            for block, turn in zip(blocks, turns, strict=True)
        ]

    def _weights(self, vectors: np.ndarray, outputs: np.ndarray) -> Weights:
        return Weights(
            vectors, outputs, self.tree, self._losses(), int(self.predictions.sum()), self.seconds
        )

    def _losses(self) -> list[float | None]:
        """Mean nats a prediction of each epoch begun."""
        firsts = range(0, max(1, self.next), self.rounds)
        loss = [self.loss[first : first + self.rounds].sum() for first in firsts]
        counts = [self.predictions[first : first + self.rounds].sum() for first in firsts]
        if not any(counts) and self.next >= self.rounds:
            raise CorpusError(
                f"nothing to predict: of {sum(self.text.lengths):,} tokens no sentence kept two "
                "words; give longer sentences, or turn subsampling off with sample=0"
            )
        return [float(nats / n) if n else None for nats, n in zip(loss, counts, strict=True)]

    def _progress(self, tokens: int, seconds: float) -> Progress:
        of_all, share = sum(self.text.lengths), self.next / self.total
        last = max(self.next - 1, 0)
        return Progress(
            int(share * of_all * self.options.epochs) + tokens,
            of_all * self.options.epochs,
            min(self.next // self.rounds + 1, self.options.epochs),
            self.options.lr * (1 - share),
            self.loss[last] / self.predictions[last] if self.predictions[last] else math.nan,
            self.seconds + seconds,
        )


class _Stopped(Exception):
    """A signal came in the middle of a round."""


def _train(
    job: Job, part: Part, blocks: list[Block], texts: list[shards.Encoded], topic: str
) -> tuple[Report, list[Changes]]:
    """`rounds.train_part` as a task."""
    return rounds.train_part(
        job, part, blocks, texts, cluster.Teller(topic, part.number, part.part)
    )


def _change(trained: tuple[Report, list[Changes]], block: int) -> Changes:
    return trained[1][block]

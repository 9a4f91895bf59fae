"""Training on a cluster: rounds of local SGD as tasks of Dask.

    weights --train_part--> changes --merge_changes, apply_changes--> weights of the next round

The weights are cut into as many blocks as there are workers, and each block is merged by one of
them, its owner: every worker sends its changes of the block there, and gets the new block back. So
all links carry the same, whatever the number of workers (a reduce-scatter and an all-gather, as in
Thakur, Rabenseifner, Gropp 2005). Nothing large passes through the scheduler; the client gets
weights only for checkpoints and at the end, from the workers.

Every task is a function of its arguments. If a worker is lost, Dask runs its tasks again. Each
sentence is in one part of one round of every epoch, so each is trained once an epoch.
"""

import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

from w2v_hs.errors import DivergedError
from w2v_hs.kernels.common import aligned_zeros, padded
from w2v_hs.model.weights import Weights
from w2v_hs.options import Resolved
from w2v_hs.progress import Progress
from w2v_hs.training.cluster import client as dask
from w2v_hs.training.cluster import merging, rounds
from w2v_hs.training.cluster.merging import BlockChanges, WeightBlock
from w2v_hs.training.cluster.rounds import Job, Part, PartReport
from w2v_hs.training.cluster.shards import EncodedShard
from w2v_hs.training.cluster.text import ShardedText
from w2v_hs.training.loop import Observer, rebuild_steps
from w2v_hs.training.threads import Losses, Position
from w2v_hs.tree.tree import Tree
from w2v_hs.types import Float32

# After so many rounds, if no checkpoint did it, the client takes the weights and gives them back:
# Dask keeps the recipe of whatever is kept, and so of all rounds before it.
FORGET = 64


@dataclass
class Cost:
    """What a run has cost."""

    rounds: int = 0  # so far
    parts: int = 0  # the most of one round
    sent: int = 0  # bytes that workers have sent
    training: float = 0.0  # seconds for which the slowest part of each round trained


class _Round(NamedTuple):
    """Futures of a round: reports of its parts, changes of each block by each part, new blocks."""

    reports: list[Any]
    changes: list[Any]
    blocks: list[Any]


class ClusterRun:
    """A run over all epochs on the workers of a cluster.

    client: a `distributed.Client`. rounds: of an epoch. report: called with a `Progress` a few
    times a second. position: where the run resumes, if it does. after_epoch: as in `TrainingLoop`,
    called in the client.
    """

    def __init__(
        self,
        client: Any,
        text: ShardedText,
        tree: Tree,
        options: Resolved,
        rounds: int,
        report: Callable[[Progress], None],
        position: Position | None = None,
        after_epoch: Callable[[Weights], bool] | None = None,
    ):
        self.client, self.text, self.tree, self.options = client, text, tree, options
        self.words = len(text.vocabulary)
        self.rounds, self.total, self.report = rounds, rounds * options.epochs, report
        self.losses = Losses(self.total, rounds, sum(text.lengths), position)
        self.rebuilds = rebuild_steps(self.total, options.epochs) if options.learns_tree else set()
        self.next, self.seconds = 0, 0.0
        if position is not None:
            self.next, self.seconds = len(position.loss), position.seconds
        self.cost = Cost()
        self.where: list[str | None] = [*text.where]  # the worker of each shard
        self.topic = f"w2v-hs-{uuid.uuid4().hex}"
        self.observer = Observer()
        self._own_blocks: dict[str, Any] = {}  # of workers that have all blocks by themselves
        self._ahead: _Round | None = None  # submitted before its turn
        self._earlier: list[Any] = []  # futures of the last round
        self._since = 0  # rounds since the client had the weights
        self.after_epoch = after_epoch
        self._ended: Weights | None = None  # the weights with which `after_epoch` has ended the run

    def run(self, start: tuple[Float32, Float32] | None, observer: Observer) -> Weights:
        """Train to the end, from `start` or from new weights.

        observer may halt the run between two rounds; when it stops the run, the round is cancelled.
        """
        self.observer = observer
        blocks = self._first_blocks(start)
        before = dask.sent_bytes(self.client)
        self.listener = dask.ProgressListener(self.client, self.topic)
        try:
            while self.next < self.total and self._ended is None:
                blocks = self._train_round(blocks)
        finally:
            self.listener.stop()
        began = time.perf_counter()
        weights = self._ended or self._weights(*self._take(blocks))
        weights.seconds += time.perf_counter() - began
        after = dask.sent_bytes(self.client)
        self.cost.sent = sum(sent - before.get(worker, 0) for worker, sent in after.items())
        return weights

    def _first_blocks(self, start: tuple[Float32, Float32] | None) -> list[Any]:
        """Futures of the first blocks; every worker compiles meanwhile."""
        client, names = self.client, list(dask.workers(self.client))
        self._scatter_job()
        ready = [dask.submit(client, rounds.warm_up, self.job, worker=name) for name in names]
        if start is None:
            # Each worker makes all of them for itself, which is faster than to send them.
            arguments = self.words, self.options, len(names)
            self._own_blocks = {
                name: dask.submit(client, merging.start_blocks, *arguments, worker=name) for name in names
            }
            blocks = [
                dask.submit(client, dask.pick, self._own_blocks[name], b, worker=name)
                for b, name in enumerate(names)
            ]
        else:
            blocks = self._put(*start, len(names))
        dask.wait_for(client, [*ready, *self._own_blocks.values(), *blocks])
        return blocks

    def _train_round(self, blocks: list[Any]) -> list[Any]:
        """Train the next round; return the new blocks."""
        began = time.perf_counter()
        now = self._ahead or self._submit_round(self.next, blocks, self._own_blocks)
        self._own_blocks = {}
        self._ahead = self._submit_ahead(now)
        self._wait(now, blocks, began)
        # What the new blocks came from stays with the workers for one more round: if a worker dies
        # before it has sent its block on, only that round is recomputed.
        self._earlier, blocks = [*blocks, *now.changes], now.blocks
        self._note(self.client.gather(now.reports), began)
        if self.after_epoch is not None and self.next % self.rounds == 0:
            weights = self._weights(*self._take(blocks))
            if self.after_epoch(weights):
                self._ended = weights
                return blocks
        if self.next in self.rebuilds:
            blocks = self._rebuild(blocks)
        self.report(self._progress(0, 0.0))
        self._since += 1
        if self.next < self.total and (self.observer.due() or self._since >= FORGET):
            blocks = self._halt(blocks)
        return blocks

    def _submit_ahead(self, now: _Round) -> _Round | None:
        """Submit the round after `now`, to wait at the workers; None if something comes between."""
        following = self.next + 1
        if following == self.total or self._since + 1 >= FORGET or following in self.rebuilds:
            return None
        if self.after_epoch is not None and following % self.rounds == 0:
            return None
        return self._submit_round(following, now.blocks)

    def _wait(self, now: _Round, blocks: list[Any], began: float) -> None:
        """Wait until a round is trained; a signal cancels it and halts with the blocks before."""

        def look() -> None:
            seconds = time.perf_counter() - began
            self.report(self._progress(self.listener.tokens(self.next), seconds))
            if self.observer.stopping():
                raise _Stopped

        try:
            dask.wait_for(self.client, now.reports, look)
        except _Stopped:
            for part in filter(None, (now, self._ahead)):
                self.client.cancel([*part.reports, *part.changes, *part.blocks])
            self.observer.halt(self._weights(*self._take(blocks)), self.position())

    def _halt(self, blocks: list[Any]) -> list[Any]:
        """Take the weights to save them or to free old rounds in Dask; return the next blocks."""
        matrices = self._take(blocks)
        if self.observer.due():
            self.observer.halt(self._weights(*matrices), self.position())
        if self._since < FORGET:
            return blocks
        self._earlier, self._since = [], 0
        return self._put(*matrices, len(blocks))

    def diverged(self, found: str) -> DivergedError:
        """The error for a run whose weights are useless."""
        return DivergedError(
            f"round {self.next} of {self.total}: {found}; start again with a smaller lr than "
            f"{self.options.lr:g}, or with more rounds an epoch"
        )

    def position(self) -> Position:
        """Where the run is. A round here is what a chunk is in one process."""
        return self.losses.position(self.next, 1, self.seconds)

    def _submit_round(self, number: int, blocks: list[Any], own: dict[str, Any] | None = None) -> _Round:
        """Submit the tasks of a round. own: a future of all blocks for workers that have them."""
        client, workers = self.client, list(dask.workers(self.client))
        self.where = [*dask.place_shards(self.text.lengths, self.where, workers)]
        trained, shards = [], self._shards_by_worker()
        for place, (worker, texts) in enumerate(shards.items()):
            part = Part(number, self.rounds, place, len(shards))
            arguments = self.job, part, (own or {}).get(worker, blocks), texts, self.topic
            trained.append((dask.submit(client, _train, *arguments, worker=worker), worker))
        reports = [dask.submit(client, dask.pick, one, 0, worker=worker) for one, worker in trained]
        changes, new = [], []
        for b, block in enumerate(blocks):
            owner = workers[b % len(workers)]
            mine = [dask.submit(client, _change, one, b, worker=worker) for one, worker in trained]
            changes += mine
            mine = dask.reduce_in_groups(client, merging.merge_changes, mine)
            new.append(dask.submit(client, merging.apply_changes, block, mine, worker=owner))
        return _Round(reports, changes, new)

    def _rebuild(self, blocks: list[Any]) -> list[Any]:
        """Learn the tree anew on one worker, from contexts summed by all; return the new blocks."""
        client, began = self.client, time.perf_counter()
        parts = [
            dask.submit(client, rounds.sum_contexts, self.job, blocks, texts, worker=worker)
            for worker, texts in self._shards_by_worker().items()
        ]
        parts = dask.reduce_in_groups(client, rounds.add_contexts, parts)
        new = dask.submit(client, rounds.rebuild_tree, self.job, blocks, parts)
        tree, over = (dask.submit(client, dask.pick, new, place) for place in (0, 1))
        blocks = [dask.submit(client, dask.pick, over, b) for b in range(len(blocks))]
        dask.wait_for(client, [tree, *blocks])
        self.tree = client.gather(tree, direct=True)
        self._scatter_job()
        self.seconds += time.perf_counter() - began
        return blocks

    def _scatter_job(self) -> None:
        job = Job(self.text.vocabulary, self.tree, self.options)
        self.job = dask.scatter(self.client, job, list(dask.workers(self.client)))

    def _shards_by_worker(self) -> dict[str, list[Any]]:
        """The shards that each worker trains."""
        shards: dict[str, list[Any]] = {}
        for worker, ids in zip(self.where, self.text.ids, strict=True):
            assert worker is not None  # every round has set the places
            shards.setdefault(worker, []).append(ids)
        return dict(sorted(shards.items()))

    def _note(self, reports: list[PartReport], began: float) -> None:
        """Note a round that is done."""
        loss = sum(report.loss for report in reports)
        self.losses.add(self.next, loss, sum(report.predictions for report in reports))
        self.next += 1
        self.seconds += time.perf_counter() - began
        self.cost.rounds += 1
        self.cost.training += max(report.seconds for report in reports)
        self.cost.parts = max(self.cost.parts, len(reports))

    def _take(self, blocks: list[Any]) -> tuple[Float32, Float32]:
        """Both matrices, (V, stride) and (V - 1, stride), from the workers."""
        dask.wait_for(self.client, blocks)
        stride = padded(self.options.dim)
        vectors, outputs = aligned_zeros(self.words, stride), aligned_zeros(self.words - 1, stride)
        merging.join_weights(self.client.gather(blocks, direct=True), vectors, outputs)
        return vectors, outputs

    def _put(self, vectors: Float32, outputs: Float32, count: int) -> list[Any]:
        """Both matrices to the workers, as blocks, each on two of them."""
        workers = list(dask.workers(self.client))
        dim = self.options.dim
        blocks = merging.cut_weights(vectors[:, :dim], outputs[:, :dim], count)
        turns = [workers[b % len(workers) :] + workers[: b % len(workers)] for b in range(count)]
        return [dask.scatter(self.client, block, turn[:2]) for block, turn in zip(blocks, turns, strict=True)]

    def _weights(self, vectors: Float32, outputs: Float32) -> Weights:
        predictions = int(self.losses.predictions.sum())
        losses = self.losses.by_epoch(self.next)
        return Weights(vectors, outputs, self.tree, losses, predictions, self.seconds)

    def _progress(self, tokens: int, seconds: float) -> Progress:
        of_all, share = self.losses.tokens, self.next / self.total
        epoch, loss, ended = self.losses.report()
        return Progress(
            int(share * of_all * self.options.epochs) + tokens,
            of_all * self.options.epochs,
            epoch,
            self.options.lr * (1 - share),
            loss,
            self.seconds + seconds,
            ended,
        )


class _Stopped(Exception):
    """A signal came in the middle of a round."""


def _train(
    job: Job, part: Part, blocks: list[WeightBlock], texts: list[EncodedShard], topic: str
) -> tuple[PartReport, list[BlockChanges]]:
    """`rounds.train_part` as a task."""
    report = dask.ProgressReporter(topic, part.number, part.part)
    return rounds.train_part(job, part, blocks, texts, report)


def _change(trained: tuple[PartReport, list[BlockChanges]], block: int) -> BlockChanges:
    return trained[1][block]

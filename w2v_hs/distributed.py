"""Training on a cluster: text, vocabulary and rounds of local SGD as tasks of Dask.

    shards --scan--> numbers and types --together--> vocabulary --encode--> ids, kept by workers
    weights --train_part--> changes --merged, applied--> weights of the next round

The weights are cut into as many blocks as there are workers, and each block is merged by one of
them: every worker sends its changes of a block to the owner, and gets the new block from there.
So all links carry the same, whatever the number of workers (a reduce-scatter and an all-gather, as
in Thakur, Rabenseifner, Gropp 2005). Nothing large passes through the scheduler; the client gets
weights only for checkpoints and at the end, from the workers.

Every task is a function of its arguments. Where a worker is lost Dask runs its tasks again, and
each sentence is in one part of one round of every epoch, so that all of them are trained once.
"""

import hashlib
import math
import time
import uuid
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace

import numpy as np

from w2v_hs import cluster, rounds, shards
from w2v_hs.errors import CorpusError, DivergedError, OptionError, shown
from w2v_hs.options import LEARNING_RATES, Options
from w2v_hs.rounds import Block, Job, Part, Report
from w2v_hs.schedule import Position, Progress, Watch
from w2v_hs.text import Cleaning
from w2v_hs.trainer import Weights
from w2v_hs.tree import Tree
from w2v_hs.vocabulary import Vocabulary

FAN_IN = 8  # changes, or tables of types, that one task merges
# After so many rounds, if no checkpoint did it, the client takes the weights and gives them back:
# Dask keeps the recipe of whatever is kept, and so of all rounds before it.
FORGET = 64


def check_options(options: Options) -> None:
    """Raise `OptionError` for what a cluster does not do."""
    if options.loss != "hs":
        raise OptionError(
            f"loss={options.loss} on a cluster: every word touches all of its output weights, which "
            "would all have to travel; use loss=hs, or train on one machine"
        )
    if options.holdout:
        raise OptionError(
            f"holdout={options.holdout:g} on a cluster: not there; measure a file of its own "
            "afterwards with 'w2v-hs perplexity'"
        )
    if options.learns_tree:
        raise OptionError(
            "a learned tree on a cluster: not there; use tree=huffman, or give a learned tree that "
            "'w2v-hs tree export' wrote"
        )


def resolved(options: Options, workers: dict[str, int]) -> Options:
    """Options with what depends on the run filled in; threads are those of each worker."""
    return replace(
        options,
        lr=options.lr or LEARNING_RATES[options.arch],
        threads=options.threads or min(workers.values()),
    )


@dataclass(frozen=True)
class ShardedText:
    """A text on a cluster. ids: a future of `shards.Encoded` for each shard; lengths: tokens of
    each. The others as in `corpus.Corpus`."""

    ids: list
    lengths: list[int]
    chosen: shards.Chosen
    names: list[str]
    sentences: int
    checksum: str

    def facts(self) -> dict:
        """What a model file says of it."""
        return {
            "names": self.names,
            "sha256": self.checksum,
            "tokens": self.chosen.tokens,
            "types": self.chosen.types,
            "retained_tokens": sum(self.lengths),
            "sentences": self.sentences,
            "mended_utf8": self.chosen.mended,
        }


def read(
    client,
    files: list[shards.File],
    size: int,
    options: Options,
    vocabulary: Vocabulary | None,
    cleaning: Cleaning,
    look: Callable[[int, int], None],
) -> ShardedText:
    """Read and encode files on the workers, in shards of about `size` bytes.

    look(done, total): bytes read so far.

    Raises
    ------
    CorpusError, VocabularyError, ClusterError
    """
    pieces = shards.cut(files, size)
    total = sum(piece.size for piece in pieces)
    scanned = [_submit(client, shards.scan, piece, cleaning) for piece in pieces]

    def show() -> None:
        look(sum(p.size for p, f in zip(pieces, scanned, strict=True) if f.done()), total)

    names = [file.name for file in files]
    where = ", ".join(map(shown, names[:3]))
    where += f" and {len(names) - 3} more" if len(names) > 3 else ""
    counted = [_submit(client, _item, one, 2) for one in scanned]
    while len(counted) > 1:
        groups = [counted[i : i + FAN_IN] for i in range(0, len(counted), FAN_IN)]
        counted = [_submit(client, shards.together, group) for group in groups]
    given = None if vocabulary is None else _give(client, vocabulary, [*cluster.workers(client)])
    chosen = _submit(
        client, shards.choose, counted[0], where, options.min_count, options.max_vocab, given
    )
    cluster.wait_for(client, [chosen], show)
    look(total, total)
    ids = [_submit(client, shards.encode, one, chosen) for one in scanned]
    sizes = [_submit(client, _size, one) for one in ids]
    sums = [_submit(client, _item, one, 3) for one in scanned]
    cluster.wait_for(client, sizes + sums)
    sizes, sums = client.gather(sizes), client.gather(sums)
    if not sum(tokens for tokens, _ in sizes):
        raise CorpusError(f"no word of {where} is in the vocabulary")
    return ShardedText(
        ids,
        [tokens for tokens, _ in sizes],
        client.gather(chosen, direct=True),
        names,
        sum(sentences for _, sentences in sizes),
        hashlib.sha256(b"".join(sums)).hexdigest(),
    )


def _submit(client, function: Callable, *arguments, worker: str | None = None):
    """A task that Dask runs once, preferably on `worker`."""
    key = f"{function.__name__.strip('_')}-{uuid.uuid4().hex}"
    where = {"workers": [worker], "allow_other_workers": True} if worker else {}
    return client.submit(function, *arguments, key=key, **where)


def _item(values, place: int):
    return values[place]


def _size(text: shards.Encoded) -> tuple[int, int]:
    return len(text.ids), len(text.sentences) - 1


@dataclass
class Cost:
    """What a run has cost: rounds, the most parts of one, bytes that workers have sent, and seconds
    in which the slowest part of each round trained."""

    rounds: int = 0
    parts: int = 0
    sent: int = 0
    training: float = 0.0

    def as_dict(self) -> dict:
        """For a model file."""
        return asdict(self)

    def sentence(self) -> str:
        """For people."""
        return (
            f"{self.rounds} rounds on {self.parts} workers, which sent "
            f"{self.sent / max(self.rounds, 1) / 1e6:,.1f} MB a round"
        )


class RoundRun:
    """A run over all epochs, in `rounds` rounds each.

    start: weights to go on from, and position: where they were taken.
    """

    def __init__(
        self,
        client,
        text: ShardedText,
        tree: Tree,
        options: Options,
        rounds: int,
        position: Position | None = None,
    ):
        self.client, self.text, self.tree, self.options = client, text, tree, options
        self.rounds, self.total = rounds, rounds * options.epochs
        self.loss, self.predictions = np.zeros(self.total), np.zeros(self.total, np.int64)
        self.next, self.seconds = 0, 0.0
        self.cost = Cost()
        self.where: list[str | None] = [None] * len(text.ids)
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
        job = Job(self.text.chosen.vocabulary, self.tree, self.options)
        self.job = _give(client, job, names)
        warmed = [_submit(client, rounds.warm_up, self.job, worker=worker) for worker in names]
        cluster.wait_for(client, warmed)
        before = cluster.sent_bytes(client)
        if start is None:
            all_blocks = _submit(
                client, rounds.start_blocks, len(job.vocabulary), self.options, len(names)
            )
            blocks = [_submit(client, _item, all_blocks, b, worker=w) for b, w in enumerate(names)]
        else:
            blocks = self._put(*start, len(names))
        heard = cluster.Heard(client, self.topic)
        # What the blocks came from stays with the workers for one more round: a worker that dies
        # before it has sent its block on then costs no more than that round.
        earlier, since = [], 0
        try:
            while self.next < self.total:
                began = time.perf_counter()
                reports, changes, new = self._begin(blocks)
                heard.parts.clear()

                def look() -> None:
                    report(self._progress(heard.tokens, time.perf_counter() - began))  # noqa: B023
                    if watch.stopped():
                        raise _Stopped

                try:
                    cluster.wait_for(client, reports, look)
                except _Stopped:
                    client.cancel([*reports, *changes, *new])
                    watch.halt(self._weights(*self._take(blocks)), self.position())
                earlier, blocks = [*blocks, *changes], new
                self._add(client.gather(reports), time.perf_counter() - began)
                report(self._progress(0, 0.0))
                since += 1
                if self.next < self.total and (watch.due() or since >= FORGET):
                    matrices = self._take(blocks)
                    if watch.due():
                        watch.halt(self._weights(*matrices), self.position())
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

    def _begin(self, blocks: list) -> tuple[list, list, list]:
        """Submit the tasks of the next round: its reports, changes and new blocks, as futures."""
        client, workers = self.client, list(cluster.workers(self.client))
        self.where = cluster.places(self.text.lengths, self.where, workers)
        here = [[i for i, w in enumerate(self.where) if w == worker] for worker in workers]
        parts = [(worker, mine) for worker, mine in zip(workers, here, strict=True) if mine]
        done = []
        for place, (worker, mine) in enumerate(parts):
            part = Part(self.next, self.rounds, place)
            texts = [self.text.ids[i] for i in mine]
            done.append(
                _submit(client, _train, self.job, part, blocks, texts, self.topic, worker=worker)
            )
        trained = [(one, worker) for one, (worker, _) in zip(done, parts, strict=True)]
        reports = [_submit(client, _item, one, 0, worker=worker) for one, worker in trained]
        changes, new = [], []
        for b, block in enumerate(blocks):
            owner = workers[b % len(workers)]
            mine = [_submit(client, _change, one, b, worker=worker) for one, worker in trained]
            changes += mine
            while len(mine) > FAN_IN:
                groups = [mine[i : i + FAN_IN] for i in range(0, len(mine), FAN_IN)]
                mine = [_submit(client, rounds.merged, group) for group in groups]
            new.append(_submit(client, rounds.updated, block, mine, worker=owner))
        return reports, changes, new

    def _add(self, reports: list[Report], seconds: float) -> None:
        """Note a round that is done."""
        self.loss[self.next] = sum(report.loss for report in reports)
        self.predictions[self.next] = sum(report.predictions for report in reports)
        self.next += 1
        self.seconds += seconds
        self.cost.rounds += 1
        self.cost.training += max(report.training for report in reports)
        self.cost.parts = max(self.cost.parts, len(reports))

    def _take(self, blocks: list) -> tuple[np.ndarray, np.ndarray]:
        """Both matrices, (V, dim) and (V - 1, dim), from the workers."""
        cluster.wait_for(self.client, blocks)
        words, dim = len(self.text.chosen.vocabulary), self.options.dim
        vectors = np.empty((words, dim), np.float32)
        outputs = np.empty((words - 1, dim), np.float32)
        rounds.joined(self.client.gather(blocks, direct=True), vectors, outputs)
        return vectors, outputs

    def _put(self, vectors: np.ndarray, outputs: np.ndarray, count: int) -> list:
        """Both matrices to the workers, as blocks, each on two of them."""
        workers = list(cluster.workers(self.client))
        blocks = rounds.cut(vectors, outputs, count)
        turns = [workers[b % len(workers) :] + workers[: b % len(workers)] for b in range(count)]
        return [
            _give(self.client, block, turn[:2]) for block, turn in zip(blocks, turns, strict=True)
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


def _train(job: Job, part: Part, blocks: list[Block], texts: list[shards.Encoded], topic: str):
    """`rounds.train_part` as a task."""
    return rounds.train_part(job, part, blocks, texts, cluster.Teller(topic, part.part))


def _change(trained, block: int):
    return trained[1][block]


def _give(client, value, workers: list[str]):
    """A value to some workers, not by way of the scheduler; a future of it."""
    name = f"given-{uuid.uuid4().hex}"
    return client.scatter({name: value}, workers=workers, broadcast=True, direct=True)[name]

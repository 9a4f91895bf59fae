"""What one worker of a cluster does in a round of local SGD.

Each worker trains a part of the text from the same weights, as one process would, and returns what
it has changed (McDonald, Hall, Mann 2010; Stich 2019); `merging` merges that. Nothing here knows of
a cluster. `train_part` depends on its arguments alone: with one thread the same ones give the same
changes to the bit, so a task can be repeated if a worker was lost.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np

from w2v_hs.kernels import row_changes, tokens
from w2v_hs.kernels.common import Text, aligned_zeros, padded
from w2v_hs.model.weights import Weights
from w2v_hs.options import Resolved
from w2v_hs.progress import Progress
from w2v_hs.text.corpus import Corpus
from w2v_hs.text.vocabulary import Vocabulary
from w2v_hs.text.windows import expected_contexts, kernel_window
from w2v_hs.training.cluster.merging import (
    BlockChanges,
    RowChanges,
    WeightBlock,
    apply_changes,
    cut_weights,
    join_weights,
    merge_changes,
)
from w2v_hs.training.cluster.shards import EncodedShard
from w2v_hs.training.divergence import Probe, weights_fault
from w2v_hs.training.loop import relearned
from w2v_hs.training.schedule import Schedule, Stretch, most_tokens, with_short_sentences
from w2v_hs.training.threads import Threads
from w2v_hs.training.workers import Copying, make_workers, node_predictions
from w2v_hs.tree.learned import center_in_place, context_keep, context_sums
from w2v_hs.tree.tree import Tree
from w2v_hs.types import Float32, Int32, Int64

# The curvature q of `merging`, a prediction, for an input vector and for a node. An input learns
# from all nodes of a path at once, a node from one product: so an input needs fewer steps.
# docs/cluster.md has results with 0, which adds, infinity, which takes the mean, and others.
WORD_CURVATURE = 1.0
NODE_CURVATURE = 0.003
# Many workers overshoot in steep directions, and with 16 a run ended in infinities; more curvature
# makes them a little slower, and safe.
MANY = 8
NODE_CURVATURE_OF_MANY = 0.01


@dataclass(frozen=True)
class Job:
    """What all parts of all rounds have in common; `options` are resolved."""

    vocabulary: Vocabulary
    tree: Tree
    options: Resolved


@dataclass(frozen=True)
class Part:
    """Part `part` of `parts` of round `number`, counted over all epochs, with `rounds` an epoch."""

    number: int
    rounds: int
    part: int
    parts: int

    def stretch(self, epochs: int) -> Stretch:
        """Where it lies in the run."""
        total = self.rounds * epochs
        return Stretch(self.number / total, (self.number + 1) / total, (self.number, self.part))


@dataclass(frozen=True)
class PartReport:
    """How a part of a round went: loss in nats, predictions, tokens, seconds of training."""

    loss: float
    predictions: int
    tokens: int
    seconds: float


def train_part(
    job: Job,
    part: Part,
    blocks: list[WeightBlock],
    texts: list[EncodedShard],
    report: Callable[[int], None] = lambda tokens: None,
) -> tuple[PartReport, list[BlockChanges]]:
    """Train a part of a round: its slices of some shards, from the weights in `blocks`.

    Calls `report` with the tokens trained so far, about ten times a second. Returns how it went,
    and what has changed in each block. Raises `DivergedError` if weights or a loss are not finite
    numbers, or far above those of an untrained model.
    """
    number = part.number % part.rounds
    text = concatenate([slice_of(text, number, part.rounds) for text in texts])
    vectors, outputs = _matrices(job, blocks, Copying().rows(job.options, job.tree.inner))
    trained = PartReport(0.0, 0, len(text.ids), 0.0)
    if len(text.ids):
        trained = _train(job, part, text, vectors, outputs, report)
    return trained, _changes(job, part, text.ids, blocks, vectors, outputs)


def _train(
    job: Job,
    part: Part,
    text: EncodedShard,
    vectors: Float32,
    outputs: Float32,
    report: Callable[[int], None],
) -> PartReport:
    """Train a text once, writing both matrices."""
    options, window = replace(job.options, epochs=1), kernel_window(job.options, text.sentences)
    most = most_tokens(options, window, 0)
    corpus = Corpus(text.ids, text.sentences, job.vocabulary, [], len(text.ids), 0, "")
    corpus = with_short_sentences(corpus, most, window)
    schedule = Schedule(corpus, options, most, part.stretch(job.options.epochs))

    def show(progress: Progress) -> None:
        report(progress.tokens)

    threads = Threads(schedule, make_workers(corpus, job.tree, options, vectors, outputs), show)
    threads.workers[0].compile()
    with threads.running():
        threads.train_to(schedule.chunks)
    outputs = outputs[: job.tree.inner]
    fault = weights_fault(vectors, outputs)
    fault = fault or Probe(corpus, job.options).fault(vectors, outputs, job.tree)
    if fault is not None:
        raise threads.diverged(threads.next - 1, fault)
    losses = threads.losses
    return PartReport(float(losses.loss.sum()), int(losses.predictions.sum()), len(text.ids), threads.seconds)


def slice_of(text: EncodedShard, number: int, rounds: int) -> EncodedShard:
    """The sentences of a shard that round `number` of an epoch trains; each is in one round."""
    tokens = int(text.sentences[-1])
    starts = [-(-tokens * i // rounds) for i in (number, number + 1)]
    first, last = np.searchsorted(text.sentences, starts)
    bounds = text.sentences[first : last + 1]
    return EncodedShard(text.ids[bounds[0] : bounds[-1]], bounds - bounds[0])


def concatenate(texts: list[EncodedShard]) -> EncodedShard:
    """Several texts as one."""
    ends, before = [np.zeros(1, np.int64)], 0
    for text in texts:
        ends.append(text.sentences[1:] + before)
        before += len(text.ids)
    return EncodedShard(np.concatenate([text.ids for text in texts]), np.concatenate(ends))


def predictions_of(job: Job, ids: Int32) -> tuple[Float32, Float32]:
    """Expected number of predictions from which each row learns when `ids` are trained.

    Of the input vectors (V,) and of the nodes (V - 1,), float32.
    """
    options = job.options
    keep = job.vocabulary.keep_probabilities(options.sample).astype(np.float64)
    counts = np.zeros(len(keep), np.int64)
    tokens.count(ids, counts)  # np.bincount takes several times as long
    kept = counts * keep
    nodes = node_predictions(job.tree, kept, options)
    return (kept * expected_contexts(options)).astype(np.float32), nodes.astype(np.float32)


def _changes(
    job: Job, part: Part, ids: Int32, blocks: list[WeightBlock], vectors: Float32, outputs: Float32
) -> list[BlockChanges]:
    """What training `ids` has changed, for each block."""
    word_steps, node_steps = predictions_of(job, ids)
    rate = job.options.lr * (1 - part.stretch(job.options.epochs).begin)
    node_curvature = NODE_CURVATURE if part.parts <= MANY else NODE_CURVATURE_OF_MANY
    word, node = rate * WORD_CURVATURE, rate * node_curvature
    count = len(blocks)
    return [
        BlockChanges(
            _row_changes(block.vectors, b, count, vectors, word_steps, word),
            _row_changes(block.outputs, b, count, outputs, node_steps, node),
            (word, node),
        )
        for b, block in enumerate(blocks)
    ]


def _row_changes(
    block: Float32, b: int, count: int, matrix: Float32, steps: Float32, curvature: float
) -> RowChanges:
    """What has changed in block b of `count`, between the block and the trained matrix."""
    rows: Int64 = np.flatnonzero(steps[b::count])
    sums = row_changes.differences(matrix, block, rows, b, count)
    steps = steps[b + rows * count]
    return RowChanges(rows, sums, steps, -np.expm1(-curvature * steps))


def _matrices(job: Job, blocks: list[WeightBlock], more: int = 0) -> tuple[Float32, Float32]:
    """Both matrices as training takes them, rows padded; outputs has `more` rows at the end."""
    stride = padded(job.options.dim)
    vectors = aligned_zeros(len(job.vocabulary), stride)
    outputs = aligned_zeros(job.tree.inner + more, stride)
    join_weights(blocks, vectors, outputs[: job.tree.inner])
    return vectors, outputs


# ---- trees that are learned between rounds ------------------------------------------------------


class Contexts(NamedTuple):
    """`learned.context_sums` of some shards: sums (V, stride) float32, counts (V,) int64."""

    sums: Float32
    counts: Int64


def sum_contexts(job: Job, blocks: list[WeightBlock], texts: list[EncodedShard]) -> Contexts:
    """The contexts of all words in some shards."""
    vectors, _ = _matrices(job, blocks)
    options = job.options
    keep = context_keep(job.vocabulary, options.sample)
    return add_contexts(
        [
            # concatenate copies: what Dask hands over may be read-only, another type to Numba.
            Contexts(
                *context_sums(
                    Text(*concatenate([text]), keep),
                    vectors,
                    kernel_window(options, text.sentences),
                    options.threads,
                )
            )
            for text in texts
        ]
    )


def add_contexts(parts: list[Contexts]) -> Contexts:
    """The contexts of several texts."""
    sums, counts = parts[0].sums.copy(), parts[0].counts.copy()
    for part in parts[1:]:
        sums += part.sums
        counts += part.counts
    return Contexts(sums, counts)


def rebuild_tree(
    job: Job, blocks: list[WeightBlock], parts: list[Contexts]
) -> tuple[Tree, list[WeightBlock]]:
    """A tree learned from the contexts of the whole text, and the weights over it."""
    vectors, outputs = _matrices(job, blocks)
    weights = Weights(vectors, outputs, job.tree)
    contexts = add_contexts(parts)
    center_in_place(*contexts)
    tree = relearned(contexts.sums, job.vocabulary, job.options, weights)
    dim = job.options.dim
    return tree, cut_weights(vectors[:, :dim], outputs[:, :dim], len(blocks))


def warm_up(job: Job) -> None:
    """Compile what `train_part` needs, or load it from the cache, on a text of two words."""
    words, dim = len(job.vocabulary), job.options.dim
    vectors = np.zeros((words, dim), np.float32)
    text = EncodedShard(np.zeros(2, np.int32), np.array([0, 2]))
    blocks = cut_weights(vectors, vectors[1:], 1)
    _, changes = train_part(job, Part(0, 1, 0, 1), blocks, [text])
    apply_changes(blocks[0], [merge_changes(changes)])

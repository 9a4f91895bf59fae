"""Rounds of local SGD: what one worker of a cluster does in a round, and how changes are merged.

In a round each worker trains a part of the text from the same weights, as one process would, and
hands back what it has changed (McDonald, Hall, Mann 2010; Stich 2019). Nothing here knows of a
cluster. `train_part` is a function of its arguments alone: with one thread the same arguments give
the same changes to the bit, so that a task can be done again where a worker was lost.

How should the changes d_k of a row by K workers be merged? Each comes from c_k steps from the same
beginning. Near the optimum of a row, steps of rate lr against a curvature q leave exp(-lr q c) of
the distance to it after c of them:

    d_k          = (1 - exp(-lr q c_k)) (distance)
    one worker,
    all steps    = (1 - exp(-lr q sum c_k)) (distance)
    hence merged = sum d_k (1 - exp(-lr q sum c_k)) / sum (1 - exp(-lr q c_k))

Of a rare word all c_k are small, and the merged change is the sum of the changes, as if the steps
had been taken one after the other. Of the root all are large: each worker has gone the whole way,
and the merged change is their mean. A row that one worker has changed keeps its full step.
`kernels.copies` merges the copies of threads by the same rule.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np

from w2v_hs.kernels import row_changes as merging
from w2v_hs.kernels import tokens as reader
from w2v_hs.kernels.common import Text, aligned_zeros, padded
from w2v_hs.model.weights import Weights, start_vectors
from w2v_hs.options import Options, Resolved
from w2v_hs.text.corpus import Corpus
from w2v_hs.text.vocabulary import Vocabulary
from w2v_hs.training.cluster.shards import Encoded
from w2v_hs.training.divergence import Probe, weights_fault
from w2v_hs.training.loop import learned_anew
from w2v_hs.training.run import Run, Stretch, Watch, most_tokens, with_short_sentences
from w2v_hs.training.workers import node_predictions, room_for_copies, tree_workers
from w2v_hs.tree.learned import centred, context_sums
from w2v_hs.tree.tree import Tree

# The curvature q above, a prediction, for an input vector and for a node. An input learns from all
# nodes of a path at once, a node from one product: so an input goes its way in fewer steps. What 0,
# which adds, infinity, which takes the mean, and others led to stands in docs/dask.md.
WORD_CURVATURE = 1.0
NODE_CURVATURE = 0.003
# Each of many workers goes a little too far in directions of much curvature, and 16 together so
# much that a run ended in infinities; more curvature makes them a little slower, and safe.
MANY = 8
NODE_CURVATURE_OF_MANY = 0.01


class Block(NamedTuple):
    """Rows b, b + B, b + 2B ... of both matrices, for block b of B, so that every block has its
    share of the rows that are used most: (rows, dim) float32."""

    vectors: np.ndarray
    outputs: np.ndarray


class Change(NamedTuple):
    """What happened to some rows of a block of one matrix: rows (t,) int64 within the block, sums
    (t, dim) of the changes of each worker, float32 or bfloat16 (see `kernels.merging`), steps (t,)
    float32, how many predictions they come from, and ways (t,) float32, the sum over the workers of
    1 - exp(-lr q steps)."""

    rows: np.ndarray
    sums: np.ndarray
    steps: np.ndarray
    ways: np.ndarray


class Changes(NamedTuple):
    """Changes of a block of both matrices; curvatures: lr q of the steps of each."""

    vectors: Change
    outputs: Change
    curvatures: tuple[float, float]


@dataclass(frozen=True)
class Job:
    """What all parts of all rounds have in common; `options` are resolved."""

    vocabulary: Vocabulary
    tree: Tree
    options: Resolved


@dataclass(frozen=True)
class Part:
    """Part `part` of `parts` of round `number`, counted over all epochs, of a run of `rounds` an
    epoch."""

    number: int
    rounds: int
    part: int
    parts: int

    def stretch(self, epochs: int) -> Stretch:
        """Where it lies in the run."""
        total = self.rounds * epochs
        return Stretch(self.number / total, (self.number + 1) / total, (self.number, self.part))


@dataclass(frozen=True)
class Report:
    """What a part of a round was: loss in nats, predictions, tokens, seconds of training and of
    all of it."""

    loss: float
    predictions: int
    tokens: int
    training: float
    seconds: float


def start_blocks(words: int, options: Options, count: int) -> list[Block]:
    """The weights that training begins with, as `count` blocks."""
    vectors = start_vectors(words, options.dim, options.seed)[:, : options.dim]
    return cut(vectors, np.zeros((words - 1, options.dim), np.float32), count)


def cut(vectors: np.ndarray, outputs: np.ndarray, count: int) -> list[Block]:
    """Two matrices as `count` blocks."""
    return [
        Block(np.ascontiguousarray(vectors[b::count]), np.ascontiguousarray(outputs[b::count]))
        for b in range(count)
    ]


def joined(blocks: list[Block], vectors: np.ndarray, outputs: np.ndarray) -> None:
    """Write blocks to the two matrices they are cut from, whose rows may be padded."""
    for b, block in enumerate(blocks):
        dim, count = block.vectors.shape[1], len(blocks)
        vectors[b::count, :dim], outputs[b::count, :dim] = block


def slice_of(text: Encoded, number: int, rounds: int) -> Encoded:
    """The sentences of a shard that round `number` of an epoch of `rounds` trains; each is in one
    of them."""
    tokens = int(text.sentences[-1])
    starts = [-(-tokens * i // rounds) for i in (number, number + 1)]
    first, last = np.searchsorted(text.sentences, starts)
    bounds = text.sentences[first : last + 1]
    return Encoded(text.ids[bounds[0] : bounds[-1]], bounds - bounds[0])


def concatenated(texts: list[Encoded]) -> Encoded:
    """Several texts as one."""
    ends, before = [np.zeros(1, np.int64)], 0
    for text in texts:
        ends.append(text.sentences[1:] + before)
        before += len(text.ids)
    return Encoded(np.concatenate([text.ids for text in texts]), np.concatenate(ends))


def train_part(
    job: Job,
    part: Part,
    blocks: list[Block],
    texts: list[Encoded],
    report: Callable[[int], None] = lambda tokens: None,
) -> tuple[Report, list[Changes]]:
    """Train a part of a round: the slices of some shards, from the weights in `blocks`.

    Returns what it was, and for each block what has changed. report(tokens) is called some ten
    times a second.

    Raises
    ------
    DivergedError
        Weights or a loss are no longer finite numbers, or far above those of an untrained model.
    """
    started = time.perf_counter()
    options = job.options
    text = concatenated([slice_of(text, part.number % part.rounds, part.rounds) for text in texts])
    vectors, outputs = _matrices(job, blocks, room_for_copies(options, job.tree.inner))
    report_of = Report(0.0, 0, len(text.ids), 0.0, 0.0)
    if len(text.ids):
        corpus = Corpus(text.ids, text.sentences, job.vocabulary, [], len(text.ids), 0, "")
        most = most_tokens(options, 0)
        corpus = with_short_sentences(corpus, most, options.window)
        part_options = replace(options, epochs=1)
        run = Run(corpus, part_options, most, None, part.stretch(options.epochs))
        workers = tree_workers(corpus, job.tree, part_options, vectors, outputs)
        run.go(workers, lambda progress: report(progress.tokens), {}, Watch(), lambda: None)
        _check(job, run, corpus, vectors, outputs[: job.tree.inner])
        report_of = Report(
            float(run.loss.sum()), int(run.predictions.sum()), len(text.ids), run.seconds, 0.0
        )
    changes = _changes(job, part, text.ids, blocks, vectors, outputs)
    return replace(report_of, seconds=time.perf_counter() - started), changes


def _matrices(job: Job, blocks: list[Block], more: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Both matrices as training takes them, with padded rows, the outputs with `more` of them."""
    stride = padded(job.options.dim)
    vectors = aligned_zeros(len(job.vocabulary), stride)
    outputs = aligned_zeros(job.tree.inner + more, stride)
    joined(blocks, vectors, outputs[: job.tree.inner])
    return vectors, outputs


def _check(job: Job, run: Run, corpus: Corpus, vectors: np.ndarray, outputs: np.ndarray) -> None:
    """Raise `DivergedError` where the weights after a part are of no use."""
    faults = (
        weights_fault("vectors", vectors),
        weights_fault("output weights", outputs),
        Probe(corpus, job.options).fault(vectors, outputs, job.tree),
    )
    for fault in faults:
        if fault is not None:
            raise run.diverged(run.next - 1, fault)


def predictions_of(job: Job, ids: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """From how many predictions each input vector, (V,), and each node, (V - 1,), is expected to
    learn when `ids` are trained, float32."""
    options = job.options
    keep = job.vocabulary.keep_probabilities(options.sample).astype(np.float64)
    counts = np.zeros(len(keep), np.int64)
    reader.count(ids, counts)  # which np.bincount takes several times as long for
    kept = counts * keep
    nodes = node_predictions(job.tree, kept, options)
    around = options.window + 1  # as there
    return (kept * around).astype(np.float32), nodes.astype(np.float32)


def _changes(
    job: Job,
    part: Part,
    ids: np.ndarray,
    blocks: list[Block],
    vectors: np.ndarray,
    outputs: np.ndarray,
) -> list[Changes]:
    """What training `ids` has changed, for each block."""
    steps = predictions_of(job, ids)
    begin = part.stretch(job.options.epochs).begin
    rate = job.options.lr * (1 - begin)
    node_curvature = NODE_CURVATURE if part.parts <= MANY else NODE_CURVATURE_OF_MANY
    curvatures = rate * WORD_CURVATURE, rate * node_curvature
    count = len(blocks)

    def change(
        block: np.ndarray, b: int, matrix: np.ndarray, steps: np.ndarray, curvature: float
    ) -> Change:
        rows = np.flatnonzero(steps[b::count])
        sums = merging.differences(matrix, block, rows, b, count)
        steps = steps[b + rows * count]
        return Change(rows, sums, steps, -np.expm1(-curvature * steps))

    return [
        Changes(
            change(block.vectors, b, vectors, steps[0], curvatures[0]),
            change(block.outputs, b, outputs, steps[1], curvatures[1]),
            curvatures,
        )
        for b, block in enumerate(blocks)
    ]


def merged(changes: list[Changes]) -> Changes:
    """The changes of several workers, or groups of them, to one block as those of all together."""

    def of(matrix: list[Change]) -> Change:
        steps, ways = _totals(matrix)
        sums = np.zeros((len(steps), matrix[0].sums.shape[1]), np.float32)
        for change in matrix:
            _add(sums, change, np.ones_like(steps))
        rows = np.flatnonzero(steps)
        return Change(rows, sums[rows], steps[rows], ways[rows])

    return Changes(
        of([c.vectors for c in changes]), of([c.outputs for c in changes]), changes[0].curvatures
    )


def updated(block: Block, changes: list[Changes]) -> Block:
    """A block after the changes of all workers; see the beginning of this module."""

    def of(matrix: np.ndarray, parts: list[Change], curvature: float) -> np.ndarray:
        steps, ways = _totals(parts)
        scale = np.zeros_like(steps)
        np.divide(-np.expm1(-curvature * steps), ways, out=scale, where=steps > 0)
        matrix = matrix.copy()
        for part in parts:
            _add(matrix, part, scale)
        return matrix

    curvatures = changes[0].curvatures
    return Block(
        of(block.vectors, [c.vectors for c in changes], curvatures[0]),
        of(block.outputs, [c.outputs for c in changes], curvatures[1]),
    )


def _add(total: np.ndarray, change: Change, scale: np.ndarray) -> None:
    """Add a change to the rows of a block, each times its number in scale."""
    rounded = change.sums.dtype == np.uint16
    add = merging.add_rounded_rows if rounded else merging.add_rows
    add(total, change.rows, change.sums, scale)


def _totals(parts: list[Change]) -> tuple[np.ndarray, np.ndarray]:
    """Steps and ways of all parts together, for each row up to the last that one has changed."""
    size = 1 + max(int(part.rows.max(initial=-1)) for part in parts)
    steps, ways = np.zeros(size, np.float32), np.zeros(size, np.float32)
    for part in parts:
        steps[part.rows] += part.steps
        ways[part.rows] += part.ways
    return steps, ways


# ---- trees that are learned between rounds ------------------------------------------------------


class Contexts(NamedTuple):
    """`learned.context_sums` of some shards: sums (V, stride) float32, counted (V,) int64."""

    sums: np.ndarray
    counted: np.ndarray


def contexts_of(job: Job, blocks: list[Block], texts: list[Encoded]) -> Contexts:
    """The contexts of all words in some shards."""
    vectors, _ = _matrices(job, blocks)
    keep = job.vocabulary.keep_probabilities(job.options.sample)
    options = job.options
    return added(
        [
            Contexts(
                *context_sums(
                    Text(*concatenated([text]), keep), vectors, options.window, options.threads
                )
            )
            for text in texts
        ]
    )


def added(parts: list[Contexts]) -> Contexts:
    """The contexts of several texts."""
    sums, counted = parts[0].sums.copy(), parts[0].counted.copy()
    for part in parts[1:]:
        sums += part.sums
        counted += part.counted
    return Contexts(sums, counted)


def rebuilt(job: Job, blocks: list[Block], parts: list[Contexts]) -> tuple[Tree, list[Block]]:
    """A tree learned from the contexts of the whole text, and the weights over it."""
    vectors, outputs = _matrices(job, blocks)
    weights = Weights(vectors, outputs, job.tree)
    tree = learned_anew(centred(*added(parts)), job.vocabulary, job.options, weights)
    dim = job.options.dim
    return tree, cut(vectors[:, :dim], outputs[:, :dim], len(blocks))


def warm_up(job: Job) -> None:
    """Compile what `train_part` needs, or load it from the cache, on a text of two words."""
    words, dim = len(job.vocabulary), job.options.dim
    vectors = np.zeros((words, dim), np.float32)
    text = Encoded(np.zeros(2, np.int32), np.array([0, 2]))
    blocks = cut(vectors, vectors[1:], 1)
    _, changes = train_part(job, Part(0, 1, 0, 1), blocks, [text])
    updated(blocks[0], [merged(changes)])

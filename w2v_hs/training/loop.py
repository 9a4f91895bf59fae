"""Training: weights to begin with, trees that are learned on the way, faults on the way."""

import math
import time
from collections.abc import Callable

import numpy as np

from w2v_hs.errors import OptionError
from w2v_hs.kernels.common import aligned_zeros, padded
from w2v_hs.model.weights import Weights, start_vectors
from w2v_hs.options import Resolved
from w2v_hs.progress import Progress
from w2v_hs.text.corpus import Corpus
from w2v_hs.text.vocabulary import Vocabulary
from w2v_hs.training.divergence import WORSE, Probe, weights_fault
from w2v_hs.training.run import Position, Run, Watch, most_tokens, with_short_sentences
from w2v_hs.training.workers import encoded, room_for_copies, softmax_workers, tree_workers
from w2v_hs.tree.learned import learned, mean_contexts, transfer_weights, warm_up
from w2v_hs.tree.tree import Tree
from w2v_hs.types import Float32, Float64

# The full softmax reads and writes all output weights for each batch: beyond the caches of a
# processor it would take days where the tree takes minutes.
SOFTMAX_LIMIT = 16 << 20  # bytes of output weights
REBUILDS = (0.05, 0.1, 0.2, 0.4, 0.6)  # shares of the run after which a tree is learned anew
PROBE_EVERY = 5.0  # seconds


def check_softmax(words: int, dim: int) -> None:
    """Raise `OptionError` where the full softmax is too large to be of use."""
    row = 4 * padded(dim)
    if words * row > SOFTMAX_LIMIT:
        raise OptionError(
            f"loss=softmax over {words:,} words needs {words * row:,} bytes of output weights, the "
            f"limit is {SOFTMAX_LIMIT:,}; set max_vocab to {SOFTMAX_LIMIT // row} or less, or use "
            "loss=hs"
        )


def learned_anew(
    features: Float32, vocabulary: Vocabulary, options: Resolved, weights: Weights
) -> Tree:
    """A tree learned from mean contexts, `learned.mean_contexts`, which are overwritten. The node
    weights become those of the new tree; `weights.tree` stays the old one."""
    keep = vocabulary.keep_probabilities(options.sample)
    frequencies: Float64 = keep.astype(np.float64) * vocabulary.counts
    new = learned(
        features,
        vocabulary.counts,
        frequencies,
        options.threads,
        equal_depths=options.tree == "balanced",
    )
    assert weights.tree is not None  # only a tree is learned anew
    transfer_weights(
        weights.vectors, frequencies, weights.outputs, weights.tree, new, spare=features
    )
    return new


def rebuilds(steps: int) -> set[int]:
    """After which of the steps of a run a tree is learned anew."""
    return {round(share * steps) for share in REBUILDS}


def train_weights(
    corpus: Corpus,
    tree: Tree | None,
    options: Resolved,
    report: Callable[[Progress], None] = lambda progress: None,
    after_epoch: Callable[[Weights], bool] | None = None,
    start: tuple[Float32, Float32] | None = None,
    position: Position | None = None,
    watch: Watch = Watch(),  # noqa: B008 (without state)
) -> Weights:
    """Train on a corpus; `tree` is None for the full softmax. `options` must be resolved.

    Where the options have a tree learned, `tree` is the one to begin with; it is replaced as
    `REBUILDS` says. start: vectors (V, dim) and outputs (rows, dim) float32 to go on from.
    position: where in a run of this corpus and these options they were taken, if it is that run
    that goes on. With one thread its end is the same to the bit.

    report is called from the calling thread, some ten times a second. after_epoch(weights), where
    given, is called between two epochs and after the last, while all threads wait; it may write
    the matrices and the tree, and ends training by returning True. watch may halt the run between
    two chunks.

    Raises
    ------
    DivergedError
        Weights or a loss are no longer finite numbers, or far above those of an untrained model.
    CorpusError
        No sentence keeps two words, so there is nothing to predict.
    """
    words, stride, counts = len(corpus.vocabulary), padded(options.dim), corpus.vocabulary.counts
    most = most_tokens(options, 0 if tree is not None else words)
    corpus = with_short_sentences(corpus, most, options.window)
    shared = padded(words) if tree is None else tree.inner
    more = 0 if tree is None else room_for_copies(options, tree.inner)
    vectors = start_vectors(words, options.dim, options.seed)
    outputs = aligned_zeros(shared + more, stride)
    weights = Weights(vectors, outputs[:shared], tree)
    if start is not None:
        weights.vectors[:, : options.dim] = start[0]
        weights.outputs[: len(start[1]), : options.dim] = start[1]
    if tree is None:
        workers = softmax_workers(corpus, options, vectors, outputs)
    else:
        workers = tree_workers(corpus, tree, options, vectors, outputs)
    if options.learns_tree:
        warm_up(stride, options.window)  # else the first run of all would stand still for this
    run = Run(corpus, options, most, position)
    probe, probed = Probe(corpus, options), time.monotonic()

    def rebuild() -> bool:
        started = time.perf_counter()
        text = encoded(corpus, options)
        features = mean_contexts(text, weights.vectors, options.window, options.threads)
        new = learned_anew(features, corpus.vocabulary, options, weights)
        weights.tree = new
        workers[:] = tree_workers(corpus, new, options, vectors, outputs)
        run.seconds += time.perf_counter() - started
        return False

    def untrained() -> float:
        if weights.tree is None:
            return math.log(words)
        return math.log(2) * weights.tree.expected_length(counts)

    def check_probe() -> None:
        fault = probe.fault(weights.vectors, weights.outputs, weights.tree)
        if fault is not None:
            raise run.diverged(run.next - 1, fault)

    def check_all() -> None:
        for name, matrix in (("vectors", weights.vectors), ("output weights", weights.outputs)):
            fault = weights_fault(name, matrix)
            if fault is not None:
                raise run.diverged(run.next - 1, fault)
        check_probe()

    def show(progress: Progress) -> None:
        nonlocal probed
        report(progress)
        if time.monotonic() - probed > PROBE_EVERY:
            check_probe()
            probed = time.monotonic()

    def halt() -> None:
        check_all()  # what is kept must be sound
        weights.losses, weights.seconds = run.losses(), run.seconds
        weights.predictions = int(run.predictions.sum())
        watch.halt(weights, run.position())

    pauses: dict[int, list[Callable[[], bool]]] = {}
    if after_epoch is not None:
        for epoch in range(1, options.epochs + 1):
            pauses[epoch * run.chunks] = [lambda: after_epoch(weights)]
    if options.learns_tree:
        for place in rebuilds(run.chunks * options.epochs):
            pauses.setdefault(place, []).append(rebuild)
    run.go(workers, show, pauses, watch, halt)
    check_all()
    weights.losses, weights.seconds = run.losses(), run.seconds
    weights.predictions = int(run.predictions.sum())
    if tree is None:
        weights.outputs = outputs[:words]
    loss = weights.losses[-1]
    if loss is not None and loss > WORSE * untrained():
        raise run.diverged(
            run.next - 1,
            f"the mean loss of the last epoch is {loss:.4g} nats,"
            f" {untrained():.4g} before any training,",
        )
    return weights

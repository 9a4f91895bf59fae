"""A training run, `TrainingLoop.run`: weights to begin with, threads, learned trees, checks."""

import time
from collections.abc import Callable
from dataclasses import replace

import numpy as np

from w2v_hs.errors import OptionError
from w2v_hs.kernels.common import aligned_zeros, padded
from w2v_hs.kernels.subwords import frozen_parts
from w2v_hs.model.weights import Weights, start_vectors
from w2v_hs.options import Resolved
from w2v_hs.progress import Progress
from w2v_hs.text.corpus import Corpus
from w2v_hs.text.vocabulary import Vocabulary
from w2v_hs.text.windows import kernel_window
from w2v_hs.training.divergence import Probe, last_loss_fault, weights_fault
from w2v_hs.training.schedule import Schedule, most_tokens, with_short_sentences
from w2v_hs.training.start import Held, Start
from w2v_hs.training.threads import LOOK, Position, Threads
from w2v_hs.training.workers import Copying, Worker, kernel_text, make_workers
from w2v_hs.tree.learned import (
    Stopped,
    compile_kernels,
    context_keep,
    learn_tree,
    mean_contexts,
    never,
    normalize_in_place,
    transfer_weights_in_place,
)
from w2v_hs.tree.tree import Tree
from w2v_hs.types import Float32
from w2v_hs.vectors.subwords import Ngrams, parts_to_train, tied_rows

# The full softmax reads and writes all output weights for each batch: beyond the caches of a
# processor it would take days where the tree takes minutes.
SOFTMAX_LIMIT = 16 << 20  # bytes of output weights
# Shares of the run after which a tree is learned anew, as many as there are epochs. Measured on 8M
# and 16M words of Wikipedia: no set was better after five rebuilds (from 0.05 on) than after these,
# and in a single epoch the loss of held-out text was 0.01 lower after the first alone.
REBUILDS = (0.1, 0.3, 0.6)
PROBE_EVERY = 5.0  # seconds


class Observer:
    """Watches a run, and may halt it between two chunks. This one does nothing."""

    look = LOOK  # seconds between two calls of `due`

    def due(self) -> bool:
        """Whether the run is to halt soon; asked while threads train."""
        return False

    def stopping(self) -> bool:
        """Whether it is to halt for good."""
        return False

    def halt(self, weights: Weights, position: Position) -> None:
        """Called while all threads wait; what it raises ends the run."""


class TrainingLoop:
    """One run over a corpus, from the first weights to the last.

    tree: None for the full softmax; if the options have a tree learned, the one to begin with,
    replaced as `REBUILDS` says. report: called with a `Progress` about ten times a second, from the
    calling thread. after_epoch: called with the weights after each epoch, while all threads wait;
    it may write the matrices and replace the tree, and ends the run by returning True. `observer`
    may halt the run between two chunks. start: weights to begin with. position: where in a run of
    this corpus and these options `start` was taken, if that run resumes; with one thread it then
    ends with the same bits as without the stop.
    """

    def __init__(
        self,
        corpus: Corpus,
        tree: Tree | None,
        options: Resolved,
        report: Callable[[Progress], None] = lambda progress: None,
        *,
        after_epoch: Callable[[Weights], bool] | None = None,
        observer: Observer = Observer(),  # noqa: B008 (without state)
        start: Start | None = None,
        position: Position | None = None,
        copying: Copying = Copying(),  # noqa: B008 (frozen)
        make_workers: Callable[..., list[Worker]] = make_workers,
        ngrams: Ngrams | None = None,
    ):
        self.words = len(corpus.vocabulary)
        self.window = kernel_window(options, corpus.sentences)
        most = most_tokens(options, self.window, 0 if tree is not None else self.words)
        self.corpus = corpus = with_short_sentences(corpus, most, self.window)
        self.options, self.report = options, report
        self.after_epoch, self.observer = after_epoch, observer
        self.held = Held() if start is None else start.held
        # Private copies of nodes are for threads that train them.
        self.copying = Copying(nodes=0) if self.held.nodes else copying
        self.make_workers = make_workers
        self._make_weights(tree, start, ngrams)
        done, chunk_tokens = (0, None) if position is None else (len(position.loss), position.chunk_tokens)
        schedule = Schedule(corpus, options, most, chunk_tokens=chunk_tokens)
        self.awake = round(self.held.share * schedule.chunks)  # the first chunk that trains inputs
        self.threads = Threads(schedule, self._workers(done), self._show, position)
        # Whether to learn a tree before the next chunk: from vectors that are good already, or
        # because the run was stopped while it learned one.
        self.tree_due = options.learns_tree and (start is not None if position is None else position.tree_due)
        self.probe, self.probed = Probe(corpus, options), time.monotonic()

    def _make_weights(self, tree: Tree | None, start: Start | None, ngrams: Ngrams | None) -> None:
        """The first weights; behind the shared rows of `outputs` is room for threads' copies."""
        dim, rows, copies = self.options.dim, padded(self.words), 0
        if tree is not None:
            rows, copies = tree.inner, self.copying.rows(self.options, tree.inner)
        self.outputs = aligned_zeros(rows + copies, padded(dim))
        inputs = vectors = start_vectors(self.words + len(ngrams or ()), dim, self.options.seed)
        if ngrams is not None:
            vectors = aligned_zeros(self.words, padded(dim))
        self.weights = Weights(vectors, self.outputs[:rows], tree)
        if start is not None:
            inputs[:, :dim] = start.inputs
            self.outputs[: len(start.outputs), :dim] = start.outputs
        if ngrams is not None:
            self._tie(ngrams, inputs, new=start is None)

    def _tie(self, ngrams: Ngrams, inputs: Float32, new: bool) -> None:
        """Compose vectors of `inputs`, the rows of words and n-grams.

        new: whether they are random numbers; others are tied only where they are equal already.
        """
        vocabulary, weights = self.corpus.vocabulary, self.weights
        frequencies = vocabulary.kept_frequencies(self.options.sample)
        parts = ngrams.parts(vocabulary.words)
        roots = tied_rows(ngrams, vocabulary.words, parts, frequencies)
        if not new:
            for row in np.flatnonzero(roots != np.arange(len(roots))):
                if not np.array_equal(inputs[row], inputs[roots[row]]):
                    roots[row] = row
        weights.ngrams, weights.rows, weights.parts, weights.roots = ngrams, inputs, parts, roots
        weights.trained = parts_to_train(parts, roots, frequencies)
        weights.compose()

    def _workers(self, place: int) -> list[Worker]:
        """Workers for the chunks from `place` on."""
        weights, parts, frozen = self.weights, self.weights.trained, self.held.words
        if place < self.awake:
            frozen = np.ones(self.words, bool)
        if frozen is not None:
            parts = frozen_parts(parts, frozen)
        matrices = weights.inputs, self.outputs
        return self.make_workers(
            self.corpus, weights.tree, self.options, *matrices, self.copying, parts, self.held.nodes
        )

    def run(self) -> Weights:
        """Train to the end.

        Raises `DivergedError` if weights or loss are not finite or far above those of an untrained
        model, `CorpusError` if there is nothing to predict: no sentence keeps two words.
        """
        self._compile()
        with self.threads.running():
            if self.tree_due:
                self._rebuild_tree()
            for place in self._pauses():
                self._train_to(place)
                if self._pause(place):
                    break
        self._check_all()
        self._update_figures()
        fault = last_loss_fault(self.weights, self.corpus.vocabulary.counts)
        if fault is not None:
            raise self.threads.diverged(self.threads.next - 1, fault)
        if self.held.share < 1:  # else the runs that trained the vectors have warned
            self.probe.warn_if_nothing_learned(self.weights, self.options)
        if self.weights.tree is None:
            self.weights.outputs = self.outputs[: self.words]  # without rows of padding
        return self.weights

    def _compile(self) -> None:
        """Compile what the run needs, or load it from the cache."""
        self.threads.workers[0].compile()
        if self.options.learns_tree:
            compile_kernels(self.weights.vectors.shape[1], self.window)

    def _pauses(self) -> list[int]:
        """The chunks before which all threads wait, and the end; on a resume those that remain."""
        schedule = self.threads.schedule
        places = {schedule.chunks}
        if self.after_epoch is not None:
            places |= {epoch * schedule.per_epoch for epoch in range(1, self.options.epochs)}
        places |= {self.awake, *self._rebuilds()}
        return sorted(place for place in places if place > self.threads.next)

    def _rebuilds(self) -> set[int]:
        """The chunks before which a tree is learned anew; none while all inputs rest."""
        if not self.options.learns_tree:
            return set()
        steps = rebuild_steps(self.threads.schedule.chunks, self.options.epochs)
        return {step for step in steps if step >= self.awake}

    def _train_to(self, place: int) -> None:
        """Train up to a chunk, halting where the observer wants to."""
        while self.threads.next < place:
            self.threads.train_to(place, self.observer.due, self.observer.look)
            if self.threads.next < place:
                self._halt()

    def _pause(self, place: int) -> bool:
        """Do what is due at a pause; True where the run ends there."""
        schedule, ends = self.threads.schedule, False
        self.weights.compose()
        if self.after_epoch is not None and place % schedule.per_epoch == 0:
            self._update_figures()
            ends = self.after_epoch(self.weights)
        if not ends and place == self.awake < schedule.chunks:
            self.threads.workers = self._workers(place)
        if not ends and place in self._rebuilds():
            self._rebuild_tree()
        if not ends and place < schedule.chunks and self.observer.due():
            self._halt()
        return ends

    def _halt(self) -> None:
        """Let the observer have the weights as they are, once they are known to be sound."""
        self._check_all()
        self._update_figures()
        self.observer.halt(self.weights, replace(self.threads.position(), tree_due=self.tree_due))

    def _rebuild_tree(self) -> None:
        """Learn the tree anew from the vectors as they are, and carry the node weights over.

        If the run is stopped meanwhile, it halts with the tree as it was.
        """
        started, self.tree_due = time.perf_counter(), True
        vocabulary, options = self.corpus.vocabulary, self.options
        text = kernel_text(self.corpus, options)._replace(keep=context_keep(vocabulary, options.sample))
        vectors, stopping = self.weights.vectors, self.observer.stopping
        try:
            features = mean_contexts(text, vectors, self.window, options.threads, stopping)
            self.weights.tree = relearned(features, vocabulary, options, self.weights, stopping)
        except Stopped:
            return self._halt()
        self.tree_due = False
        self.threads.workers = self._workers(self.threads.next)
        self.threads.seconds += time.perf_counter() - started

    def _show(self, progress: Progress) -> None:
        """Report progress, and from time to time check the probe."""
        self.report(progress)
        if time.monotonic() - self.probed > PROBE_EVERY:
            self.weights.compose(self.probe.words)
            self._check(self._probe_fault())
            self.probed = time.monotonic()

    def _check_all(self) -> None:
        """Raise `DivergedError` unless weights and probe are sound."""
        self._check(weights_fault(self.weights.inputs, self.weights.outputs))
        self.weights.compose()
        self._check(self._probe_fault())

    def _probe_fault(self) -> str | None:
        return self.probe.fault(self.weights.vectors, self.weights.outputs, self.weights.tree)

    def _check(self, fault: str | None) -> None:
        if fault is not None:
            raise self.threads.diverged(self.threads.next - 1, fault)

    def _update_figures(self) -> None:
        """Losses, predictions and seconds of the run so far."""
        losses = self.threads.losses
        self.weights.losses = losses.by_epoch(self.threads.next)
        self.weights.predictions = int(losses.predictions.sum())
        self.weights.seconds = self.threads.seconds


def check_softmax(words: int, dim: int) -> None:
    """Raise `OptionError` where the full softmax is too large to be of use."""
    row = 4 * padded(dim)
    if words * row > SOFTMAX_LIMIT:
        raise OptionError(
            f"loss=softmax over {words:,} words needs {words * row:,} bytes of output weights, the "
            f"limit is {SOFTMAX_LIMIT:,}; set max_vocab to {SOFTMAX_LIMIT // row} or less, or use "
            "loss=hs"
        )


def rebuild_steps(steps: int, epochs: int) -> set[int]:
    """The steps of a run after which a tree is learned anew."""
    return {round(share * steps) for share in REBUILDS[:epochs]}


def relearned(
    features: Float32,
    vocabulary: Vocabulary,
    options: Resolved,
    weights: Weights,
    stopping: Callable[[], bool] = never,
) -> Tree:
    """A tree learned from mean contexts; `weights.outputs` are carried over to it in place.

    features (V, stride) float32, from `mean_contexts`, is overwritten; `weights.tree` is not.
    `Stopped`, with the weights as they were, soon after stopping() is true.
    """
    assert weights.tree is not None  # only a tree is learned anew
    frequencies = vocabulary.kept_frequencies(options.sample)
    normalize_in_place(features)
    new = learn_tree(
        features,
        vocabulary.counts,
        frequencies,
        options.threads,
        equal_depths=options.tree == "balanced",
        stopping=stopping,
    )
    transfer_weights_in_place(
        weights.vectors, frequencies, weights.outputs, weights.tree, new, features, stopping=stopping
    )
    return new

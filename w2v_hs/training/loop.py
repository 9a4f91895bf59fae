"""A training run, `TrainingLoop.run`: weights to begin with, threads, learned trees, checks."""

import time
from collections.abc import Callable
from dataclasses import replace

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
from w2v_hs.vectors.subwords import Ngrams, parts_to_train

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
    may halt the run between two chunks. start: vectors (V, dim) and output weights (rows, dim),
    float32, to begin with. position: where in a run of this corpus and these options `start` was
    taken, if that run resumes; with one thread it then ends with the same bits as without the stop.
    frozen: the input vectors stay as they are.
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
        start: tuple[Float32, Float32] | None = None,
        position: Position | None = None,
        copying: Copying = Copying(),  # noqa: B008 (frozen)
        make_workers: Callable[..., list[Worker]] = make_workers,
        ngrams: Ngrams | None = None,
        frozen: bool = False,
    ):
        self.words = len(corpus.vocabulary)
        self.window = kernel_window(options, corpus.sentences)
        most = most_tokens(options, self.window, 0 if tree is not None else self.words)
        self.corpus = corpus = with_short_sentences(corpus, most, self.window)
        self.options, self.report = options, report
        self.after_epoch, self.observer = after_epoch, observer
        self.copying, self.make_workers = copying, make_workers
        self._make_weights(tree, start, ngrams)
        self.frozen = frozen
        if frozen:
            self.weights.parts = frozen_parts(self.weights.parts, self.words)
        chunk_tokens = None if position is None else position.chunk_tokens
        schedule = Schedule(corpus, options, most, chunk_tokens=chunk_tokens)
        self.threads = Threads(schedule, self._workers(), self._show, position)
        # Whether the run was stopped while it learned a tree, before the next chunk.
        self.tree_due = options.learns_tree and position is not None and position.tree_due
        self.probe, self.probed = Probe(corpus, options), time.monotonic()

    def _make_weights(
        self, tree: Tree | None, start: tuple[Float32, Float32] | None, ngrams: Ngrams | None
    ) -> None:
        """The first weights; behind the shared rows of `outputs` is room for threads' copies."""
        dim, rows, copies = self.options.dim, padded(self.words), 0
        if tree is not None:
            rows, copies = tree.inner, self.copying.rows(self.options, tree.inner)
        self.outputs = aligned_zeros(rows + copies, padded(dim))
        inputs = vectors = start_vectors(self.words + len(ngrams or ()), dim, self.options.seed)
        if ngrams is not None:
            vectors = aligned_zeros(self.words, padded(dim))
        self.weights = Weights(vectors, self.outputs[:rows], tree)
        if ngrams is not None:
            self.weights.ngrams, self.weights.rows = ngrams, inputs
            vocabulary = self.corpus.vocabulary
            frequencies = vocabulary.kept_frequencies(self.options.sample)
            self.weights.parts = parts_to_train(ngrams, vocabulary.words, frequencies)
        if start is not None:
            inputs[:, :dim] = start[0]
            self.outputs[: len(start[1]), :dim] = start[1]
        self.weights.compose()

    def _workers(self) -> list[Worker]:
        weights, corpus, options = self.weights, self.corpus, self.options
        return self.make_workers(
            corpus, weights.tree, options, weights.inputs, self.outputs, self.copying, weights.parts
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
        if not self.frozen:  # else the runs that trained the vectors have warned
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
        if self.options.learns_tree:
            places |= rebuild_steps(schedule.chunks, self.options.epochs)
        return sorted(place for place in places if place > self.threads.next)

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
        rebuilds = rebuild_steps(schedule.chunks, self.options.epochs)
        if not ends and self.options.learns_tree and place in rebuilds:
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
        self.threads.workers = self._workers()
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

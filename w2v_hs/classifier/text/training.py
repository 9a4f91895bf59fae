"""Training of a text classifier: texts with labels to a `TextModel`.

Threads take chunks of an epoch's texts, in random order, and wait for each other at its end. The
input vectors are shared without locks (Hogwild: Recht, Re, Wright, Niu 2011); of the output
vectors each thread has its own copy of the most used ones, merged every few texts.
"""

import contextlib
import math
import time
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any, cast

import numpy as np

from w2v_hs.checks import short
from w2v_hs.classifier.text.features import learn_features
from w2v_hs.classifier.text.label_sets import label_sets
from w2v_hs.classifier.text.model import TextModel
from w2v_hs.classifier.text.options import DIM, MOST_SOFTMAX, TextOptions
from w2v_hs.errors import DivergedError, OptionError
from w2v_hs.kernels import text_classifier as kernel
from w2v_hs.kernels.common import Paths, TrainScratch, aligned_zeros, padded
from w2v_hs.kernels.copies import Copies
from w2v_hs.progress import Display, Progress
from w2v_hs.tree.learned import learn_tree, normalize_in_place
from w2v_hs.tree.tree import huffman
from w2v_hs.types import Array, Float32, Int32, Int64
from w2v_hs.vectors import Vectors

# Output vectors of which each of several threads has its own copy. The full softmax uses all of
# them for each text, so that a merge costs little beside it; a text passes a few nodes of a tree,
# and a merge of more rows than these would take longer than the texts.
COPIED, COPIED_NODES = 4096, 32
# Texts of all threads between two merges of a copy: as long as the threads do not know what the
# others have learned, they all take the same step.
MERGED = 32
# Tokens of all epochs that each thread is to have. With fewer, a thread has done a good part of its
# texts before it sees what the others have learned: with two threads on 1,200 short texts, 22 of 60
# runs were certain of the label of an empty text, with one thread none.
ENOUGH = 100_000
_CHUNK = 500_000  # rows of the texts of a chunk: some 50 ms
# Root mean square length of the output vectors at the start; input vectors begin at 0. fastText
# begins the other way round, with small random inputs, and then has to leave a saddle. On the data
# of benchmarks/text_classifier.py, 5 or 10 epochs at the rate 0.5, lengths of 1 and 3 were right
# more often than that everywhere: reviews with bigrams 0.73 and 0.76 instead of 0.67.
LENGTH = 3.0


def train(
    texts: Iterable[Any],
    labels: Iterable[Any],
    options: TextOptions,
    pretrained: Vectors | None = None,
    bars: Display | None = None,
) -> TextModel:
    """Train a classifier.

    Parameters
    ----------
    texts
        n texts, of type str.
    labels
        The label of each text, or a tuple or list of labels of each.
    options
        How to train.
    pretrained
        Vectors with which words begin. All of their words are in the model.
    bars
        Shows progress.

    Raises
    ------
    OptionError
        There are no texts, fewer than two labels, not as many labels as texts, or `dim` is not that
        of the pretrained vectors.
    VocabularyError
        No word occurs `min_count` times.
    DivergedError
        The loss becomes infinite or NaN, or ends above that of guesses.
    """
    bars = bars or Display()
    started = time.perf_counter()
    if pretrained is not None and options.dim not in (None, pretrained.dim):
        raise OptionError(
            f"dim={options.dim}: the pretrained vectors have {pretrained.dim} values; leave dim out"
        )
    classes, sets = _label_sets(labels)
    counts = np.bincount(sets.ids, minlength=len(classes))
    dim = options.dim or (DIM if pretrained is None else pretrained.dim)
    loss = options.loss if options.loss != "auto" else ("softmax" if len(classes) <= MOST_SOFTMAX else "hs")
    options = replace(options, dim=dim, loss=loss)
    bars.step("counting words")
    features, rows, tokens = learn_features(texts, options, pretrained.names if pretrained else ())
    if len(rows.offsets) - 1 != len(sets.offsets) - 1:
        raise OptionError(f"{len(rows.offsets) - 1} texts, {len(sets.offsets) - 1} labels: expected as many")
    vectors = _start_vectors(features.words, len(features), dim, pretrained)
    run = _Run(rows, sets, vectors, counts, options, tokens, bars)
    run.train()
    outputs = len(classes) - (loss == "hs")
    facts = {
        "texts": len(rows.offsets) - 1,
        "tokens": tokens,
        "losses": run.losses,
        "seconds": time.perf_counter() - started,
        "training_seconds": run.seconds,
        "threads": run.threads,
    }
    return TextModel(
        features,
        vectors[:, :dim].copy(),
        run.outputs[:outputs, :dim].copy(),
        classes,
        run.tree,
        options,
        facts,
    )


class _LabelSets:
    """The labels of each text, as numbers: ids[offsets[i]:offsets[i + 1]]."""

    def __init__(self, ids: Int64, sizes: Sequence[int]):
        self.ids, self.offsets = ids, np.concatenate([[0], np.cumsum(sizes, dtype=np.int64)])
        self.several = bool(np.any(np.diff(self.offsets) > 1))

    def drawn(self, generator: np.random.Generator) -> Int32:
        """One label of each text, (n,) int32."""
        first, sizes = self.offsets[:-1], np.diff(self.offsets)
        if self.several:
            first = first + (generator.random(len(first)) * sizes).astype(np.int64)
        drawn: Int32 = self.ids[first].astype(np.int32)
        return drawn


def _label_sets(labels: Iterable[Any]) -> tuple[Array, _LabelSets]:
    """The distinct labels, sorted, and those of each text."""
    sets = label_sets(labels)
    for place, of_text in enumerate(sets):
        if not of_text:
            raise OptionError(f"y[{place}] holds no label: expected one or more")
    flat = [label for of_text in sets for label in of_text]
    if not flat:
        raise OptionError("0 texts: expected texts with two different labels at least")
    if len(kinds := {isinstance(label, str) for label in flat}) > 1:
        raise OptionError("y mixes labels of type str with others; make all of them str")
    if kinds == {True}:  # np.unique would sort all of them
        names = sorted(set(flat))
        number = {name: i for i, name in enumerate(names)}
        classes, ids = np.array(names), np.fromiter(map(number.__getitem__, flat), np.int64, len(flat))
    else:
        unsorted = OptionError("y holds labels that cannot be sorted; make all of them str")
        try:
            values = np.array(flat)
            classes, ids = np.unique(values, return_inverse=True)
        except (TypeError, ValueError):  # the second: lists of unequal lengths in place of labels
            raise unsorted from None
        if values.ndim != 1:
            raise unsorted
        if classes.dtype.kind == "f" and np.isnan(classes).any():
            raise OptionError("y holds NaN: expected a label for each text")
    if len(classes) < 2:
        raise OptionError(f"y holds one label, {short(classes.tolist()[0])}: need at least 2")
    return classes, _LabelSets(ids.astype(np.int64), [len(of_text) for of_text in sets])


def _start_vectors(words: list[str], rows: int, dim: int, pretrained: Vectors | None) -> Float32:
    """(rows, stride) float32: zeros, or for words that have one the pretrained vector."""
    vectors = aligned_zeros(rows, padded(dim))
    if pretrained is not None:
        index = {name: row for row, name in enumerate(pretrained.names)}
        known = [(row, index[word]) for row, word in enumerate(words) if word in index]
        at, source = np.array(known, np.int64).reshape(-1, 2).T
        vectors[at, :dim] = pretrained.matrix[source]
    return vectors


class _Run:
    """A run of training: epochs over the texts on several threads."""

    def __init__(
        self,
        rows: kernel.Texts,
        sets: _LabelSets,
        vectors: Float32,
        counts: Int64,
        options: TextOptions,
        tokens: int,
        bars: Display,
    ):
        self.rows, self.sets, self.vectors, self.counts = rows, sets, vectors, counts
        self.options, self.tokens, self.bars = options, tokens, bars
        self.texts, self.stride = len(rows.offsets) - 1, vectors.shape[1]
        self.tree = huffman(counts) if options.loss == "hs" else None
        self.used = len(counts) - (self.tree is not None)  # rows of `outputs` before the copies
        self.losses: list[float] = []
        self.seconds = 0.0
        threads = self.threads = min(options.threads, max(1, tokens * options.epochs // ENOUGH))
        most = COPIED if self.tree is None else COPIED_NODES
        self.copied = min(most, self.used) if threads > 1 else 0
        self.outputs = aligned_zeros(self.used + threads * self.copied, self.stride)
        if not vectors.any():
            generator = np.random.Generator(np.random.PCG64(options.seed))
            shape = self.used, cast(int, options.dim)
            drawn = (generator.random(shape, np.float32) * 2 - 1) * np.float32(LENGTH * (3 / shape[1]) ** 0.5)
            self.outputs[: self.used, : shape[1]] = drawn
        self.copies = [self._copy(thread) for thread in range(threads)]

    def _copy(self, thread: int) -> Copies:
        """One thread's copy of the first output vectors, which is behind those of all threads."""
        count, threads = self.copied, self.threads
        start, snapshot = self.used + thread * count, aligned_zeros(count, self.stride)
        self.outputs[start : start + count] = snapshot[:] = self.outputs[:count]
        return Copies(
            count=count,
            start=start,
            turn=thread / threads,
            interval=max(1, MERGED // threads),
            share=np.ones(count, np.float32),
            snapshot=snapshot.ravel(),
            windows=np.zeros(1, np.int64),
        )

    def train(self) -> None:
        """Train all epochs."""
        self.bars.step("compiling")
        nothing = kernel.Steps(np.zeros(1, np.int64), np.zeros(1, np.int32), 0.0, 0, 1)
        self._steps(nothing, 0, 0, self.copies[0], self._scratch())
        generator = np.random.Generator(np.random.PCG64([self.options.seed, 1]))
        started = time.perf_counter()
        with _pool(self.threads) as pool:
            for epoch in range(self.options.epochs):
                if epoch == 1 and self.tree is not None and self.options.tree == "learned":
                    self._learn_tree()
                order = generator.permutation(self.texts)
                labels = self.sets.drawn(generator)
                before, total = epoch * self.texts, self.options.epochs * self.texts
                steps = kernel.Steps(order, labels, self.options.lr, before, total)
                loss, done = 0.0, 0
                for end, more in self._epoch(steps, pool):
                    loss, done = loss + more, end
                    self.seconds = time.perf_counter() - started
                    self._report(epoch, done, loss / done)
                self.losses.append(loss / self.texts)
                if not math.isfinite(loss) or not np.isfinite(self.outputs).all():
                    raise self._diverged(f"the mean loss is {self.losses[-1]:g}")
        if self.losses[-1] > 2 * math.log(len(self.counts)):
            raise self._diverged(f"the mean loss is {self.losses[-1]:.4g} nats, more than that of guesses")

    def _epoch(self, steps: kernel.Steps, pool: ThreadPoolExecutor) -> Iterator[tuple[int, float]]:
        """Train an epoch; yields, after each chunk, the texts trained so far and its loss."""
        threads = self.threads
        longest = _CHUNK * self.texts // max(1, len(self.rows.rows))
        size = max(1, min(longest, -(-self.texts // (8 * threads))))
        firsts = range(0, self.texts, size)
        free = [(copies, self._scratch()) for copies in self.copies]

        def train_chunk(first: int) -> tuple[int, float]:
            last = min(first + size, self.texts)
            copies, scratch = memory = free.pop()
            try:
                return last - first, self._steps(steps, first, last, copies, scratch)
            finally:
                free.append(memory)

        done = 0
        for trained, loss in pool.map(train_chunk, firsts):
            done += trained
            yield done, loss

    def _scratch(self) -> TrainScratch:
        """Memory of one thread."""
        longest_path = len(self.counts) if self.tree is None else int(self.tree.lengths.max())
        return kernel.make_text_scratch(longest_path, self.stride)

    def _steps(
        self, steps: kernel.Steps, first: int, last: int, copies: Copies, scratch: TrainScratch
    ) -> float:
        """Train steps first .. last - 1 in one thread; the sum of their losses in nats."""
        weights = self.vectors.ravel(), self.outputs.ravel(), self.stride, copies, scratch
        if self.tree is None:
            return float(kernel.train_softmax(self.rows, steps, first, last, len(self.counts), *weights))
        paths = Paths(self.tree.offsets, self.tree.nodes, self.tree.bits)
        return float(kernel.train_tree(self.rows, steps, first, last, paths, *weights))

    def _learn_tree(self) -> None:
        """Replace the tree by one that splits labels by the mean vectors of their texts.

        The weights of its nodes begin at zero.
        """
        hidden = kernel.hidden_vectors(self.rows, self.vectors, self.stride)
        sums = np.zeros((len(self.counts), self.stride))
        np.add.at(sums, self.sets.ids, np.repeat(hidden, np.diff(self.sets.offsets), axis=0))
        means = sums / self.counts[:, None]
        directions = aligned_zeros(*sums.shape)
        directions[:] = means - np.average(means, axis=0, weights=self.counts)
        normalize_in_place(directions)
        self.tree = learn_tree(directions, self.counts, threads=self.threads)
        self.outputs[:] = 0
        for copies in self.copies:
            copies.snapshot[:] = 0

    def _report(self, epoch: int, done: int, loss: float) -> None:
        """Report an epoch, of which so many texts are trained."""
        passes = epoch + done / self.texts
        rate = self.options.lr * (1 - passes / self.options.epochs)
        tokens, total = int(self.tokens * passes), self.tokens * self.options.epochs
        ended = done == self.texts
        self.bars.train(Progress(tokens, total, epoch + 1, rate, loss, self.seconds, ended))

    def _diverged(self, found: str) -> DivergedError:
        return DivergedError(
            f"epoch {len(self.losses)}: {found}; start again with a smaller lr than {self.options.lr:g}"
        )


@contextlib.contextmanager
def _pool(threads: int) -> Iterator[ThreadPoolExecutor]:
    """A pool of threads; after an error or Ctrl-C the chunks that wait are dropped."""
    with ThreadPoolExecutor(threads, "trainer") as pool:
        try:
            yield pool
        finally:
            pool.shutdown(wait=True, cancel_futures=True)

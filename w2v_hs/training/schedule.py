"""The order of a run: chunks of sentences, each with its learning rate and its random seed.

Chunks are trained one after the other, epoch after epoch. Rate and seed of a chunk depend on its
place alone, not on the thread that trains it or on time. So a run with one thread can be repeated
to the bit, and a run stopped between two chunks resumes there exactly: there is no other state.
"""

import itertools
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np

from w2v_hs.kernels.common import Window, padded
from w2v_hs.options import Resolved
from w2v_hs.text.corpus import LONGEST_SENTENCE, Corpus
from w2v_hs.types import Int64

LOWEST_RATE = 1e-4  # as a share of the rate at the start, as in word2vec.c
LONGEST_CHUNK = 50_000  # tokens: some 50 ms, so that Ctrl-C and the progress bar need not wait
LONGEST_WORK = 5 * 10**10  # floating-point operations of a chunk: half a second or so


@dataclass(frozen=True)
class Stretch:
    """A part of a longer run, as a round of a cluster is."""

    begin: float = 0.0  # the learning rate falls as from this share of the longer run
    end: float = 1.0  # to this one
    seed: tuple[int, ...] = ()  # keeps the random numbers of different parts apart


class Chunk(NamedTuple):
    """Sentences first .. last - 1, `tokens` in all, their learning rate, the generator's state.

    The rate is that of the schedule, times the weight of the sentences.
    """

    first: int
    last: int
    tokens: int
    rate: float
    state: np.uint64


class Schedule:
    """The chunks of a run over all its epochs.

    `corpus` has sentences short enough for one chunk (`with_short_sentences`). most: tokens of a
    chunk at most (`most_tokens`). stretch: where the run lies in a longer one. chunk_tokens: tokens
    of a chunk in a run that is resumed; None: chosen here.
    """

    def __init__(
        self,
        corpus: Corpus,
        options: Resolved,
        most: int,
        stretch: Stretch = Stretch(),
        chunk_tokens: int | None = None,
    ):
        self.options, self.stretch = options, stretch
        self.tokens = len(corpus.ids)  # of an epoch
        self.total_tokens = self.tokens * options.epochs
        if chunk_tokens is None:
            # The rate falls in at least 200 steps a run, and at its end no thread waits long.
            threads, length = options.threads, stretch.end - stretch.begin
            steps = max(16 * threads, round(200 * length), round(50 * threads * length))
            chunk_tokens = min(most, self.total_tokens // steps + 1)
        self.chunk_tokens = chunk_tokens
        self._bounds = _cut(corpus.sentences, chunk_tokens)
        self._weights = np.ones(len(self._bounds) - 1, np.int64)  # of the sentences of each chunk
        if corpus.weights is not None:
            changes = 1 + np.flatnonzero(np.diff(corpus.weights))
            self._bounds = np.union1d(self._bounds, changes)
            self._weights = corpus.weights[self._bounds[:-1]]
        self._before = corpus.sentences[self._bounds]  # tokens before each chunk
        self.per_epoch = len(self._bounds) - 1
        self.chunks = self.per_epoch * options.epochs

    def chunk(self, place: int) -> Chunk:
        """The chunk at `place`, counted over all epochs."""
        number = place % self.per_epoch
        seeds = [self.options.seed, *self.stretch.seed, place]
        return Chunk(
            int(self._bounds[number]),
            int(self._bounds[number + 1]),
            int(self._before[number + 1] - self._before[number]),
            self.rate(self.tokens_before(place)) * int(self._weights[number]),
            np.random.SeedSequence(seeds).generate_state(1, np.uint64)[0],
        )

    def tokens_before(self, place: int) -> int:
        """Tokens trained before the chunk at `place`."""
        epoch, number = divmod(place, self.per_epoch)
        return epoch * self.tokens + int(self._before[number])

    def rate(self, tokens: int) -> float:
        """The learning rate after so many tokens: linear, down to `LOWEST_RATE` of the first."""
        begin, end = self.stretch.begin, self.stretch.end
        share = begin + (end - begin) * (tokens / (self.total_tokens + 1))
        return self.options.lr * max(LOWEST_RATE, 1 - share)


def most_tokens(options: Resolved, window: Window, softmax_words: int) -> int:
    """Tokens that one call of a kernel may train; softmax_words: V of the full softmax, or 0."""
    work = 6 * padded(options.dim) * max(softmax_words, 32) * (window.left + window.right)
    return max(1, min(LONGEST_CHUNK, LONGEST_WORK // work))


def with_short_sentences(corpus: Corpus, most: int, window: Window) -> Corpus:
    """The corpus with its sentences cut to `most` tokens, but not below twice their reach.

    A longer one would keep a kernel busy for longer than a user waits for Ctrl-C.
    """
    most = max(most, 2 * window.left, 2 * window.right)
    if most >= LONGEST_SENTENCE:
        return corpus
    bounds = corpus.sentences
    pieces = [np.arange(first, last, most) for first, last in itertools.pairwise(bounds.tolist())]
    weights = corpus.weights
    if weights is not None:
        weights = np.repeat(weights, [len(piece) for piece in pieces])
    return replace(corpus, sentences=np.concatenate([*pieces, bounds[-1:]]), weights=weights)


def _cut(sentences: Int64, size: int) -> Int64:
    """Bounds of chunks of about `size` tokens, as numbers of sentences; no sentence is cut."""
    targets = np.arange(0, sentences[-1] + size, size)
    bounds = np.unique(np.searchsorted(sentences, targets))
    bounds = np.minimum(bounds, len(sentences) - 1)
    return np.unique(np.append(bounds, len(sentences) - 1))

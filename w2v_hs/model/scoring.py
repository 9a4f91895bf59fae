"""The exact loss of text under a model: perplexity of a text, scores of sentences.

Every window has its full width and no word is subsampled, so nothing is random: each word is
predicted once from each word in its window (skip-gram), or from their mean (CBOW). Words that the
model does not know are left out before windows are formed, and counted.
"""

import contextlib
import math
import queue
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from w2v_hs.checks import is_integer, shown, warn
from w2v_hs.errors import CorpusError, DivergedError, OptionError, UnknownWordError
from w2v_hs.formatting import mended, texts
from w2v_hs.kernels import likelihood, tokens
from w2v_hs.kernels.common import Paths, aligned_zeros, padded
from w2v_hs.model.new_words import Parameters
from w2v_hs.options import Options, OutOfVocabulary, Preprocessing, Resolved
from w2v_hs.progress import display
from w2v_hs.text import Corpus, Vocabulary, read_corpus
from w2v_hs.text.tokenizing import tokenized
from w2v_hs.text.windows import check_whole, kernel_window
from w2v_hs.tree import Tree
from w2v_hs.types import Float32, Float64, Int32, Int64, Texts, Word

CHUNK_WORDS = 20_000  # tens of milliseconds, so that Ctrl-C and the progress bar need not wait
LARGEST_EXPONENT = 709  # of exp in float64


@dataclass(frozen=True)
class Perplexity:
    """How well a model predicts a text.

    `unigram`, `sampled` and `untrained` are baselines without contexts: nats over the same pairs.

    Attributes
    ----------
    nats
        Mean of -log P(word | context) over all pairs.
    perplexity
        exp(nats).
    pairs
        Predictions: one for each context word (skip-gram), or for each word with a context (CBOW).
    tokens
        Of the text.
    oov
        Tokens that the model does not know, which are left out.
    unigram
        Cross entropy with the relative frequencies of the training text.
    sampled
        Cross entropy with these frequencies after subsampling, which are what the model has seen.
        Subsampling makes a model underrate frequent words, so it can lose to `unigram`.
    untrained
        The loss of an untrained model: ln 2 times the mean code length, ln V for the full softmax.
    """

    nats: float  # mean of -log P(word | context) over all pairs
    perplexity: float  # exp(nats)
    pairs: int  # predictions: one per context word (skip-gram), or per word with a context (CBOW)
    tokens: int  # of the text
    oov: int  # tokens that the model does not know, which are left out
    unigram: float  # cross entropy with the relative frequencies of the training text
    sampled: float  # the same with frequencies after subsampling, which are what the model has seen
    untrained: float  # of an untrained model: ln 2 times the mean code length; full softmax: ln V

    def as_dict(self) -> dict[str, Any]:
        """The fields as JSON can represent them; a perplexity that overflows float64 is None."""
        finite = math.isfinite(self.perplexity)
        return asdict(self) | {"perplexity": self.perplexity if finite else None}


class Scorer:
    """Computes the losses of text, on several threads.

    vectors (V, stride), the stride a multiple of 16; unused columns are 0. outputs (rows, stride),
    by inner node of `tree`; for the full softmax by word, padded with rows of zeros to a multiple
    of 16. Uses the options `arch`, `window`, `side`, `sample`. A thread scores `chunk_words`
    words at once.
    """

    def __init__(
        self,
        vectors: Float32,
        outputs: Float32,
        tree: Tree | None,
        vocabulary: Vocabulary,
        options: Resolved,
        chunk_words: int = CHUNK_WORDS,
    ):
        self.vectors, self.outputs, self.tree = vectors, outputs, tree
        self.vocabulary, self.options, self.chunk_words = vocabulary, options, chunk_words
        counts = vocabulary.counts.astype(np.float64)
        sampled = counts * vocabulary.keep_probabilities(options.sample)
        self.unigram = -np.log(counts / counts.sum())
        self.sampled = -np.log(sampled / sampled.sum())

    @classmethod
    def of(cls, parameters: Parameters, options: Resolved, chunk_words: int = CHUNK_WORDS) -> "Scorer":
        """A scorer with padded copies of the matrices; `FormatError` if the paths form no tree."""
        vocabulary, vectors, outputs, tree, _ = parameters
        if tree is not None:
            tree.children()
        words, dim = vectors.shape
        inputs = aligned_zeros(words, padded(dim))
        inputs[:, :dim] = vectors
        rows = aligned_zeros(padded(words) if tree is None else len(outputs), padded(dim))
        rows[: len(outputs), :dim] = outputs
        return cls(inputs, rows, tree, vocabulary, options, chunk_words)

    def losses(self, ids: Int32, sentences: Int64, threads: int) -> Iterator[tuple[Float64, int]]:
        """Yield the losses of sentences, chunk by chunk in order, and the words scored so far.

        ids (N,): the words of all sentences. sentences (n + 1,): where each begins and the last one
        ends. Losses are (sentences of the chunk, 5) float64, as in `kernels.likelihood`; they do
        not depend on `threads`. `DivergedError` if one is not finite.
        """
        from threadpoolctl import threadpool_limits

        words = likelihood.Words(np.asarray(ids), sentences, self.unigram, self.sampled)
        targets = np.arange(self.chunk_words, sentences[-1], self.chunk_words)
        bounds = np.unique([0, *np.searchsorted(sentences, targets), len(sentences) - 1]).tolist()
        idle: queue.SimpleQueue[_Worker] = queue.SimpleQueue()
        for _ in range(threads):
            idle.put(_Worker(self, words))

        def score(first: int, last: int) -> Float64:
            worker = idle.get()
            try:
                return worker.score(first, last)
            finally:
                idle.put(worker)

        # BLAS, which only the full softmax uses, must not start threads of its own beside ours.
        alone = threadpool_limits(1) if self.tree is None else contextlib.nullcontext()
        with alone, ThreadPoolExecutor(threads, "scorer") as pool:
            chunks = pool.map(score, bounds[:-1], bounds[1:])
            for last, rows in zip(bounds[1:], chunks, strict=True):
                if not np.isfinite(rows).all():
                    raise DivergedError(
                        f"the loss before word {sentences[last]:,} is not a finite number: the "
                        "model's weights are too large for float32; train with a smaller lr"
                    )
                yield rows, int(sentences[last])

    def perplexity(
        self, corpus: Corpus, threads: int, report: Callable[[int, int], None] = lambda done, total: None
    ) -> Perplexity:
        """The perplexity of a corpus that was read with the vocabulary of the model.

        `report` is called with the words scored so far and in all. The result does not depend on
        `threads`. `CorpusError` if no sentence has two known words, so that there is nothing to
        predict; `DivergedError` if a loss is not finite.
        """
        total = np.zeros(5)
        for rows, done in self.losses(corpus.ids, corpus.sentences, threads):
            total += rows.sum(axis=0)
            report(done, len(corpus.ids))
        loss, pairs, unigram, sampled, untrained = total.tolist()
        if pairs == 0:
            raise CorpusError(
                f"nothing to predict in {texts(corpus.names)}: no sentence has "
                f"two words of the model, which knows {len(corpus.ids):,} of {corpus.tokens:,} "
                "tokens"
            )
        nats = loss / pairs
        return Perplexity(
            nats=nats,
            perplexity=math.exp(nats) if nats < LARGEST_EXPONENT else math.inf,
            pairs=int(pairs),
            tokens=corpus.tokens,
            oov=corpus.tokens - len(corpus.ids),
            unigram=unigram / pairs,
            sampled=sampled / pairs,
            untrained=untrained / pairs,
        )


class _Worker:
    """Scores sentences on one thread, with working memory of its own."""

    def __init__(self, scorer: Scorer, words: likelihood.Words):
        self.scorer, self.words = scorer, words
        self.window = window = kernel_window(scorer.options, words.sentences)
        stride = scorer.vectors.shape[1]
        if scorer.tree is None:
            self.batch = likelihood.make_batch(window, len(scorer.outputs), stride)
        else:
            self.paths = Paths(scorer.tree.offsets, scorer.tree.nodes, scorer.tree.bits)
            longest = int(scorer.tree.lengths.max())
            self.scratch = likelihood.make_scratch(window, longest, stride)

    def score(self, first: int, last: int) -> Float64:
        """(last - first, 5) float64: the losses of these sentences."""
        scorer, options = self.scorer, self.scorer.options
        vectors, outputs = scorer.vectors, scorer.outputs
        out = np.empty((last - first, 5))
        text = self.words, first, last, self.window, options.arch == "cbow"
        if scorer.tree is None:
            likelihood.softmax_losses(*text, vectors, outputs, self.batch, out)
        else:
            flat, stride = (vectors.ravel(), outputs.ravel()), vectors.shape[1]
            likelihood.tree_losses(*text, self.paths, *flat, stride, self.scratch, out)
        return out


def text_perplexity(
    scorer: Scorer, text: Texts, preprocessing: Preprocessing, threads: int | None, show: bool
) -> Perplexity:
    """Read a text as `read_corpus` does, with the scorer's vocabulary, and score it."""
    threads = _available(threads)
    with display(show) as bars:
        bars.step("compiling")
        tokens.warm_up()
        corpus = read_corpus(
            text,
            vocabulary=scorer.vocabulary,
            preprocessing=preprocessing,
            threads=threads,
            progress=bars.read,
        )
        check_whole(corpus, scorer.options)
        if corpus.mended:
            done = mended(corpus.mended, preprocessing.encoding, preprocessing.errors)
            warn(f"{texts(corpus.names)}: {done}")
        return scorer.perplexity(corpus, threads, bars.score)


@dataclass(frozen=True)
class Scores:
    """Scores of n sentences."""

    means: Float64  # (n,): mean log-probability per prediction in nats; NaN without a prediction
    pairs: Int64  # (n,): predictions
    oov: Int64  # (n,): words that the model does not know


def score_sentences(
    scorer: Scorer,
    sentences: Iterable[str | Iterable[Word]],
    oov: OutOfVocabulary,
    threads: int | None,
    preprocessing: Preprocessing = Preprocessing(),  # noqa: B008 (frozen)
) -> Scores:
    """Score each sentence: a string, which is tokenized, or a list of tokens.

    `OptionError` if `oov` is neither "skip" nor "error"; `TypeError` if `sentences` is one string,
    or a token is neither str nor int; `UnknownWordError` if, with oov="error", a word is unknown.
    """
    if oov not in ("skip", "error"):
        raise OptionError(f"oov={oov!r}: expected one of skip, error")
    if isinstance(sentences, str):
        raise TypeError("score takes a list of sentences; put a single one in brackets")
    ids: list[int] = []
    ends, unknown = [0], []
    for number, sentence in enumerate(sentences, 1):
        rows = _rows(scorer.vocabulary.index, sentence, number, oov == "error", preprocessing)
        known = [row for row in rows if row is not None]
        ids += known
        ends.append(len(ids))
        unknown.append(len(rows) - len(known))
    chunks = scorer.losses(np.array(ids, np.int32), np.array(ends, np.int64), _available(threads))
    sums = np.concatenate([np.zeros((0, 5)), *(rows for rows, _ in chunks)])
    loss, pairs = sums[:, 0], sums[:, 1]
    means = np.divide(-loss, pairs, out=np.full(len(sums), np.nan), where=pairs > 0)
    return Scores(means, pairs.astype(np.int64), np.array(unknown, np.int64))


def _rows(
    index: dict[str, int],
    sentence: str | Iterable[Word],
    number: int,
    strict: bool,
    preprocessing: Preprocessing,
) -> list[int | None]:
    """The row of each token of a sentence; None for an unknown one, unless that is an error."""
    rows = []
    if isinstance(sentence, str):
        sentence = tokenized(sentence, preprocessing.tokenize, None).split()
    for token in sentence:
        if not isinstance(token, str) and not is_integer(token):
            raise TypeError(f"sentence {number} contains {token!r}: expected a str or an int")
        rows.append(index.get(str(token).lower() if preprocessing.lowercase else str(token)))
        if strict and rows[-1] is None:
            raise UnknownWordError(
                f"sentence {number}: {shown(repr(token), 60)} is not among the {len(index):,} "
                "words; choose oov skip to leave such words out"
            )
    return rows


def _available(threads: int | None) -> int:
    """The number of threads to use: at most one per core."""
    return Options(threads=threads).resolved().threads

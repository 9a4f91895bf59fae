"""The exact loss of text under a model: perplexity of a text, scores of sentences.

Every window reaches its full width and no word is subsampled, so that nothing depends on chance:
each word is predicted once from each word at most `window` away (skip-gram) or from their mean
(CBOW). Words that the model does not know are left out before windows are formed, and counted.
"""

import contextlib
import math
import queue
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from typing import Any, TypeAlias

import numpy as np

from w2v_hs.checks import shown
from w2v_hs.errors import CorpusError, DivergedError, OptionError, UnknownWordError
from w2v_hs.kernels import likelihood as kernel
from w2v_hs.kernels import tokens as reader
from w2v_hs.kernels.common import Paths, aligned_zeros, padded
from w2v_hs.options import Options, OutOfVocabulary, Preprocessing
from w2v_hs.progress import display
from w2v_hs.text.corpus import Corpus, read_corpus
from w2v_hs.text.vocabulary import Vocabulary
from w2v_hs.tree.tree import Tree
from w2v_hs.types import Float32, Float64, Int32, Int64, Texts

_Worker: TypeAlias = Callable[[int, int, Float64], None]  # (first, last, out)
CHUNK = 20_000  # words: tens of milliseconds, so that Ctrl-C and the progress bar need not wait


@dataclass(frozen=True)
class Perplexity:
    """How well a model predicts a text.

    The last three know nothing of contexts; they are in nats, over the same pairs.

    Attributes
    ----------
    nats
        Mean of -log P(word | context) over all pairs.
    perplexity
        exp(nats).
    pairs
        Predictions: one for each context word (skip-gram) or for each word with a context (CBOW).
    tokens
        Of the text.
    oov
        Those of the tokens that the model does not know, which are left out.
    unigram
        The cross entropy with the relative frequencies of the training text.
    sampled
        With those that subsampling left of it, which are what the model has seen. A model trained
        with subsampling gives frequent words too little, and may stay behind `unigram` for that.
    untrained
        The loss of a model without training: ln 2 times the mean code length, ln V for the full
        softmax.
    """

    nats: float
    perplexity: float
    pairs: int
    tokens: int
    oov: int
    unigram: float
    sampled: float
    untrained: float

    def as_dict(self) -> dict[str, Any]:
        """The fields as JSON can hold them: None for a perplexity beyond the range of float64."""
        return asdict(self) | {
            "perplexity": self.perplexity if math.isfinite(self.perplexity) else None
        }


class Scorer:
    """Adds up the losses of text, on several threads.

    vectors: (V, stride) float32, stride a multiple of 16, zeros behind the columns in use. outputs:
    (rows, stride): the inner nodes of `tree` by number; for the full softmax, where `tree` is None,
    the output vectors and rows of zeros up to a multiple of 16.
    """

    def __init__(
        self,
        vectors: Float32,
        outputs: Float32,
        tree: Tree | None,
        vocabulary: Vocabulary,
        options: Options,
    ):
        self.vectors, self.outputs, self.tree = vectors, outputs, tree
        self.vocabulary, self.options = vocabulary, options
        counts = vocabulary.counts.astype(np.float64)
        sampled = counts * vocabulary.keep_probabilities(options.sample)
        self.unigram = -np.log(counts / counts.sum())
        self.sampled = -np.log(sampled / sampled.sum())

    def losses(self, ids: Int32, sentences: Int64, threads: int) -> Iterator[tuple[Float64, int]]:
        """Rows of `kernels.likelihood` for all sentences, chunk by chunk in their order, each with
        the words done after it.

        ids: (N,) int32; sentences: (n + 1,) int64 offsets into it.

        Raises
        ------
        DivergedError
            A loss is not finite.
        """
        from threadpoolctl import threadpool_limits

        words = kernel.Words(np.asarray(ids), sentences, self.unigram, self.sampled)
        targets = np.arange(CHUNK, sentences[-1], CHUNK)
        bounds = np.unique([0, *np.searchsorted(sentences, targets), len(sentences) - 1])
        free: queue.SimpleQueue[_Worker] = queue.SimpleQueue()  # workers no thread is using
        for _ in range(threads):
            free.put(self._worker(words))

        def score(first: int, last: int) -> Float64:
            worker = free.get()
            try:
                out = np.empty((last - first, 5))
                worker(first, last, out)
                return out
            finally:
                free.put(worker)

        # BLAS, which only the full softmax uses, must not start threads of its own beside ours.
        alone = threadpool_limits(1) if self.tree is None else contextlib.nullcontext()
        with alone, ThreadPoolExecutor(threads, "scorer") as pool:
            firsts, lasts = bounds[:-1].tolist(), bounds[1:].tolist()
            for last, rows in zip(lasts, pool.map(score, firsts, lasts), strict=True):
                if not np.isfinite(rows).all():
                    raise DivergedError(
                        f"the loss before word {sentences[last]:,} is not a finite number: the "
                        "model's weights are too large for float32; train with a smaller lr"
                    )
                yield rows, int(sentences[last])

    def perplexity(
        self,
        corpus: Corpus,
        threads: int,
        report: Callable[[int, int], None] = lambda done, total: None,
    ) -> Perplexity:
        """The perplexity of a corpus that was read with the model's vocabulary.

        report(done, total): words scored so far and in all.

        Raises
        ------
        CorpusError
            No sentence has two known words, so there is nothing to predict.
        DivergedError
            A loss is not finite.
        """
        total = np.zeros(5)
        for rows, done in self.losses(corpus.ids, corpus.sentences, threads):
            total += rows.sum(axis=0)
            report(done, len(corpus.ids))
        loss, pairs, unigram, sampled, untrained = total.tolist()
        if pairs == 0:
            raise CorpusError(
                f"nothing to predict in {', '.join(map(shown, corpus.names[:3]))}: no sentence has "
                f"two words of the model, which knows {len(corpus.ids):,} of {corpus.tokens:,} "
                "tokens"
            )
        nats = loss / pairs
        return Perplexity(
            nats=nats,
            perplexity=math.exp(nats) if nats < 709 else math.inf,
            pairs=int(pairs),
            tokens=corpus.tokens,
            oov=corpus.tokens - len(corpus.ids),
            unigram=unigram / pairs,
            sampled=sampled / pairs,
            untrained=untrained / pairs,
        )

    def _worker(self, words: kernel.Words) -> _Worker:
        """A function (first, last, out) that scores sentences into out."""
        stride, window = self.vectors.shape[1], self.options.window
        cbow = self.options.arch == "cbow"
        if self.tree is None:
            batch = kernel.make_batch(window, len(self.outputs), stride)

            def score(first: int, last: int, out: Float64) -> None:
                kernel.softmax_losses(
                    words, first, last, window, cbow, self.vectors, self.outputs, batch,
                    out,
                )  # fmt: skip
        else:
            paths = Paths(self.tree.offsets, self.tree.nodes, self.tree.bits)
            scratch = kernel.make_scratch(window, int(self.tree.lengths.max()), stride)

            def score(first: int, last: int, out: Float64) -> None:
                kernel.tree_losses(
                    words, first, last, window, cbow, paths, self.vectors.ravel(),
                    self.outputs.ravel(), stride, scratch, out,
                )  # fmt: skip

        return score


def padded_weights(
    vectors: Float32, outputs: Float32, tree: Tree | None
) -> tuple[Float32, Float32]:
    """Copies of a model's matrices as `Scorer` takes them."""
    words, dim = vectors.shape
    inputs = aligned_zeros(words, padded(dim))
    inputs[:, :dim] = vectors
    rows = aligned_zeros(padded(words) if tree is None else len(outputs), padded(dim))
    rows[: len(outputs), :dim] = outputs
    return inputs, rows


def text_perplexity(
    scorer: Scorer, text: Texts, preprocessing: Preprocessing, threads: int, show: bool
) -> Perplexity:
    """Read anything `read_corpus` takes, with the scorer's vocabulary, and score it."""
    with display(show) as bars:
        bars.step("compiling")
        reader.warm_up()
        corpus = read_corpus(
            text,
            vocabulary=scorer.vocabulary,
            preprocessing=preprocessing,
            threads=threads,
            progress=bars.read,
        )
        return scorer.perplexity(corpus, threads, bars.score)


@dataclass(frozen=True)
class Scores:
    """Scores of n sentences. means: (n,) float64, mean log-probability in nats, NaN without a
    prediction. pairs and oov: (n,) int64, predictions and unknown words."""

    means: Float64
    pairs: Int64
    oov: Int64


def score_sentences(
    scorer: Scorer, sentences: Iterable[str | Iterable[str]], oov: OutOfVocabulary, threads: int
) -> Scores:
    """Score each sentence: a string, which is split at white space, or a list of tokens.

    Raises
    ------
    OptionError
        oov is neither "skip" nor "error".
    TypeError
        `sentences` is one string, or a token is not a str.
    UnknownWordError
        With oov="error", a word that the vocabulary does not hold.
    """
    if oov not in ("skip", "error"):
        raise OptionError(f"oov={oov!r}: expected one of skip, error")
    if isinstance(sentences, str):
        raise TypeError("score takes a list of sentences; for one put it in brackets")
    index = scorer.vocabulary.index
    ids: list[int] = []
    ends, unknown = [0], []
    for place, sentence in enumerate(sentences):
        tokens = sentence.split() if isinstance(sentence, str) else list(sentence)
        rows = []
        for token in tokens:
            if not isinstance(token, str):
                raise TypeError(f"sentence {place + 1} holds {token!r}: expected a str")
            if token in index:
                rows.append(index[token])
            elif oov == "error":
                raise UnknownWordError(
                    f"sentence {place + 1}: {shown(repr(token), 60)} is not among the "
                    f"{len(index):,} words; choose oov skip to leave such words out"
                )
        ids += rows
        ends.append(len(ids))
        unknown.append(len(tokens) - len(rows))
    parts = scorer.losses(np.array(ids, np.int32), np.array(ends, np.int64), threads)
    sums = np.concatenate([np.zeros((0, 5)), *(part for part, _ in parts)])
    loss, pairs = sums[:, 0], sums[:, 1]
    means = np.divide(-loss, pairs, out=np.full(len(sums), np.nan), where=pairs > 0)
    return Scores(means, pairs.astype(np.int64), np.array(unknown, np.int64))

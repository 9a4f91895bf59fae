"""What a model predicts: probabilities of words, losses of texts."""

from collections.abc import Iterable
from functools import cached_property
from pathlib import Path
from typing import Any

from w2v_hs.model.new_words import Parameters
from w2v_hs.model.probability import Predictor, TopWords
from w2v_hs.model.scoring import Perplexity, Scorer, score_sentences, text_perplexity
from w2v_hs.options import Combine, OutOfVocabulary, Preprocessing, Resolved
from w2v_hs.text import Vocabulary, are_paths
from w2v_hs.tree import Tree
from w2v_hs.types import Context, Float32, Float64, Texts, Word
from w2v_hs.vectors import Vectors


class Predictions:
    """The part of `Model` that predicts; it has the attributes of one."""

    vectors: Vectors
    outputs: Float32
    tree: Tree | None
    vocabulary: Vocabulary
    options: Resolved
    provenance: dict[str, Any]

    def log_prob(self, context: Context, word: Word, *, combine: Combine = "inputs") -> float:
        """log P(word | context) in nats; O(path) for a tree, O(V) for the full softmax."""
        return self._predictor.log_prob(context, word, combine)

    def log_probs(
        self, contexts: Iterable[Context], words: Iterable[Word], *, combine: Combine = "inputs"
    ) -> Float64:
        """(B,) float64: `log_prob` of B contexts, each with the word at the same position."""
        return self._predictor.log_probs(contexts, words, combine)

    def distribution(self, context: Context, *, combine: Combine = "inputs") -> Float64:
        """(V,) float64: the probability of each word, in the order of `vectors.words`; O(V)."""
        return self._predictor.distribution(context, combine)

    def top_k(
        self, context: Context, k: int = 10, *, exclude: Iterable[Word] = (), combine: Combine = "inputs"
    ) -> TopWords:
        """The k most probable words, all V if k is larger: a sequence of pairs (word, probability).

        .words, .probabilities and .visited are its parts.

        Exact: a best-first search, which visits few inner nodes unless the distribution is flat.
        Words of `exclude` are left out; the probabilities of the others stay as they are.
        """
        return self._predictor.top_k(context, k, exclude, combine)

    def top_ks(
        self,
        contexts: Iterable[Context],
        k: int = 10,
        *,
        exclude: Iterable[Iterable[Word]] | None = None,
        combine: Combine = "inputs",
    ) -> list[TopWords]:
        """`top_k` of B contexts; `exclude` holds, for each, the words to leave out.

        An error says at which position, from 0, it was.
        """
        return self._predictor.top_ks(contexts, k, exclude, combine)

    def sample(
        self, context: Context, n: int = 10, *, seed: int = 1, combine: Combine = "inputs"
    ) -> list[Any]:
        """Draw n words, at most 10^8, independently from the distribution; O(path) in a tree."""
        return self._predictor.sample(context, n, seed, combine)

    def perplexity(
        self,
        text: Texts,
        *,
        lowercase: bool | None = None,
        tokenize: str | None = None,
        split_sentences: str | None = None,
        text_column: str | None = None,
        encoding: str | None = None,
        errors: str | None = None,
        threads: int | None = None,
        progress: bool = False,
    ) -> Perplexity:
        """The exact mean loss of a text, and baselines to compare it with.

        Each word is predicted from every word in its window, on the model's `side`, or from their
        mean; nothing is subsampled, and windows have their full size. Long lines are split as in
        training.

        Parameters
        ----------
        text
            As the corpus of `train`.
        lowercase, tokenize, split_sentences, encoding, errors
            As in `update`.
        text_column, progress
            As in `train`.
        threads
            By default one per core. The result does not depend on it.

        Raises
        ------
        CorpusError
            The text cannot be read, or contains nothing to predict.
        """
        raw = {"lowercase": lowercase, "tokenize": tokenize, "split_sentences": split_sentences}
        preprocessing = self.preprocessing_of(
            text, **raw, text_column=text_column, encoding=encoding, errors=errors
        )
        return text_perplexity(self.scorer, text, preprocessing, threads, progress)

    def score(
        self,
        sentences: Iterable[str | Iterable[Word]],
        *,
        oov: OutOfVocabulary = "skip",
        lowercase: bool | None = None,
        tokenize: str | None = None,
        threads: int | None = None,
    ) -> Float64:
        """(n,) float64: the mean log-probability per prediction of each sentence, in nats.

        The mean makes sentences of different lengths comparable. It is NaN for a sentence without
        a prediction, such as a single word. Windows are as in `perplexity`.

        Parameters
        ----------
        sentences
            Strings, or lists of tokens.
        oov
            Words that the model does not know are left out before windows are formed ("skip"), or
            raise `UnknownWordError` ("error").
        lowercase, tokenize
            As in `update`; lists of tokens are not tokenised.
        threads
            By default one per core.
        """
        preprocessing = self.preprocessing_of(lowercase=lowercase, tokenize=tokenize)
        return score_sentences(self.scorer, sentences, oov, threads, preprocessing).means

    def preprocessing_of(self, text: Texts = "", **given: Any) -> Preprocessing:
        """How to prepare a text for the model: as `given`, or where that is None as in training.

        Lists of tokens are only lowercased.
        """
        names = ["lowercase"]
        if isinstance(text, (str, Path)) or are_paths(text):
            names += ["tokenize", "split_sentences", "encoding", "errors"]
        stored = self.provenance.get("corpus", {}).get("preprocessing", {})
        own = {name: stored[name] for name in names if name in stored}
        return Preprocessing(**own | {name: value for name, value in given.items() if value is not None})

    @property
    def parameters(self) -> Parameters:
        """Vocabulary, vectors, output weights and tree: what training changes."""
        return Parameters(
            self.vocabulary, self.vectors.matrix, self.outputs, self.tree, self.vectors.subwords
        )

    @cached_property
    def _predictor(self) -> Predictor:
        return Predictor(self.vectors, self.outputs, self.tree, self.options)

    @cached_property
    def scorer(self) -> Scorer:
        """A `Scorer` with copies of both matrices; `FormatError` if the paths form no tree."""
        return Scorer.of(self.parameters, self.options)

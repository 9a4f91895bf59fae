"""A trained model: vectors, output weights, tree, counts, and how it was trained."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar

import w2v_hs
from w2v_hs.errors import OptionError
from w2v_hs.files.container import save_arrays
from w2v_hs.model.contents import FORMAT, check_finite, parameter_arrays
from w2v_hs.model.new_words import Parameters, check_counts, extended
from w2v_hs.model.output_vectors import output_vectors
from w2v_hs.model.probability import Predictor, TopWords
from w2v_hs.model.scoring import Perplexity, Scorer, score_sentences, text_perplexity
from w2v_hs.model.summary import tree_summary, vocabulary_summary
from w2v_hs.options import Combine, OutOfVocabulary, Preprocessing, Resolved
from w2v_hs.text import Vocabulary, are_paths
from w2v_hs.tree import Tree
from w2v_hs.types import Array, Context, Float32, Float64, Texts
from w2v_hs.vectors import Vectors, save_vectors
from w2v_hs.vectors.subwords import Ngrams


@dataclass(repr=False)
class Model:
    """Word vectors and the weights that predict words from them.

    Methods that take a context, a word or a list of words, return the probability of a word near
    it, which the model was trained for; `w2v_hs.model.probability` explains `combine`. They raise
    `UnknownWordError` for a word outside the vocabulary, unless it is a context and has subwords,
    and `OptionError` for an empty context or an option outside its range.

    Attributes
    ----------
    vectors
        Input vectors, most frequent word first.
    outputs
        (V - 1, dim) float32, by inner node of `tree`; (V, dim), by word, without a tree.
    tree
        None for the full softmax.
    vocabulary
        Words and counts.
    options
        Those of the run.
    losses
        Mean nats per prediction of each epoch; None if there was nothing to predict.
    provenance
        Corpus, versions, figures of the run.
    holdout_losses
        As `losses`, of the held-out sentences, if any. With patience, the weights are those of the
        epoch with the lowest.
    """

    # Trains a model further. `w2v_hs.training` sets it, since that folder imports this one.
    trainer: ClassVar[Callable[..., None]]

    vectors: Vectors
    outputs: Float32
    tree: Tree | None
    vocabulary: Vocabulary
    options: Resolved
    losses: list[float | None] = field(default_factory=list)
    provenance: dict[str, Any] = field(default_factory=dict)
    holdout_losses: list[float] = field(default_factory=list)

    def __repr__(self) -> str:
        kind = f"{self.options.arch}/{self.options.loss}"
        return f"Model({len(self.vocabulary):,} words, dim {self.options.dim}, {kind})"

    # ---- files and figures ----------------------------------------------------------------------

    def save(self, path: str | Path) -> None:
        """Write the model to one `.safetensors` file.

        Raises `OutputError` if that fails, and `FormatError` if the weights contain NaN or Inf; an
        existing file then stays intact.
        """
        self.check_finite(path)
        save_arrays(path, *self.parts())

    def check_finite(self, where: object) -> None:
        """Raise `FormatError`, which begins with `where`, if the weights contain NaN or Inf."""
        check_finite(self.parameters, where)

    def parts(self) -> tuple[dict[str, Array], dict[str, Any]]:
        """The contents of a model file: arrays by name, and a description that fits into JSON."""
        return parameter_arrays(self.parameters), {"format": FORMAT} | self._description()

    def summary(self) -> dict[str, Any]:
        """Options, corpus, counts, tree and figures, as JSON can represent them."""
        return self._description() | {
            "vocabulary": vocabulary_summary(self.vocabulary, self.options)
            | {"ngrams": len(self.ngrams or ())},
            "tree": tree_summary(self.tree, self.vocabulary, self.options),
        }

    def _description(self) -> dict[str, Any]:
        return {
            "options": self.options.as_dict(),
            "losses": self.losses,
            "holdout_losses": self.holdout_losses,
            "provenance": self.provenance,
        }

    def export(
        self,
        path: str | Path,
        format: str | None = None,
        *,
        weights: str = "input",
        top: int | None = None,
        normalize: bool = False,
        float16: bool = False,
        subwords: bool = True,
    ) -> None:
        """Write vectors in a format that other tools read.

        Parameters
        ----------
        weights
            "input" for the word vectors, "output" for `output_vectors`; else `OptionError`.
        path, format, top, normalize, float16, subwords
            As in `w2v_hs.save_vectors`, whose errors it raises.
        """
        if weights not in ("input", "output"):
            raise OptionError(f"weights={weights!r}: expected input or output")
        vectors = self.vectors if weights == "input" else self.output_vectors()
        save_vectors(
            vectors, path, format=format, top=top, normalize=normalize, float16=float16, subwords=subwords
        )

    def output_vectors(self) -> Vectors:
        """The output weights with names: those of the words (full softmax), or ``node:`` and the
        branches from the root to an inner node; see the module `output_vectors`."""
        return output_vectors(self.vectors.words, self.outputs, self.tree)

    def preprocessing_of(self, text: Texts = "", **given: Any) -> Preprocessing:
        """How to prepare a text for the model: as `given`, or where that is None as in training.

        Lists of tokens are only lowercased.
        """
        names = ["lowercase"]
        if isinstance(text, (str, Path)) or are_paths(text):
            names += ["tokenize", "split_sentences"]
        stored = self.provenance.get("corpus", {}).get("preprocessing", {})
        own = {name: stored[name] for name in names if name in stored}
        return Preprocessing(**own | {name: value for name, value in given.items() if value is not None})

    # ---- more text and new words ----------------------------------------------------------------

    def add_words(self, counts: Mapping[str, int]) -> None:
        """Add words to the tree: each splits the leaf of a word with a similar frequency.

        No node moves: the probability of every word whose leaf is not split stays the same to the
        bit, and a split leaf shares its probability equally with the new word. New vectors are
        small and random: until they are trained, they carry no meaning. With subwords they begin
        at the mean of what their n-grams have learned.

        Parameters
        ----------
        counts
            Occurrences of each word; those of known words are added to theirs.

        Raises
        ------
        OptionError, VocabularyError
            The model has no tree; a word is empty, or a count is not a whole number above 0.
        """
        check_counts(counts)
        vocabulary = self.vocabulary.extended(counts)
        self.become(extended(self.parameters, vocabulary, self.options.seed))

    def update(
        self,
        corpus: Texts,
        *,
        new_words: bool = True,
        epochs: int | None = None,
        lr: float | None = None,
        min_count: int | None = None,
        threads: int | None = None,
        seed: int | None = None,
        lowercase: bool | None = None,
        errors: str = "strict",
        tokenize: str | None = None,
        split_sentences: str | None = None,
        text_column: str | None = None,
        encoding: str = "utf-8",
        progress: bool = False,
    ) -> None:
        """Train on more text; its new words are added as in `add_words`.

        Each row moves only in proportion to the share of its occurrences that is new
        (`w2v_hs.tree.growth.damp_in_place`), so that a small text does not undo a large one. If an
        error occurs, the model stays as it was.

        Parameters
        ----------
        corpus
            As in `train`.
        new_words
            False leaves out words that the model does not know.
        epochs, min_count, seed, lr
            As in `train`; by default the model's, and half of its learning rate.
        lowercase, tokenize, split_sentences
            As in `train`; None: as the text of the model was prepared. "none" does not split.
        threads, errors, text_column, encoding, progress
            As in `train`.

        Raises
        ------
        OptionError, CorpusError, DivergedError, TypeError
        """
        given = {"epochs": epochs, "lr": lr, "min_count": min_count, "threads": threads, "seed": seed}
        raw = {"lowercase": lowercase, "tokenize": tokenize, "split_sentences": split_sentences}
        preprocessing = self.preprocessing_of(
            corpus, **raw, errors=errors, text_column=text_column, encoding=encoding
        )
        w2v_hs.train  # noqa: B018 (loads `w2v_hs.training`, which sets the trainer)
        self.trainer(corpus, preprocessing, new_words=new_words, show=progress, **given)

    @property
    def ngrams(self) -> Ngrams | None:
        """The n-grams whose vectors are part of those of words, if any."""
        return None if self.vectors.subwords is None else self.vectors.subwords.ngrams

    @property
    def parameters(self) -> Parameters:
        """Vocabulary, vectors, output weights and tree: what training changes."""
        return Parameters(
            self.vocabulary, self.vectors.matrix, self.outputs, self.tree, self.vectors.subwords
        )

    def become(self, parameters: Parameters) -> None:
        """Replace vocabulary, vectors, output weights and tree."""
        self.vocabulary, vectors, self.outputs, self.tree, subwords = parameters
        self.vectors = Vectors(self.vocabulary.words, vectors, subwords)
        for name in ("_predictor", "scorer"):  # made from what was replaced
            self.__dict__.pop(name, None)

    # ---- probabilities --------------------------------------------------------------------------

    def log_prob(self, context: Context, word: str, *, combine: Combine = "inputs") -> float:
        """log P(word | context) in nats; O(path) for a tree, O(V) for the full softmax."""
        return float(self._predictor.log_probs([context], [word], combine)[0])

    def log_probs(
        self, contexts: Iterable[Context], words: Iterable[str], *, combine: Combine = "inputs"
    ) -> Float64:
        """(B,) float64: `log_prob` of B contexts, each with the word at the same position."""
        return self._predictor.log_probs(contexts, words, combine)

    def distribution(self, context: Context, *, combine: Combine = "inputs") -> Float64:
        """(V,) float64: the probability of each word, in the order of `vectors.words`; O(V)."""
        return self._predictor.distribution(context, combine)

    def top_k(self, context: Context, k: int = 10, *, combine: Combine = "inputs") -> TopWords:
        """The k most probable words, all V if k is larger: .words, .probabilities, .visited.

        Exact: a best-first search, which visits few inner nodes unless the distribution is flat.
        """
        return self._predictor.top_k(context, k, combine)

    def sample(
        self, context: Context, n: int = 10, *, seed: int = 1, combine: Combine = "inputs"
    ) -> list[str]:
        """Draw n words independently from the distribution; O(path) each in a tree."""
        return self._predictor.sample(context, n, seed, combine)

    def perplexity(
        self,
        text: Texts,
        *,
        lowercase: bool | None = None,
        tokenize: str | None = None,
        split_sentences: str | None = None,
        text_column: str | None = None,
        encoding: str = "utf-8",
        threads: int | None = None,
        progress: bool = False,
    ) -> Perplexity:
        """The exact mean loss of a text, and baselines to compare it with.

        Each word is predicted from every word at most `window` away, or from their mean; nothing is
        subsampled. Long lines are split as in training.

        Parameters
        ----------
        text
            As the corpus of `train`.
        lowercase, tokenize, split_sentences
            As in `update`.
        text_column, encoding, progress
            As in `train`.
        threads
            By default one per core. The result does not depend on it.

        Raises
        ------
        CorpusError
            The text cannot be read, or contains nothing to predict.
        """
        raw = {"lowercase": lowercase, "tokenize": tokenize, "split_sentences": split_sentences}
        preprocessing = self.preprocessing_of(text, **raw, text_column=text_column, encoding=encoding)
        return text_perplexity(self.scorer, text, preprocessing, threads, progress)

    def score(
        self,
        sentences: Iterable[str | Iterable[str]],
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

    @cached_property
    def _predictor(self) -> Predictor:
        return Predictor(self.vectors, self.outputs, self.tree, self.options)

    @cached_property
    def scorer(self) -> Scorer:
        """A `Scorer` with copies of both matrices; `FormatError` if the paths form no tree."""
        return Scorer.of(self.parameters, self.options)

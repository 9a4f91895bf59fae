"""A trained model: vectors, output weights, tree, counts, and how it was trained."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar

import w2v_hs
from w2v_hs.errors import OptionError
from w2v_hs.files.container import save_arrays
from w2v_hs.model.contents import FORMAT, check_finite, parameter_arrays
from w2v_hs.model.new_words import Parameters, check_counts, extended
from w2v_hs.model.output_vectors import output_vectors
from w2v_hs.model.predictions import Predictions
from w2v_hs.model.summary import tree_summary, vocabulary_summary
from w2v_hs.options import Resolved
from w2v_hs.text import Vocabulary
from w2v_hs.tree import Tree
from w2v_hs.types import Array, Float32, Texts
from w2v_hs.vectors import Vectors, save_vectors
from w2v_hs.vectors.subwords import Ngrams


@dataclass(repr=False)
class Model(Predictions):
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
        Mean nats per prediction of each epoch; None if there was nothing to predict. Those of
        updates are in `update_losses`.
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

    def __post_init__(self) -> None:
        if None in (self.options.sample, self.options.lr, self.options.threads):  # built by hand
            self.options = self.options.resolved(self.vocabulary.tokens)

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

    # ---- more text and new words ----------------------------------------------------------------

    def add_words(self, counts: Mapping[Any, int]) -> None:
        """Add words to the tree: each splits the leaf of a word with a similar frequency.

        No node moves: the probability of every word whose leaf is not split stays the same to the
        bit, and a split leaf shares its probability equally with the new word. New vectors are
        small and random: until they are trained, they carry no meaning. With subwords they begin
        at the mean of what their n-grams have learned.

        Parameters
        ----------
        counts
            Occurrences of each word, str or int; those of known words are added to theirs.

        Raises
        ------
        OptionError, VocabularyError
            The model has no tree; a word is empty or holds NUL, a count is not a whole number above
            0, or all counts add up to 2^62 or more.
        TypeError
            `counts` is not a mapping.
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
        errors: str | None = None,
        tokenize: str | None = None,
        split_sentences: str | None = None,
        text_column: str | None = None,
        encoding: str | None = None,
        callbacks: Any = (),
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
        lowercase, errors, tokenize, split_sentences, encoding
            As in `train`; None: as the text of the model was prepared. "none" does not split.
        threads, text_column, progress
            As in `train`.
        callbacks
            As in `train`; they see rows that have moved as far as the new text alone moves them.

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
        self.trainer(corpus, preprocessing, new_words=new_words, callbacks=callbacks, show=progress, **given)

    @property
    def update_losses(self) -> list[list[float | None]]:
        """As `losses`, of each update, the first one first."""
        return [update["losses"] for update in self.provenance.get("updates", [])]

    @property
    def ngrams(self) -> Ngrams | None:
        """The n-grams whose vectors are part of those of words, if any."""
        return None if self.vectors.subwords is None else self.vectors.subwords.ngrams

    def become(self, parameters: Parameters) -> None:
        """Replace vocabulary, vectors, output weights and tree."""
        self.vocabulary, vectors, self.outputs, self.tree, subwords = parameters
        self.vectors = Vectors(self.vocabulary.as_given, vectors, subwords)
        for name in ("_predictor", "scorer"):  # made from what was replaced
            self.__dict__.pop(name, None)

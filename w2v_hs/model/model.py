"""A trained model: vectors, output weights, tree, counts, and how it came about."""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np

from w2v_hs.checks import shown
from w2v_hs.errors import FormatError, OptionError
from w2v_hs.files import container as storage
from w2v_hs.model.growth import Parameters, check_counts, extended
from w2v_hs.model.output_vectors import output_vectors
from w2v_hs.model.probability import Predictor, TopWords
from w2v_hs.model.scoring import (
    Perplexity,
    Scorer,
    padded_weights,
    score_sentences,
    text_perplexity,
)
from w2v_hs.options import Combine, Options, OutOfVocabulary, Preprocessing, Resolved
from w2v_hs.text.vocabulary import Vocabulary
from w2v_hs.tree.tree import Tree, entropy
from w2v_hs.types import Array, Context, Float32, Float64, Texts
from w2v_hs.vectors.contents import first_nonfinite_row
from w2v_hs.vectors.formats import save_vectors
from w2v_hs.vectors.vectors import Vectors

FORMAT = 1  # of the model file


@dataclass(repr=False)
class Model:
    """Word vectors and what predicts words from them.

    The methods that take a context, a word or a list of words, give the probability that the model
    was trained for: of a word among words near to it. `w2v_hs.model.probability` says what
    combine="inputs" and combine="log_probs" mean where a skip-gram model gets several words. All
    raise `UnknownWordError` for a word that the vocabulary does not hold, and `OptionError` for an
    empty context or an option outside its range.

    Attributes
    ----------
    vectors
        Input vectors, most frequent word first.
    outputs
        float32: (V - 1, dim) weights of the tree's inner nodes, or (V, dim) output vectors of the
        full softmax.
    tree
        None for the full softmax.
    vocabulary
        Words and counts.
    options
        Those of the run.
    losses
        Mean nats a prediction, one for each epoch; None where there was nothing to predict.
    provenance
        Corpus, versions, figures of the run.
    holdout_losses
        As `losses`, of the sentences set aside, if there were any, after each epoch; with patience
        the weights are those of the least.
    """

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

    def save(self, path: str | Path) -> None:
        """Write the model to one `.safetensors` file.

        Raises `OutputError` where that fails, and `FormatError` where the weights hold NaN or
        Inf; a file that was there before stays whole.
        """
        self.check_finite(path)
        storage.save_arrays(path, *self.parts())

    def check_finite(self, where: object) -> None:
        for name, matrix in (("vectors", self.vectors.matrix), ("outputs", self.outputs)):
            if (row := first_nonfinite_row(matrix)) is not None:
                raise FormatError(
                    f"{shown(where)}: row {row} of the model's {name} holds NaN or Inf; expected "
                    "finite numbers: load the model again, or train anew"
                )

    def parts(self) -> tuple[dict[str, Array], dict[str, Any]]:
        """What a model file holds: arrays by name, and a description as JSON can hold it."""
        arrays: dict[str, Array] = {
            "vectors": self.vectors.matrix,
            "outputs": self.outputs,
            "counts": self.vocabulary.counts,
            **storage.pack_words(self.vocabulary.words),
        }
        if self.tree is not None:
            arrays |= tree_arrays(self.tree)
        return arrays, {
            "format": FORMAT,
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
    ) -> None:
        """Write vectors in a format other tools read; see `formats.save_vectors`.

        weights: "input", the word vectors, or "output", `output_vectors`. Raises `OptionError`
        where it has another value, and what `save_vectors` raises.
        """
        if weights not in ("input", "output"):
            raise OptionError(f"weights={weights!r}: expected input or output")
        vectors = self.vectors if weights == "input" else self.output_vectors()
        save_vectors(
            vectors,
            path,
            format=format,
            top=top,
            normalize=normalize,
            float16=float16,
        )

    def output_vectors(self) -> Vectors:
        """The output weights with names: those of words (full softmax), or of the inner nodes of
        the tree, ``node:`` and the bits of the way there; see the module `output_vectors`."""
        return output_vectors(self.vectors.words, self.outputs, self.tree)

    def summary(self) -> dict[str, Any]:
        """Options, corpus, counts, tree and figures, as JSON can hold them."""
        counts = self.vocabulary.counts
        keep = self.vocabulary.keep_probabilities(self.options.sample).astype(np.float64)
        tree = None
        if self.tree is not None:
            tree = {
                "kind": self.options.tree,
                "inner_nodes": self.tree.inner,
                "expected_length_bits": self.tree.expected_length(counts),
                "deepest_leaf": int(self.tree.lengths.max()),
            }
        return {
            "options": self.options.as_dict(),
            "vocabulary": {
                "words": len(self.vocabulary),
                "tokens": self.vocabulary.tokens,
                "entropy_bits": entropy(counts),
                # What relative frequencies alone reach, to compare with the losses.
                "unigram_loss_nats": entropy(counts * keep) * math.log(2),
            },
            "tree": tree,
            "losses": self.losses,
            "holdout_losses": self.holdout_losses,
            "provenance": self.provenance,
        }

    # ---- growing --------------------------------------------------------------------------------

    def add_words(self, counts: Mapping[str, int]) -> None:
        """Give words a place in the tree: each splits the leaf of a word about as frequent.

        No node moves: the probability of every word whose leaf is not split stays the same to the
        bit, and a split leaf shares its probability equally with the new word. New vectors are
        small and random: the words have a place, but no meaning before they are trained.

        Parameters
        ----------
        counts
            Occurrences of each word; those of known words are added up.

        Raises
        ------
        OptionError
            The model has no tree.
        VocabularyError
            An empty word, or a count that is not a whole number above 0.
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
        lowercase: bool = False,
        errors: str = "strict",
        tokenize: str = "none",
        split_sentences: str | None = None,
        text_column: str | None = None,
        progress: bool = False,
    ) -> None:
        """Train further with more text, whose new words join the model as in `add_words`.

        Rows that were trained before move only by the share of their occurrences that is new
        (`w2v_hs.tree.growth.damp_in_place`), so that a small text does not undo a large one. If
        anything fails, the model stays as it was.

        Parameters
        ----------
        corpus
            As in `train`.
        new_words
            False leaves out words that the model does not know.
        epochs, min_count, seed
            As in `train`, by default those of the model.
        lr
            Learning rate at the start, by default half of the model's.
        threads
            By default one a core.
        lowercase, errors, tokenize, split_sentences, text_column
            Preprocessing, as in `train`.
        progress
            Show progress bars on standard error, if that is a terminal.

        Raises
        ------
        OptionError, CorpusError, DivergedError, TypeError
        """
        # Training builds models, so it is above this module, and is loaded by name.
        updating = import_module("w2v_hs.training.update")
        options = updating.update_options(
            self.options, epochs=epochs, lr=lr, min_count=min_count, threads=threads, seed=seed
        )
        preprocessing = Preprocessing(lowercase, errors, tokenize, split_sentences, text_column)
        updating.update(self, corpus, options, preprocessing, new_words=new_words, show=progress)

    @property
    def parameters(self) -> Parameters:
        """Vocabulary, vectors, output weights and tree: what training changes."""
        return Parameters(self.vocabulary, self.vectors.matrix, self.outputs, self.tree)

    def become(self, parameters: Parameters) -> None:
        """Replace vocabulary, vectors, output weights and tree."""
        self.vocabulary, vectors, self.outputs, self.tree = parameters
        self.vectors = Vectors(self.vocabulary.words, vectors)
        for name in ("_predictor", "scorer"):  # made from what was replaced
            self.__dict__.pop(name, None)

    # ---- probabilities --------------------------------------------------------------------------

    def log_prob(self, context: Context, word: str, *, combine: Combine = "inputs") -> float:
        """log P(word | context) in nats, float64; O(path) for a tree, O(V) for the full softmax."""
        return float(self._predictor.log_probs([context], [word], combine)[0])

    def log_probs(
        self, contexts: Iterable[Context], words: Iterable[str], *, combine: Combine = "inputs"
    ) -> Float64:
        """(B,) float64: `log_prob` of each of B contexts with the word at the same place."""
        return self._predictor.log_probs(contexts, words, combine)

    def distribution(self, context: Context, *, combine: Combine = "inputs") -> Float64:
        """(V,) float64: the probability of each word, in the order of `vectors.words`; O(V)."""
        return self._predictor.distribution(context, combine)

    def top_k(self, context: Context, k: int = 10, *, combine: Combine = "inputs") -> TopWords:
        """The k most probable words, all V where k is more: .words, .probabilities, .visited.

        Exact. In a tree they are found by best-first search (see `kernels.probability`), which
        visits a small part of the inner nodes unless the distribution is almost flat.
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
        lowercase: bool = False,
        tokenize: str = "none",
        split_sentences: str | None = None,
        text_column: str | None = None,
        threads: int | None = None,
        progress: bool = False,
    ) -> Perplexity:
        """The exact mean loss of a text, and baselines beside it; see `Perplexity`.

        text: anything `train` takes for a corpus, in UTF-8; what is done to it: as there. Each word
        is predicted from every word at most `window` away, or from their mean; nothing is
        subsampled. Long lines are cut as in training. threads: None is one a core; the result does
        not depend on them.

        Raises
        ------
        CorpusError
            The text cannot be read, or holds nothing to predict.
        """
        preprocessing = Preprocessing(
            lowercase, tokenize=tokenize, split_sentences=split_sentences, text_column=text_column
        )
        return text_perplexity(self.scorer, text, preprocessing, _threads(threads), progress)

    def score(
        self,
        sentences: Iterable[str | Iterable[str]],
        *,
        oov: OutOfVocabulary = "skip",
        threads: int | None = None,
    ) -> Float64:
        """(n,) float64: mean log-probability a prediction of each sentence, in nats.

        sentences: strings, split at white space, or lists of tokens. Windows are as in
        `perplexity`; dividing by the number of predictions makes sentences of different lengths
        comparable. A sentence without a prediction, as one of a single word, has the score NaN.
        oov: words that the model does not know are left out before windows are formed ("skip"), or
        are an `UnknownWordError` ("error").
        """
        return score_sentences(self.scorer, sentences, oov, _threads(threads)).means

    # Both are made when first asked for, and take the model as it is then.

    @cached_property
    def _predictor(self) -> Predictor:
        return Predictor(self.vectors, self.outputs, self.tree, self.options)

    @cached_property
    def scorer(self) -> Scorer:
        """What adds up losses of text, with copies of both matrices that its kernels can read.

        Raises `FormatError` where the paths that a file gave are not those of a tree.
        """
        if self.tree is not None:
            self.tree.children()
        weights = padded_weights(self.vectors.matrix, self.outputs, self.tree)
        return Scorer(*weights, self.tree, self.vocabulary, self.options)


def _threads(threads: int | None) -> int:
    """How many threads to use: at most one a core."""
    return Options(threads=threads).resolved().threads


def tree_arrays(tree: Tree, prefix: str = "tree") -> dict[str, Array]:
    """The arrays of a tree, by the names they have in a file."""
    return {
        f"{prefix}.offsets": tree.offsets,
        f"{prefix}.nodes": tree.nodes,
        f"{prefix}.bits": tree.bits,
    }

"""A trained model: vectors, output weights, tree, counts, and how it came about."""

import math
import platform
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from numbers import Integral
from pathlib import Path

import numpy as np

from w2v_hs import __version__, storage
from w2v_hs.corpus import Corpus, read_corpus
from w2v_hs.errors import OptionError, VocabularyError, shown
from w2v_hs.formats import save_vectors
from w2v_hs.growth import grow
from w2v_hs.kernels import reader
from w2v_hs.kernels.common import padded
from w2v_hs.likelihood import Perplexity, Scorer, padded_weights, score_sentences, text_perplexity
from w2v_hs.memory import check_fits, peak_bytes
from w2v_hs.options import Options
from w2v_hs.probability import Predictor, TopWords
from w2v_hs.progress import display
from w2v_hs.text import Cleaning
from w2v_hs.trainer import Weights, start_vectors
from w2v_hs.tree import Tree, entropy
from w2v_hs.update import Start, train_update, update_options
from w2v_hs.vectors import Vectors
from w2v_hs.vocabulary import Vocabulary

FORMAT = 1  # of the model file
ERRORS = ("strict", "replace", "ignore")


@dataclass(repr=False)
class Model:
    """Word vectors and what predicts words from them.

    vectors: input vectors, most frequent word first. outputs: float32, (V - 1, dim) weights of
    the tree's inner nodes or (V, dim) output vectors of the full softmax. tree: None for the full
    softmax. losses: mean nats a prediction, one for each epoch, None where there was nothing to
    predict. provenance: corpus, versions, figures of the run. holdout_losses: the same of the
    sentences set aside, if there were any, after each epoch; with patience the weights are those
    of the least.

    The methods that take a context, a word or a list of words, give the probability that the model
    was trained for: of a word among words near to it. `probability` says what combine="inputs" and
    combine="log_probs" mean where a skip-gram model gets several words. All raise
    `UnknownWordError` for a word that the vocabulary does not hold, and `OptionError` for an empty
    context or an option outside its range.
    """

    vectors: Vectors
    outputs: np.ndarray
    tree: Tree | None
    vocabulary: Vocabulary
    options: Options
    losses: list[float | None] = field(default_factory=list)
    provenance: dict = field(default_factory=dict)
    holdout_losses: list[float] = field(default_factory=list)

    def __repr__(self) -> str:
        kind = f"{self.options.arch}/{self.options.loss}"
        return f"Model({len(self.vocabulary):,} words, dim {self.options.dim}, {kind})"

    def save(self, path: str | Path) -> None:
        """Write the model to one `.safetensors` file.

        Raises `OutputError` where that fails; a file that was there before stays whole.
        """
        storage.save_arrays(path, *self.parts())

    def parts(self) -> tuple[dict[str, np.ndarray], dict]:
        """What a model file holds: arrays by name, and a description as JSON can hold it."""
        arrays = {
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

    def export(self, path: str | Path, format: str | None = None) -> None:
        """Write the input vectors in a format other tools read; see `formats.save_vectors`."""
        save_vectors(self.vectors, path, format=format)

    def summary(self) -> dict:
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

        counts: occurrences of each word; those of words that are known are added up. No node moves:
        the probability of every word whose leaf is not split stays what it was to the bit, and a
        split leaf shares what it had equally with the new word. New vectors are small and random:
        the words have a place, and no meaning before they are trained.

        Raises
        ------
        OptionError
            The model has no tree. VocabularyError: an empty word, or a count that is not a whole
            number above 0.
        """
        for word, count in counts.items():
            if not isinstance(word, str) or not word:
                raise VocabularyError(f"{shown(repr(word), 60)}: expected a word")
            if isinstance(count, bool) or not isinstance(count, Integral) or count < 1:
                raise VocabularyError(
                    f"'{shown(word, 60)}' has the count {shown(repr(count), 60)}: expected a whole "
                    "number from 1"
                )
        self._become(*self._grown(self.vocabulary.extended(counts)))

    def update(
        self,
        corpus,
        *,
        new_words: bool = True,
        epochs: int | None = None,
        lr: float | None = None,
        min_count: int | None = None,
        threads: int | None = None,
        seed: int | None = None,
        lowercase: bool = False,
        errors: str = "strict",
        progress: bool = False,
    ) -> None:
        """Go on training with more text, whose new words join the model as in `add_words`.

        new_words: False leaves out words that the model does not know. epochs, min_count, seed: as
        in `train`, by default those of the model. lr: the rate at the start, by default half of
        the model's. What was known already moves only by the share of its occurrences that are new
        (`growth.settle`), so that a small text does not undo a large one. Where anything fails the
        model stays as it was.

        Raises
        ------
        OptionError, CorpusError, DivergedError, TypeError
        """
        run = update_options(
            self.options, epochs=epochs, lr=lr, min_count=min_count, threads=threads, seed=seed
        )
        cleaning = Cleaning(lowercase, errors)
        with display(progress) as bars:
            start, text, tree = self.begin_update(corpus, run, cleaning, new_words, bars)
            self.end_update(start, text, train_update(start, text, tree, bars.train))

    def begin_update(
        self, corpus, run: Options, cleaning: Cleaning, new_words: bool, bars
    ) -> tuple[Start, Corpus, Tree | None]:
        """Read the text of an update and make room for its words; the model stays as it is.

        run: from `update_options`. Returns what `train_update` takes.
        """
        if cleaning.errors not in ERRORS:
            raise OptionError(f"errors={cleaning.errors!r}: expected one of {', '.join(ERRORS)}")
        bars.step("compiling")
        reader.warm_up()
        text = read_corpus(
            corpus,
            min_count=run.min_count if new_words else 2**62,
            vocabulary=self.vocabulary,
            extend=True,
            cleaning=cleaning,
            threads=run.threads,
            progress=bars.read,
        )
        check_fits(text.vocabulary, padded(run.dim), 4)
        bars.step("tree")
        vocabulary, vectors, outputs, tree = self._grown(text.vocabulary)
        bars.note(
            f"{len(vocabulary) - len(self.vocabulary):,} new words, {len(vocabulary):,} in all"
        )
        bars.step("compiling")
        known = np.array([self.vocabulary.index.get(word, -1) for word in vocabulary.words])
        added = vocabulary.counts - np.where(known < 0, 0, self.vocabulary.counts[known])
        return Start(run, vectors, outputs, added, text.checksum), text, tree

    def end_update(self, start: Start, text: Corpus, weights: Weights) -> None:
        """Take over what `train_update` gave."""
        self._become(text.vocabulary, weights.vectors, weights.outputs, weights.tree)
        self.provenance.setdefault("updates", []).append(
            provenance(text, weights) | {"losses": weights.losses, "lr": start.options.lr}
        )

    def _grown(self, vocabulary: Vocabulary) -> tuple:
        """vocabulary, vectors, outputs and tree with the words of `vocabulary`, which holds all
        words of this model."""
        old, index, dim = self.vocabulary, vocabulary.index, self.options.dim
        new = [word for word in vocabulary.words if word not in old.index]
        rows = np.array([index[word] for word in (*old.words, *new)], np.int64)
        vectors = np.empty((len(vocabulary), dim), np.float32)
        vectors[rows[: len(old)]] = self.vectors.matrix
        # A seed of its own: these vectors must not be those that other words began with.
        vectors[rows[len(old) :]] = start_vectors(len(new), dim, self.options.seed + len(old))[
            :, :dim
        ]
        if self.tree is None:
            if new:
                raise OptionError(
                    f"{len(new):,} new words: a model of the full softmax has no tree that could "
                    "grow; update it with new_words=False, or train anew"
                )
            outputs = np.empty_like(vectors)
            outputs[rows] = self.outputs
            return vocabulary, vectors, outputs, None
        counts = vocabulary.counts[rows]
        tree, former = grow(self.tree, counts[: len(old)], counts[len(old) :], rows)
        outputs = np.zeros((tree.inner, dim), np.float32)
        outputs[former >= 0] = self.outputs[former[former >= 0]]
        return vocabulary, vectors, outputs, tree

    def _become(self, vocabulary, vectors, outputs, tree) -> None:
        self.vocabulary, self.vectors = vocabulary, Vectors(vocabulary.words, vectors)
        self.outputs, self.tree = outputs, tree
        for name in ("_predictor", "scorer"):
            self.__dict__.pop(name, None)

    # ---- probabilities --------------------------------------------------------------------------

    def log_prob(self, context, word: str, *, combine: str = "inputs") -> float:
        """log P(word | context) in nats, float64; O(path) for a tree, O(V) for the full softmax."""
        return float(self._predictor.log_probs([context], [word], combine)[0])

    def log_probs(self, contexts, words: Iterable[str], *, combine: str = "inputs") -> np.ndarray:
        """(B,) float64: `log_prob` of each of B contexts with the word at the same place."""
        return self._predictor.log_probs(contexts, words, combine)

    def distribution(self, context, *, combine: str = "inputs") -> np.ndarray:
        """(V,) float64: the probability of each word, in the order of `vectors.words`; O(V)."""
        return self._predictor.distribution(context, combine)

    def top_k(self, context, k: int = 10, *, combine: str = "inputs") -> TopWords:
        """The k most probable words, all V where k is more: .words, .probabilities, .visited.

        Exact. In a tree they are found by best-first search (see `kernels.probability`), which
        visits a small part of the inner nodes unless the distribution is almost flat.
        """
        return self._predictor.top_k(context, k, combine)

    def sample(self, context, n: int = 10, *, seed: int = 1, combine: str = "inputs") -> list[str]:
        """Draw n words independently from the distribution; O(path) each in a tree."""
        return self._predictor.sample(context, n, seed, combine)

    def perplexity(
        self, text, *, lowercase: bool = False, threads: int | None = None, progress: bool = False
    ) -> Perplexity:
        """The exact mean loss of a text, and baselines beside it; see `Perplexity`.

        text: anything `train` takes for a corpus, in UTF-8. Each word is predicted from every word
        at most `window` away, or from their mean; nothing is subsampled. Long lines are cut as in
        training. threads: None is one a core; the result does not depend on them.

        Raises
        ------
        CorpusError
            The text cannot be read, or holds nothing to predict.
        """
        cleaning = Cleaning(lowercase)
        return text_perplexity(self.scorer, text, cleaning, _threads(threads), progress)

    def score(
        self, sentences: Iterable, *, oov: str = "skip", threads: int | None = None
    ) -> np.ndarray:
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


def tree_arrays(tree: Tree, prefix: str = "tree") -> dict[str, np.ndarray]:
    """The arrays of a tree, by the names they have in a file."""
    return {
        f"{prefix}.offsets": tree.offsets,
        f"{prefix}.nodes": tree.nodes,
        f"{prefix}.bits": tree.bits,
    }


def provenance(corpus: Corpus, weights: Weights) -> dict:
    """What a model file says of the run: text, versions, figures."""
    text = {
        "names": corpus.names,
        "sha256": corpus.checksum,
        "tokens": corpus.tokens,
        "types": corpus.types,
        "retained_tokens": len(corpus.ids),
        "sentences": len(corpus.sentences) - 1,
        "mended_utf8": corpus.mended,
    }
    return facts_of(text, weights)


def facts_of(text: dict, weights: Weights) -> dict:
    """As `provenance`, of a text of which these facts are known."""
    import numba

    return {
        "corpus": text,
        "versions": {
            "w2v_hs": __version__,
            "python": platform.python_version(),
            "numpy": np.__version__,
            "numba": numba.__version__,
        },
        "training_seconds": weights.seconds,
        "predictions": weights.predictions,
        "peak_memory_bytes": peak_bytes(),
    }

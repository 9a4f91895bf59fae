"""A trained model: vectors, output weights, tree, counts, and how it came about."""

import math
import platform
from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

import numpy as np

from w2v_hs import __version__, progress, storage
from w2v_hs.corpus import Corpus, read_corpus
from w2v_hs.errors import FormatError, OptionError, shown
from w2v_hs.formats import save_vectors
from w2v_hs.holdout import Holdout, set_aside
from w2v_hs.kernels import reader
from w2v_hs.kernels.common import padded
from w2v_hs.likelihood import Perplexity, Scorer, padded_weights, score_sentences, text_perplexity
from w2v_hs.memory import check_fits, peak_bytes, run_bytes
from w2v_hs.options import Options
from w2v_hs.probability import Predictor, TopWords
from w2v_hs.text import Cleaning
from w2v_hs.trainer import check_softmax, train_weights
from w2v_hs.tree import TREES, Tree, entropy
from w2v_hs.vectors import Vectors
from w2v_hs.vocabulary import Vocabulary, load_vocabulary

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
        arrays = {
            "vectors": self.vectors.matrix,
            "outputs": self.outputs,
            "counts": self.vocabulary.counts,
            **storage.pack_words(self.vocabulary.words),
        }
        if self.tree is not None:
            arrays |= {
                "tree.offsets": self.tree.offsets,
                "tree.nodes": self.tree.nodes,
                "tree.bits": self.tree.bits,
            }
        description = {
            "format": FORMAT,
            "options": self.options.as_dict(),
            "losses": self.losses,
            "holdout_losses": self.holdout_losses,
            "provenance": self.provenance,
        }
        storage.save_arrays(path, arrays, description)

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


def train(
    corpus,
    *,
    arch: str = "skipgram",
    loss: str = "hs",
    tree: str = "huffman",
    dim: int = 100,
    window: int = 5,
    epochs: int = 5,
    min_count: int = 5,
    max_vocab: int | None = None,
    sample: float = 1e-3,
    lr: float | None = None,
    threads: int | None = None,
    seed: int = 1,
    holdout: float = 0.0,
    patience: int | None = None,
    vocab: str | Path | None = None,
    lowercase: bool = False,
    errors: str = "strict",
    progress: bool = False,
) -> Model:
    """Read a corpus, build the vocabulary and the tree, train.

    Parameters
    ----------
    corpus
        A path (file, folder, glob), a named corpus, ``nltk:NAME``, a list of `pathlib.Path`, or
        any iterable of lists of tokens.
    arch, loss, tree, dim, window, epochs, min_count, max_vocab, sample, lr, threads, seed, holdout,
    patience
        See `Options`.
    vocab
        A file of ``word count`` lines to take the vocabulary from; min_count and max_vocab then
        do not apply.
    lowercase, errors
        What is done to text: lower case; bytes that are not UTF-8 ("strict", "replace", "ignore").
    progress
        Show progress bars on standard error, if that is a terminal.

    Raises
    ------
    OptionError, CorpusError, VocabularyError, DivergedError, TypeError
    """
    options = Options(
        arch, loss, tree, dim, window, epochs, min_count, max_vocab, sample, lr, threads, seed,
        holdout, patience,
    )  # fmt: skip
    return train_options(
        corpus, options, vocab=vocab, cleaning=Cleaning(lowercase, errors), show=progress
    )


def train_options(
    corpus,
    options: Options,
    *,
    vocab: str | Path | None = None,
    cleaning: Cleaning = Cleaning(),  # noqa: B008 (frozen)
    show: bool = False,
) -> Model:
    """`train` with the options as one object."""
    if cleaning.errors not in ERRORS:
        raise OptionError(f"errors={cleaning.errors!r}: expected one of {', '.join(ERRORS)}")
    options = options.resolved()
    given = load_vocabulary(vocab) if vocab is not None else None
    with progress.display(show) as display:
        display.step("compiling")
        reader.warm_up()
        text = read_corpus(
            corpus,
            min_count=options.min_count,
            max_vocab=options.max_vocab,
            vocabulary=given,
            cleaning=cleaning,
            threads=options.threads,
            progress=display.read,
        )
        words = text.vocabulary
        copies = 1 if options.patience is None else 2
        check_fits(words, padded(options.dim), copies)
        built = None
        if options.loss == "hs":
            display.step("tree")
            built = TREES[options.tree](words.counts)
        else:
            check_softmax(len(words), options.dim)
        need = run_bytes(len(words), padded(options.dim), len(text.ids), copies)
        watch = None
        if options.holdout:
            text, aside = set_aside(text, options.holdout, options.seed)
            watch = Holdout(aside, built, options, display.note)
        display.note(
            f"{len(words):,} words, {len(text.ids):,} tokens; about {need / 1e6:,.0f} MB of memory"
        )
        display.step("compiling")
        weights = train_weights(text, built, options, display.train, watch)
    return Model(
        vectors=Vectors(words.words, weights.vectors[:, : options.dim]),
        outputs=weights.outputs[:, : options.dim],
        tree=built,
        vocabulary=words,
        options=options,
        losses=weights.losses,
        provenance=_provenance(text, weights) | (watch.provenance() if watch else {}),
        holdout_losses=[result.nats for result in watch.results] if watch else [],
    )


def load(path: str | Path) -> Model:
    """Read a model that `Model.save` wrote.

    Raises
    ------
    FormatError
        The file is missing, damaged, or not a model.
    """
    arrays, description = storage.load_arrays(path)
    try:
        if description["format"] != FORMAT:
            raise FormatError(
                f"{shown(path)}: model format {description['format']!r}, this version reads "
                f"{FORMAT}; install the version that wrote it"
            )
        options = Options(**description["options"])
        words = storage.unpack_words(arrays, path)
        tree = None
        if options.loss == "hs":
            tree = Tree(arrays["tree.offsets"], arrays["tree.nodes"], arrays["tree.bits"])
        model = Model(
            vectors=Vectors(words, arrays["vectors"]),
            outputs=arrays["outputs"],
            tree=tree,
            vocabulary=Vocabulary(words, arrays["counts"]),
            options=options,
            losses=description["losses"],
            provenance=description["provenance"],
            holdout_losses=description.get("holdout_losses", []),
        )
    except (KeyError, TypeError, ValueError, OverflowError) as error:
        if isinstance(error, FormatError):
            raise
        raise FormatError(f"{shown(path)}: incomplete or inconsistent model: {error}") from None
    _check(model, arrays["vectors"], path)
    return model


def _check(model: Model, vectors: np.ndarray, path: str | Path) -> None:
    """Raise `FormatError` unless all parts of a loaded model fit together."""
    words, dim, tree = len(model.vocabulary), model.options.dim, model.tree

    def expect(name: str, array: np.ndarray, dtype, shape: tuple, holds) -> None:
        if array.dtype != dtype or array.shape != shape:
            raise FormatError(
                f"{shown(path)}: {name} is {array.dtype} of shape {array.shape}, expected "
                f"{np.dtype(dtype)} of shape {shape}"
            )
        if not holds(array):
            raise FormatError(f"{shown(path)}: {name} holds values that no model has")

    def finite(array):
        return bool(np.isfinite(array).all())

    expect("vectors", vectors, np.float32, (words, dim), finite)
    expect("outputs", model.outputs, np.float32, (words - (tree is not None), dim), finite)
    expect("counts", model.vocabulary.counts, np.int64, (words,), lambda c: c.min() >= 1
           and c.sum(dtype=np.float64) < 2**62)  # fmt: skip
    if "" in model.vocabulary.words:
        raise FormatError(f"{shown(path)}: one of the words is empty")
    if tree is not None:
        steps = len(tree.nodes)
        expect("tree.offsets", tree.offsets, np.int64, (words + 1,), lambda o: o[0] == 0
               and o[-1] == steps and (np.diff(o) > 0).all())  # fmt: skip
        expect("tree.nodes", tree.nodes, np.int32, (steps,), lambda n: n.min() >= 0
               and n.max() < tree.inner)  # fmt: skip
        expect("tree.bits", tree.bits, np.uint8, (steps,), lambda b: b.max() <= 1)
    for losses in (model.losses, model.holdout_losses):
        if not isinstance(losses, list) or not all(
            loss is None or (isinstance(loss, float) and np.isfinite(loss)) for loss in losses
        ):
            raise FormatError(f"{shown(path)}: losses are not finite numbers")
    facts = model.provenance
    if not isinstance(facts, dict) or not isinstance(facts.get("corpus"), dict):
        raise FormatError(f"{shown(path)}: provenance names no corpus")


def _provenance(corpus: Corpus, weights) -> dict:
    import numba

    return {
        "corpus": {
            "names": corpus.names,
            "sha256": corpus.checksum,
            "tokens": corpus.tokens,
            "types": corpus.types,
            "retained_tokens": len(corpus.ids),
            "sentences": len(corpus.sentences) - 1,
            "mended_utf8": corpus.mended,
        },
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

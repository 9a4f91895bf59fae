"""A trained model: vectors, output weights, tree, counts, and how it came about."""

import math
import platform
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from w2v_hs import __version__, progress, storage
from w2v_hs.corpus import Corpus, read_corpus
from w2v_hs.errors import FormatError, OptionError, shown
from w2v_hs.formats import save_vectors
from w2v_hs.kernels import reader
from w2v_hs.kernels.common import padded
from w2v_hs.memory import check_fits, peak_bytes, run_bytes
from w2v_hs.options import Options
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
    predict. provenance: corpus, versions, figures of the run.
    """

    vectors: Vectors
    outputs: np.ndarray
    tree: Tree | None
    vocabulary: Vocabulary
    options: Options
    losses: list[float | None] = field(default_factory=list)
    provenance: dict = field(default_factory=dict)

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
            "provenance": self.provenance,
        }


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
    arch, loss, tree, dim, window, epochs, min_count, max_vocab, sample, lr, threads, seed
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
        arch, loss, tree, dim, window, epochs, min_count, max_vocab, sample, lr, threads, seed
    )
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
        check_fits(words, padded(options.dim))
        built = None
        if options.loss == "hs":
            display.step("tree")
            built = TREES[options.tree](words.counts)
        else:
            check_softmax(len(words), options.dim)
        need = run_bytes(len(words), padded(options.dim), len(text.ids))
        display.note(
            f"{len(words):,} words, {len(text.ids):,} tokens; about {need / 1e6:,.0f} MB of memory"
        )
        display.step("compiling")
        weights = train_weights(text, built, options, display.train)
    return Model(
        vectors=Vectors(words.words, weights.vectors[:, : options.dim]),
        outputs=weights.outputs[:, : options.dim],
        tree=built,
        vocabulary=words,
        options=options,
        losses=weights.losses,
        provenance=_provenance(text, weights),
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
    expect("counts", model.vocabulary.counts, np.int64, (words,), lambda c: c.min() >= 1)
    if "" in model.vocabulary.words:
        raise FormatError(f"{shown(path)}: one of the words is empty")
    if tree is not None:
        steps = len(tree.nodes)
        expect("tree.offsets", tree.offsets, np.int64, (words + 1,), lambda o: o[0] == 0
               and o[-1] == steps and (np.diff(o) > 0).all())  # fmt: skip
        expect("tree.nodes", tree.nodes, np.int32, (steps,), lambda n: n.min() >= 0
               and n.max() < tree.inner)  # fmt: skip
        expect("tree.bits", tree.bits, np.uint8, (steps,), lambda b: b.max() <= 1)
    losses, facts = model.losses, model.provenance
    if not isinstance(losses, list) or not all(
        loss is None or (isinstance(loss, float) and np.isfinite(loss)) for loss in losses
    ):
        raise FormatError(f"{shown(path)}: losses are not finite numbers")
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

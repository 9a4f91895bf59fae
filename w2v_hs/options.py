"""The options of training and of preprocessing: defaults, ranges, checks."""

import codecs
import math
import os
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any, Literal, cast, get_args

from w2v_hs.checks import one_of, real, short, warn, whole
from w2v_hs.errors import OptionError

Architecture = Literal["skipgram", "cbow"]
Loss = Literal["hs", "softmax"]
TreeKind = Literal["learned", "huffman", "balanced", "given"]
Side = Literal["left", "right", "both"]  # of the centre word, where its context words are
Order = Literal["frequency", "alphabetical", "random", "learned"]
OutOfVocabulary = Literal["skip", "error"]  # how to treat words that a model does not know
Combine = Literal["inputs", "log_probs"]  # how to predict from several context words
ARCHITECTURES: tuple[Architecture, ...] = get_args(Architecture)
LOSSES: tuple[Loss, ...] = get_args(Loss)
TREES: tuple[TreeKind, ...] = get_args(TreeKind)
SIDES: tuple[Side, ...] = get_args(Side)
ORDERS: tuple[Order, ...] = get_args(Order)
COMBINE: tuple[Combine, ...] = get_args(Combine)
LEARNING_RATES = {"skipgram": 0.025, "cbow": 0.05}  # as in word2vec.c
# An output vector learns from fewer predictions than a node near the root, so the full softmax
# needs larger steps. Curvature bounds them: in the output vectors it is at most 1/2 ||h||^2
# (Böhning 1992). Sessions and texts of 500 to 3,000 words diverge at 2 to 4 times this rate, CBOW
# on a text of 18 words at twice it.
SOFTMAX_LEARNING_RATE = 0.05
# Subsampling and learning rate fit the size of the text; docs/options.md has the figures.
SAMPLE, SMALL_TEXT_SAMPLE = 1e-4, 1e-3
LARGE_TEXT = 10_000_000  # tokens
SHORT_RUN = 50_000_000  # tokens * epochs * window, below which steps are larger,
LARGEST_STEPS = 2  # up to so many times
SENTENCE = "sentence"  # the window that is the whole sentence, in words
# What a run against the output layer of a model sets itself; the model determines all else.
COMPASS_OPTIONS = ("epochs", "lr", "threads", "seed", "holdout", "patience")
BUCKETS = 2_000_000  # as in fastText; more buckets, fewer n-grams share a vector
LEAST_LR = 1e-30  # 1e-4 of it, the rate at the end, is still above 0 in float32


@dataclass(frozen=True)
class Options:
    """The options of a training run.

    Parameters
    ----------
    arch
        "skipgram": each context word predicts the centre word. "cbow": the mean of their vectors
        does.
    loss
        "hs", hierarchical softmax, or "softmax", the full one.
    tree
        For "hs": "learned" (rebuilt from the vectors during training), "huffman", "balanced", or
        "given" (user-supplied).
    dim
        Dimension of the vectors.
    window
        Largest distance of a context word from the centre word, in words; None: the whole sentence
        is the window.
    shrink_windows
        Whether training draws the reach of each window from 1 to `window`, as word2vec.c does, or
        gives all of them their full size. The window of a whole sentence never shrinks.
    side
        Where the context words stand that predict a word: "left" of it, "right" of it, or "both".
    epochs
        Passes over the corpus.
    min_count
        Words with fewer occurrences are left out.
    max_vocab
        Size limit of the vocabulary, which keeps the most frequent words; None: no limit.
    sample
        Subsampling threshold as a fraction of all tokens; 0: no subsampling. None: 1e-4; for the
        full softmax and for a text of fewer than ten million tokens 1e-3.
    lr
        Initial learning rate, which decays linearly to 1e-4 of it. None: 0.025; for CBOW and the
        full softmax 0.05. With hierarchical softmax, short runs have 50 million / N times this
        rate, at most twice, where N is tokens * epochs * window.
    threads
        Number of threads; None: one per core.
    seed
        Seed of all random numbers. With one thread, the same seed gives the same bytes.
    holdout
        Fraction of the sentences held out, whose loss is measured after each epoch; 0: none.
    patience
        Stop after this many epochs without a lower loss on the held-out sentences, and keep the
        weights of the best epoch; None: train all epochs.
    tree_order
        Order of the words in a balanced tree: "frequency", "alphabetical", "random" or "learned".
    subwords
        The shortest and the longest character n-grams whose vectors, with the word's own, make the
        vector of a word; None: words have vectors of their own alone.
    buckets
        Number of buckets into which n-grams are hashed. Only those in use take memory.
    replicas
        Number of runs with different seeds whose vectors are merged.
    resample
        Draw the sentences of each of them with replacement.

    Raises
    ------
    OptionError
        A value is outside its range, `patience` is given without `holdout`, or `tree_order` without
        a balanced tree.
    """

    arch: Architecture = "skipgram"
    loss: Loss = "hs"
    tree: TreeKind = "learned"
    dim: int = 100
    window: int | None = 5
    shrink_windows: bool = True
    side: Side = "both"
    epochs: int = 5
    min_count: int = 5
    max_vocab: int | None = None
    sample: float | None = None
    lr: float | None = None
    threads: int | None = None
    seed: int = 1
    holdout: float = 0.0
    patience: int | None = None
    tree_order: Order = "frequency"
    subwords: tuple[int, int] | None = None
    buckets: int = BUCKETS
    replicas: int = 1
    resample: bool = False

    def __post_init__(self) -> None:
        checked: dict[str, Any] = {
            "arch": one_of("arch", self.arch, ARCHITECTURES),
            "loss": one_of("loss", self.loss, LOSSES),
            "tree": one_of("tree", self.tree, TREES),
            "tree_order": one_of("tree_order", self.tree_order, ORDERS),
            "dim": whole("dim", self.dim, 1, 65_536),
            "window": _window(self.window),
            "shrink_windows": one_of("shrink_windows", self.shrink_windows, (False, True)),
            "side": one_of("side", self.side, SIDES),
            "epochs": whole("epochs", self.epochs, 1, 1_000_000),
            "min_count": max(1, whole("min_count", self.min_count, 0, 2**62)),
            "seed": whole("seed", self.seed, 0, 2**63 - 1),
            "buckets": whole("buckets", self.buckets, 1, 2**31 - 1),
            "replicas": whole("replicas", self.replicas, 1, 1000),
            "resample": one_of("resample", self.resample, (False, True)),
            "holdout": real("holdout", self.holdout, 0.0, 0.5, "from 0 to 0.5"),
        }
        checked["shrink_windows"] &= checked["window"] is not None
        if self.max_vocab is not None:
            checked["max_vocab"] = whole("max_vocab", self.max_vocab, 2, 2**31 - 2)
        if self.sample is not None:
            checked["sample"] = real("sample", self.sample, 0.0, 1.0, "from 0 to 1")
        if self.lr is not None:
            limits = f"above 0, {LEAST_LR:g} at least"
            checked["lr"] = real("lr", self.lr, LEAST_LR, math.inf, limits)
        if self.threads is not None:
            checked["threads"] = whole("threads", self.threads, 1, 2**31)
        if self.patience is not None:
            checked["patience"] = whole("patience", self.patience, 1, 1_000_000)
            if checked["holdout"] == 0:
                raise OptionError(
                    f"patience={self.patience} without holdout: nothing tells the best epoch; "
                    "hold out a fraction of the text, as in holdout=0.01"
                )
        if checked["tree_order"] != "frequency" and checked["tree"] != "balanced":
            raise OptionError(
                f"tree_order={self.tree_order} with tree={self.tree}: only a balanced tree has an "
                "order to choose"
            )
        if self.subwords is not None:
            checked["subwords"] = ngram_range(self.subwords)
        for name, value in checked.items():
            object.__setattr__(self, name, value)  # plain int, float and str, not NumPy's

    def suited(self, tokens: int | None = None) -> "Options":
        """Fill in the defaults that depend on the architecture and the text.

        Parameters
        ----------
        tokens
            Tokens of the text that are in the vocabulary; None: so many that the defaults do not
            depend on them.

        Returns
        -------
        Options
            The same options with numbers for `sample` and `lr`.
        """
        if self.loss == "softmax":
            sample, lr = SMALL_TEXT_SAMPLE, SOFTMAX_LEARNING_RATE
        else:
            sample = SAMPLE if tokens is None or tokens >= LARGE_TEXT else SMALL_TEXT_SAMPLE
            lr = LEARNING_RATES[self.arch]
            if tokens and self.window is not None:
                lr *= min(max(SHORT_RUN / (tokens * self.epochs * self.window), 1), LARGEST_STEPS)
        return replace(self, sample=sample if self.sample is None else self.sample, lr=self.lr or lr)

    def resolved(self, tokens: int | None = None) -> "Resolved":
        """Fill in the defaults of `suited`, and those that depend on the machine.

        Parameters
        ----------
        tokens
            As in `suited`.

        Returns
        -------
        Resolved
            The same options with numbers for `sample`, `lr` and `threads`. More threads than there
            are cores are reduced to the number of cores, with a warning.
        """
        cores = available_cores()
        threads = self.threads or cores
        if threads > cores:
            warn(f"threads={threads}: this process may use {cores} cores; using {cores}")
            threads = cores
        return cast(Resolved, replace(self.suited(tokens), threads=threads))

    @property
    def learns_tree(self) -> bool:
        """Whether the tree is rebuilt from the vectors during training."""
        return self.loss == "hs" and "learned" in (self.tree, self.tree_order)

    def as_dict(self) -> dict[str, Any]:
        """The options by name, in types that JSON can represent."""
        return asdict(self) | {"window": SENTENCE if self.window is None else self.window}


def _window(given: Any) -> int | None:
    """A number of words, or None for the sentence, which files and the command line spell out."""
    is_sentence = given is None or (isinstance(given, str) and given == SENTENCE)
    return None if is_sentence else whole("window", given, 1, 1000)


def ngram_range(given: Any) -> tuple[int, int]:
    """The shortest and longest n-grams; `OptionError` where that is no range."""
    fault = f"subwords={short(given)}: expected the shortest and longest n-grams, such as (3, 6), up to 100"
    if not isinstance(given, (tuple, list)) or len(given) != 2:
        raise OptionError(fault)
    try:
        shortest = whole("subwords", given[0], 1, 100)
        return shortest, whole("subwords", given[1], shortest, 100)
    except OptionError:
        raise OptionError(fault) from None


if TYPE_CHECKING:

    class Resolved(Options):
        """To a type checker, `Options` whose `sample`, `lr` and `threads` are not None."""

        sample: float
        lr: float
        threads: int
else:
    Resolved = Options


def available_cores() -> int:
    """The number of cores that this process may use: its affinity mask, if the system has one."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


TOKENIZERS = ("none", "words", "treebank", "tweet", "wordpunct", "toktok")  # ours, and NLTK's without data
# Languages of NLTK's sentence splitter Punkt, in its package punkt_tab.
LANGUAGES = (
    "czech",
    "danish",
    "dutch",
    "english",
    "estonian",
    "finnish",
    "french",
    "german",
    "greek",
    "italian",
    "malayalam",
    "norwegian",
    "polish",
    "portuguese",
    "russian",
    "slovene",
    "spanish",
    "swedish",
    "turkish",
)
ERRORS = ("strict", "replace", "ignore")


@dataclass(frozen=True)
class Preprocessing:
    """Preprocessing of text before it is split at white space; `OptionError` for a wrong value."""

    lowercase: bool = False  # convert to lower case, as the last step
    # Bytes that are not UTF-8: "strict" raises, "replace" inserts U+FFFD, "ignore" drops them.
    errors: str = "strict"
    tokenize: str = "none"  # one of `TOKENIZERS`
    # One of `LANGUAGES`, for NLTK; None, also given as "none": a line is a sentence.
    split_sentences: str | None = None
    text_column: str | None = None  # Parquet column or key of JSON lines; None: the text is plain
    encoding: str = "utf-8"  # of files and standard input: a codec of Python

    def __post_init__(self) -> None:
        one_of("lowercase", self.lowercase, (False, True))
        one_of("errors", self.errors, ERRORS)
        one_of("tokenize", self.tokenize, TOKENIZERS)
        if one_of("split_sentences", self.split_sentences, (None, "none", *LANGUAGES)) == "none":
            object.__setattr__(self, "split_sentences", None)
        column = self.text_column
        if column is not None and (not isinstance(column, str) or not column):
            raise OptionError(f"text_column={short(column)}: expected the name of a column")
        if _codec(self.encoding).name == "utf-8":
            object.__setattr__(self, "encoding", "utf-8")

    @property
    def splits(self) -> bool:
        """Whether the text is raw: to be split into tokens or sentences."""
        return self.tokenize != "none" or self.split_sentences is not None

    @property
    def needs_nltk(self) -> bool:
        """Whether NLTK processes the text, line by line."""
        return self.tokenize not in ("none", "words") or self.split_sentences is not None


# Of literals and names of hosts, not of files; most of them hold the whole text in memory.
_NOT_OF_FILES = ("idna", "punycode", "raw-unicode-escape", "unicode-escape", "utf-7")


def _codec(name: str) -> codecs.CodecInfo:
    """The codec of a text encoding; `OptionError` if there is none of this name."""
    try:
        "".encode(name)  # refuses codecs of bytes
        if (codec := codecs.lookup(name)).name in _NOT_OF_FILES:
            raise LookupError
        return codec
    except (LookupError, TypeError, ValueError):
        raise OptionError(
            f"encoding={short(name)}: expected a text encoding of Python, such as latin-1, cp1252 or utf-16"
        ) from None

"""What a training run can be told, with its ranges and defaults."""

import math
import os
import warnings
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any, Literal, cast, get_args

from w2v_hs.checks import one_of, real, shown, whole
from w2v_hs.errors import OptionError

Architecture = Literal["skipgram", "cbow"]
Loss = Literal["hs", "softmax"]
TreeKind = Literal["learned", "huffman", "balanced", "given"]
Order = Literal["frequency", "alphabetical", "random", "learned"]
OutOfVocabulary = Literal["skip", "error"]  # what to do with words that a model does not know
Combine = Literal["inputs", "log_probs"]  # ways to predict from several words, see `probability`
ARCHITECTURES: tuple[Architecture, ...] = get_args(Architecture)
LOSSES: tuple[Loss, ...] = get_args(Loss)
TREES: tuple[TreeKind, ...] = get_args(TreeKind)
ORDERS: tuple[Order, ...] = get_args(Order)
COMBINE: tuple[Combine, ...] = get_args(Combine)
LEARNING_RATES = {"skipgram": 0.025, "cbow": 0.05}  # as in word2vec.c
LEAST_LR = 1e-30  # the kernels' float32 holds 1e-4 of it too


@dataclass(frozen=True)
class Options:
    """Options of a run.

    Parameters
    ----------
    arch
        "skipgram": each context word predicts the centre. "cbow": their mean does.
    loss
        "hs", hierarchical softmax, or "softmax", the full one.
    tree
        For "hs": "learned" (anew from the vectors while they are trained), "huffman", "balanced",
        or "given" (by the user).
    dim
        Length of a vector.
    window
        The farthest context word, in words to either side.
    epochs
        Passes over the corpus.
    min_count
        Occurrences below which a word is left out.
    max_vocab
        The most words to keep; None: all.
    sample
        Subsampling threshold as a share of all tokens; 0: off.
    lr
        Learning rate at the start, falling linearly to 1e-4 of it; None: 0.025 for skip-gram, 0.05
        for CBOW.
    threads
        None: one a core.
    seed
        Of all random numbers; with one thread the same seed gives the same bytes.
    holdout
        Share of the sentences set aside, whose loss is measured after each epoch; 0: none.
    patience
        Stop after this many epochs without a smaller loss of the sentences set aside, and keep the
        weights of the best; None: train all epochs.
    tree_order
        Of the words in a balanced tree: "frequency", "alphabetical", "random" or "learned".

    Raises
    ------
    OptionError
        A value outside its range, a patience without a holdout, or an order for a tree that has
        none.
    """

    arch: Architecture = "skipgram"
    loss: Loss = "hs"
    tree: TreeKind = "learned"
    dim: int = 100
    window: int = 5
    epochs: int = 5
    min_count: int = 5
    max_vocab: int | None = None
    sample: float = 1e-3
    lr: float | None = None
    threads: int | None = None
    seed: int = 1
    holdout: float = 0.0
    patience: int | None = None
    tree_order: Order = "frequency"

    def __post_init__(self) -> None:
        checked: dict[str, str | int | float] = {
            "arch": one_of("arch", self.arch, ARCHITECTURES),
            "loss": one_of("loss", self.loss, LOSSES),
            "tree": one_of("tree", self.tree, TREES),
            "tree_order": one_of("tree_order", self.tree_order, ORDERS),
            "dim": whole("dim", self.dim, 1, 65_536),
            "window": whole("window", self.window, 1, 1000),
            "epochs": whole("epochs", self.epochs, 1, 1_000_000),
            "min_count": whole("min_count", self.min_count, 1, 2**62),
            "sample": real("sample", self.sample, 0.0, 1.0, "from 0 to 1"),
            "seed": whole("seed", self.seed, 0, 2**63 - 1),
            "holdout": real("holdout", self.holdout, 0.0, 0.5, "from 0 to 0.5"),
        }
        if self.max_vocab is not None:
            checked["max_vocab"] = whole("max_vocab", self.max_vocab, 2, 2**31 - 2)
        if self.lr is not None:
            limits = f"above 0, {LEAST_LR:g} at least"
            checked["lr"] = real("lr", self.lr, LEAST_LR, math.inf, limits)
        if self.threads is not None:
            checked["threads"] = whole("threads", self.threads, 1, 2**31)
        if self.patience is not None:
            checked["patience"] = whole("patience", self.patience, 1, 1_000_000)
            if checked["holdout"] == 0:
                raise OptionError(
                    f"patience={self.patience} without holdout: nothing says which epoch is the "
                    "best; set a share of the text aside, as in holdout=0.01"
                )
        if checked["tree_order"] != "frequency" and checked["tree"] != "balanced":
            raise OptionError(
                f"tree_order={self.tree_order} with tree={self.tree}: only a balanced tree has an "
                "order to choose"
            )
        for name, value in checked.items():
            object.__setattr__(self, name, value)  # plain int, float and str where NumPy's came

    def resolved(self) -> "Resolved":
        """The same options with the defaults that depend on the run and the machine filled in.

        More threads than there are cores are cut to the cores, with a warning.
        """
        cores = available_cores()
        threads = self.threads or cores
        if threads > cores:
            warnings.warn(
                f"threads={threads}: this process may use {cores} cores; using {cores}",
                stacklevel=3,
            )
            threads = cores
        filled = replace(self, lr=self.lr or LEARNING_RATES[self.arch], threads=threads)
        return cast(Resolved, filled)

    @property
    def learns_tree(self) -> bool:
        """Whether the tree is built anew from the vectors while they are trained."""
        return self.loss == "hs" and "learned" in (self.tree, self.tree_order)

    def as_dict(self) -> dict[str, Any]:
        """The options by name, as JSON can hold them."""
        return asdict(self)


if TYPE_CHECKING:

    class Resolved(Options):
        """What `Options.resolved` gives: the same class, with numbers for all that may be None."""

        lr: float
        threads: int
else:
    Resolved = Options


def available_cores() -> int:
    """Cores this process may run on (its affinity mask, where the system has one)."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


TOKENIZERS = ("none", "treebank", "tweet", "wordpunct", "toktok")  # those that need no data
# The models of NLTK's Punkt for sentences, in its package punkt_tab.
LANGUAGES = (
    "czech", "danish", "dutch", "english", "estonian", "finnish", "french", "german", "greek",
    "italian", "malayalam", "norwegian", "polish", "portuguese", "russian", "slovene", "spanish",
    "swedish", "turkish",
)  # fmt: skip
ERRORS = ("strict", "replace", "ignore")


@dataclass(frozen=True)
class Preprocessing:
    """What is done to text before it is split at white space.

    lowercase: turn it to lower case, last of all. errors: what happens to bytes that are not UTF-8:
    "strict" is an error, "replace" puts U+FFFD, "ignore" leaves them out. tokenize: one of
    `TOKENIZERS`, of NLTK. split_sentences: the language of NLTK's sentence splitter; None takes
    each line for a sentence. text_column: of Parquet files and JSON lines, what holds the text.

    Raises `OptionError` where one of them is none of these.
    """

    lowercase: bool = False
    errors: str = "strict"
    tokenize: str = "none"
    split_sentences: str | None = None
    text_column: str | None = None

    def __post_init__(self) -> None:
        _expect("lowercase", self.lowercase, (False, True))
        _expect("errors", self.errors, ERRORS)
        _expect("tokenize", self.tokenize, TOKENIZERS)
        _expect("split_sentences", self.split_sentences, (None, *LANGUAGES))
        column = self.text_column
        if column is not None and (not isinstance(column, str) or not column):
            raise OptionError(f"text_column={_short(column)}: expected the name of a column")

    @property
    def splits(self) -> bool:
        """Whether text goes through NLTK."""
        return self.tokenize != "none" or self.split_sentences is not None


def _expect(name: str, value: object, choices: tuple[object, ...]) -> None:
    if not any(value == choice and type(value) is type(choice) for choice in choices):
        raise OptionError(f"{name}={_short(value)}: expected one of {', '.join(map(str, choices))}")


def _short(value: object) -> str:
    return shown(repr(value), 60)

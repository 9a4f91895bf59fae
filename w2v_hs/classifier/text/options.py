"""The options of a text classifier: defaults, ranges, checks."""

import math
from dataclasses import dataclass
from typing import Any, Literal, get_args

from w2v_hs.checks import one_of, real, whole
from w2v_hs.options import BUCKETS, LEAST_LR, TOKENIZERS, ngram_range

Loss = Literal["auto", "softmax", "hs"]
LabelTree = Literal["learned", "huffman"]
LOSSES: tuple[Loss, ...] = get_args(Loss)
LABEL_TREES: tuple[LabelTree, ...] = get_args(LabelTree)
DIM = 100
MOST_SOFTMAX = 1000  # labels up to which "auto" is the full softmax
# A table of all buckets is in memory, 4 bytes each.
MOST_BUCKETS = 100_000_000


@dataclass(frozen=True)
class TextOptions:
    """The options of training; `OptionError` for a value outside its range.

    Parameters
    ----------
    loss
        "softmax", the full one; "hs", hierarchical softmax over a tree of the labels; or "auto",
        the first of them up to 1,000 labels.
    tree
        For "hs": "learned", which splits labels by the mean vectors of their texts, or "huffman".
    dim
        Dimension of the vectors; None: 100, or that of pretrained ones.
    word_ngrams
        Longest n-grams of words that have vectors; 1: words alone.
    subwords
        The shortest and the longest character n-grams that have vectors; None: none.
    buckets
        Number of buckets into which n-grams are hashed. Only those in use have vectors.
    epochs
        Passes over the texts.
    lr
        Learning rate at the start, which falls linearly to 0.
    min_count
        Words with fewer occurrences are left out.
    lowercase
        Convert texts to lower case.
    tokenize
        How texts are split into words, as in `train`: "none", at white space.
    threads
        Number of threads.
    seed
        Seed of all random numbers. With one thread, the same seed gives the same bytes.
    """

    loss: Loss = "auto"
    tree: LabelTree = "learned"
    dim: int | None = None
    word_ngrams: int = 1
    subwords: tuple[int, int] | None = None
    buckets: int = BUCKETS
    epochs: int = 10
    lr: float = 1.0
    min_count: int = 1
    lowercase: bool = False
    tokenize: str = "none"
    threads: int = 1
    seed: int = 1

    def __post_init__(self) -> None:
        checked: dict[str, Any] = {
            "loss": one_of("loss", self.loss, LOSSES),
            "tree": one_of("tree", self.tree, LABEL_TREES),
            "word_ngrams": whole("word_ngrams", self.word_ngrams, 1, 100),
            "subwords": None if self.subwords is None else ngram_range(self.subwords),
            "buckets": whole("buckets", self.buckets, 1, MOST_BUCKETS),
            "epochs": whole("epochs", self.epochs, 1, 1_000_000),
            "lr": real("lr", self.lr, LEAST_LR, math.inf, f"above 0, {LEAST_LR:g} at least"),
            "min_count": max(1, whole("min_count", self.min_count, 0, 2**62)),
            "lowercase": one_of("lowercase", self.lowercase, (False, True)),
            "tokenize": one_of("tokenize", self.tokenize, TOKENIZERS),
            "threads": whole("threads", self.threads, 1, 1024),
            "seed": whole("seed", self.seed, 0, 2**63 - 1),
        }
        if self.dim is not None:
            checked["dim"] = whole("dim", self.dim, 1, 65_536)
        for name, value in checked.items():
            object.__setattr__(self, name, value)

    @property
    def has_ngrams(self) -> bool:
        """Whether n-grams, of words or characters, have vectors."""
        return self.word_ngrams > 1 or self.subwords is not None

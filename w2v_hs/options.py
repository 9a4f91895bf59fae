"""What a training run can be told, with its ranges and defaults."""

import math
import os
import warnings
from dataclasses import asdict, dataclass, replace

from w2v_hs.errors import OptionError

ARCHITECTURES = ("skipgram", "cbow")
LOSSES = ("hs", "softmax")
TREES = ("huffman", "balanced")
LEARNING_RATES = {"skipgram": 0.025, "cbow": 0.05}  # as in word2vec.c


@dataclass(frozen=True)
class Options:
    """Options of a run.

    arch: "skipgram" or "cbow". loss: "hs" (hierarchical softmax) or "softmax" (full). tree:
    "huffman" or "balanced", for "hs". dim: length of a vector. window: the farthest context word,
    in words to either side. epochs: passes over the corpus. min_count: occurrences below which a
    word is left out. max_vocab: the most words to keep (None: all). sample: subsampling threshold
    as a share of all tokens (0: off). lr: learning rate at the start, falling linearly to 1e-4 of
    it (None: 0.025 for skip-gram, 0.05 for CBOW). threads: None is one a core. seed: of all random
    numbers; with one thread the same seed gives the same bytes.

    Raises
    ------
    OptionError
        A value outside its range.
    """

    arch: str = "skipgram"
    loss: str = "hs"
    tree: str = "huffman"
    dim: int = 100
    window: int = 5
    epochs: int = 5
    min_count: int = 5
    max_vocab: int | None = None
    sample: float = 1e-3
    lr: float | None = None
    threads: int | None = None
    seed: int = 1

    def __post_init__(self):
        _one_of("arch", self.arch, ARCHITECTURES)
        _one_of("loss", self.loss, LOSSES)
        _one_of("tree", self.tree, TREES)
        _whole("dim", self.dim, 1, 65_536)
        _whole("window", self.window, 1, 1000)
        _whole("epochs", self.epochs, 1, 1_000_000)
        _whole("min_count", self.min_count, 1, 2**62)
        if self.max_vocab is not None:
            _whole("max_vocab", self.max_vocab, 2, 2**31 - 2)
        _real("sample", self.sample, 0.0, 1.0)
        if self.lr is not None:
            _real("lr", self.lr, 0.0, math.inf, above=True)
        if self.threads is not None:
            _whole("threads", self.threads, 1, 2**31)
        _whole("seed", self.seed, 0, 2**63 - 1)

    def resolved(self) -> "Options":
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
        return replace(self, lr=self.lr or LEARNING_RATES[self.arch], threads=threads)

    def as_dict(self) -> dict:
        return asdict(self)


def available_cores() -> int:
    """Cores this process may run on (its affinity mask, where the system has one)."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _one_of(name, value, choices):
    if value not in choices:
        raise OptionError(f"{name}={value!r}: expected one of {', '.join(choices)}")


def _whole(name, value, low, high):
    if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
        raise OptionError(f"{name}={value!r}: expected a whole number from {low} to {high}")


def _real(name, value, low, high, above=False):
    bad = isinstance(value, bool) or not isinstance(value, (int, float)) or not math.isfinite(value)
    if bad or not low <= value <= high or (above and value == low):
        limits = f"above {low:g}" if above else f"from {low:g} to {high:g}"
        raise OptionError(f"{name}={value!r}: expected a finite number {limits}")

"""How much memory a run needs, in bytes."""

import contextlib
import sys
from pathlib import Path

from w2v_hs.errors import VocabularyError
from w2v_hs.files.memory import available_bytes
from w2v_hs.text.vocabulary import Vocabulary
from w2v_hs.vectors.subwords import NGRAM_BYTES, Ngrams

OVERHEAD = 190 << 20  # Python, NumPy, Numba and its compiler


def model_bytes(words: int, stride: int, matrices: int = 2) -> int:
    """Weight matrices, the tree and the words, for `words` words and padded rows.

    matrices: 2; 4 where those of the best epoch are kept; one more where a tree is learned, for the
    mean contexts.
    """
    path = max(words - 1, 1).bit_length() + 4
    return words * (matrices * 4 * stride + 5 * path + 120)


def ngram_bytes(words: list[str], ngrams: Ngrams, stride: int, copies: int) -> int:
    """What n-grams add: their rows, those of the words, and lists of each word's rows.

    While the lists are made, they take three times what they have in the end.
    """
    offsets, _ = ngrams.of(words)
    rows = len(words) + len(ngrams)
    return 4 * copies * rows * stride + NGRAM_BYTES * (int(offsets[-1]) + len(words))


def run_bytes(words: int, stride: int, tokens: int, matrices: int = 2, ngrams: int = 0) -> int:
    """What a whole run over `tokens` retained tokens is expected to take at its peak."""
    return OVERHEAD + model_bytes(words, stride, matrices) + ngrams + 4 * tokens


def check_fits(
    vocabulary: Vocabulary, stride: int, matrices: int = 2, free: int | None = None, ngrams: int = 0
) -> None:
    """Raise `VocabularyError` if the model does not fit, naming the min_count that would.

    free: bytes of memory; None: those that the system says are available.
    """
    free = available_bytes() if free is None else free
    if free is None:
        return
    need = model_bytes(len(vocabulary), stride, matrices) + ngrams + OVERHEAD
    if need <= free:
        return
    words = int((free - OVERHEAD) * len(vocabulary) // (need - OVERHEAD))
    advice = "no vocabulary fits; lower dim"
    if words >= 2:
        advice = f"max_vocab={words} or min_count={vocabulary.counts[words] + 1} would fit, or lower dim"
    raise VocabularyError(
        f"{len(vocabulary):,} words need about {need:,} bytes of memory, {free:,} are free; {advice}"
    )


def peak_bytes() -> int:
    """The most memory this process has held so far; 0 where the system does not say."""
    try:
        import resource  # not on Windows
    except ImportError:
        return 0
    # Linux's `ru_maxrss` may be that of the parent process.
    with contextlib.suppress(OSError):
        for line in Path("/proc/self/status").read_text().splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) * 1024
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024

"""The windows of a run: which words of a sentence are the context of a word."""

import numpy as np

from w2v_hs.checks import option
from w2v_hs.errors import CorpusError
from w2v_hs.formatting import texts
from w2v_hs.kernels.common import Window
from w2v_hs.options import Options
from w2v_hs.text.corpus import LONGEST_SENTENCE, Corpus
from w2v_hs.types import Int64


def kernel_window(options: Options, sentences: Int64) -> Window:
    """The window as kernels take it; sentences: (n + 1,), the bounds of those it is used on."""
    reach = options.window
    if reach is None:
        reach = max(1, int(np.diff(sentences).max(initial=0)) - 1)
    left, right = (0 if options.side == other else reach for other in ("right", "left"))
    return Window(left, right, options.shrink_windows)


def expected_contexts(options: Options, sentences: Int64 | None = None) -> float:
    """Context words of a word, in the mean over its reach, or over whole `sentences`."""
    if options.window is not None:
        both = float(options.window + 1 if options.shrink_windows else 2 * options.window)
    else:
        assert sentences is not None  # without them only numbers are allowed
        lengths = np.diff(sentences).astype(np.float64)
        both = float(lengths @ lengths / max(1.0, lengths.sum())) - 1
    return both if options.side == "both" else both / 2


def check_whole(corpus: Corpus, options: Options) -> None:
    """Raise `CorpusError` if sentences may have been cut, and the window is the sentence."""
    if options.window is None and np.diff(corpus.sentences).max(initial=0) >= LONGEST_SENTENCE:
        raise CorpusError(
            f"{texts(corpus.names)}: {option('window', 'sentence')} and a sentence of {LONGEST_SENTENCE:,} "
            "words or more, where sentences are cut; give shorter ones, or a number as window"
        )

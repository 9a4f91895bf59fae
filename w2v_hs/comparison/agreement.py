"""How far several runs of one text agree: the neighbours of words, and their similarities."""

import itertools
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from w2v_hs.checks import whole
from w2v_hs.comparison.change import CANDIDATES, listed_runs
from w2v_hs.comparison.neighbourhoods import agreement
from w2v_hs.comparison.sides import Shared, asked_rows, check_no_run_twice, named_runs
from w2v_hs.errors import OptionError
from w2v_hs.evaluation.evaluation import Result
from w2v_hs.evaluation.statistics import Interval, check_confidence
from w2v_hs.model import Model
from w2v_hs.types import Float64, Word
from w2v_hs.vectors import Vectors

TOP = 1000


@dataclass(frozen=True)
class Similarity:
    """The cosine of two words over the runs."""

    mean: float
    interval: Interval  # of the mean over endlessly many such runs
    prediction: Interval  # in which one more such run falls


@dataclass(frozen=True)
class Neighbor:
    """One of the words of highest mean cosine."""

    word: Any
    runs: int  # that have it among their own nearest
    cosine: Similarity


@dataclass(frozen=True)
class WordStability:
    """How far the runs agree on one word."""

    word: Any
    overlap: float  # the share of its neighbours that two runs have in common, mean over all pairs
    neighbors: list[Neighbor]


@dataclass(frozen=True)
class Pair:
    """Two of the words asked for."""

    words: tuple[Any, Any]
    cosine: Similarity


@dataclass
class Stability(Result):
    """Words with their neighbours over the runs, and how they were found."""

    words: list[WordStability] = field(
        repr=False
    )  # the most frequent first; or those asked for, in their order
    pairs: list[Pair] = field(repr=False)  # of the words asked for
    asked: bool  # whether words were asked for
    overlap: float  # mean over the ranked words
    runs: int
    ranked_words: int  # the most frequent shared words
    shared_words: int
    without_direction: int  # shared words that a zero or non-finite vector leaves out
    candidates: int  # the most frequent shared words, among which neighbours are found
    k: int
    confidence: float


def stability(
    models: Iterable[Model | Vectors],
    words: Word | Iterable[Word] | None = None,
    *,
    k: int = 10,
    top: int | None = TOP,
    candidates: int = CANDIDATES,
    confidence: float = 0.95,
) -> Stability:
    """Tell how far several runs of one text agree on neighbours and similarities.

    The neighbours of a word are those of highest mean cosine over the runs. Each comes with the
    number of runs that have it among their own `k` nearest (Antoniak and Mimno 2018).

    A cosine has two intervals, both from Student's t over the runs: that of the mean covers the
    mean over endlessly many such runs, and shrinks with their number; the prediction interval
    covers the cosine of one more run. Runs of several seeds vary by the noise of training only,
    those of `train(..., resample=True)` also by that of the text: how far another text of the same
    kind may be from this one is the width of their prediction interval.

    Parameters
    ----------
    models : iterable of Model or Vectors
        Two or more, of the same dimension: those that `train` keeps with `keep_replicas`.
    words : str, int, or iterable of them, optional
        Return these, in this order, and the similarities of all pairs of them. By default: the most
        frequent words.
    k : int
        How many neighbours of a word.
    top : int, optional
        Over how many words the mean overlap is taken, the most frequent; 0 or None: all.
    candidates : int
        Neighbours come from this many shared words, the most frequent.
    confidence : float
        Of the intervals.

    Raises
    ------
    UnknownWordError
        One of `words` is not in all runs.
    OptionError
        There are fewer than two runs, one is given twice, they share no words or differ in
        dimension, or an option is outside its range.
    TypeError
        `models` holds something other than models and `Vectors`.
    """
    runs = listed_runs("models", models)
    if len(runs) < 2:
        raise OptionError("found a single run; expected two or more runs of one text")
    confidence = check_confidence(confidence)
    shared = Shared.of(runs)
    check_no_run_twice("models", shared.units)
    if len(shared) == 1:
        raise OptionError("1 shared word, which has no neighbours; expected runs of one text")
    asked = asked_rows(words, named_runs(runs), shared)
    candidates = min(len(shared), whole("candidates", candidates, 2))
    k = whole("k", k, 1, candidates - 1)
    ranked = min(whole("top", top or 0, 0) or len(shared), len(shared))

    rows = np.union1d(np.arange(ranked), np.array(asked or [], np.int64))
    found = agreement(shared.units, rows, candidates, k)
    places = range(ranked) if asked is None else np.searchsorted(rows, asked).tolist()

    def described(place: int) -> WordStability:
        cosines = similarities(found.cosines[place], confidence)
        neighbors = zip(found.neighbors[place].tolist(), found.votes[place].tolist(), cosines, strict=True)
        return WordStability(
            shared.words[int(rows[place])],
            float(found.overlaps[place]),
            [Neighbor(shared.words[row], votes, cosine) for row, votes, cosine in neighbors],
        )

    pairs = list(itertools.combinations(dict.fromkeys(asked or ()), 2))
    of_pairs = np.array([[unit[a] @ unit[b] for unit in shared.units] for a, b in pairs])
    return Stability(
        words=[described(place) for place in places],
        pairs=[
            Pair((shared.words[a], shared.words[b]), cosine)
            for (a, b), cosine in zip(pairs, similarities(of_pairs, confidence), strict=True)
        ],
        asked=asked is not None,
        overlap=float(found.overlaps[:ranked].mean()),
        runs=len(runs),
        ranked_words=ranked,
        shared_words=len(shared),
        without_direction=shared.without_direction,
        candidates=candidates,
        k=k,
        confidence=confidence,
    )


def similarities(cosines: Float64, confidence: float) -> list[Similarity]:
    """Means and intervals by Student's t of cosines (n, runs), of two runs or more."""
    if not len(cosines):
        return []
    from scipy.special import stdtrit

    runs = cosines.shape[1]
    means = cosines.mean(axis=1, dtype=np.float64)
    reach = stdtrit(runs - 1, (1 + confidence) / 2) * cosines.std(axis=1, ddof=1, dtype=np.float64)

    def bounds(share: float) -> list[Interval]:
        ends = np.clip([means - share * reach, means + share * reach], -1, 1)
        return [(low, high) for low, high in ends.T.tolist()]

    intervals, predictions = bounds(runs**-0.5), bounds((1 + 1 / runs) ** 0.5)
    return [Similarity(*each) for each in zip(means.tolist(), intervals, predictions, strict=True)]

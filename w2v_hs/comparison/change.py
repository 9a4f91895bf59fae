"""Which words changed between two texts: their neighbours, and their distance after alignment."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from w2v_hs.checks import one_of, option, quoted, several, whole
from w2v_hs.comparison.alignment import cosines, fit
from w2v_hs.comparison.neighbourhoods import nearest, overlaps
from w2v_hs.comparison.sides import NO_COUNTS, Shared, vectors_of
from w2v_hs.errors import OptionError, UnknownWordError
from w2v_hs.evaluation.evaluation import Result
from w2v_hs.evaluation.statistics import RESAMPLES, Bool, Interval, check_confidence
from w2v_hs.model import Model
from w2v_hs.types import Float32, Float64, Int64, Word
from w2v_hs.vectors import Vectors

ORDERS = ("overlap", "distance")
CANDIDATES = 10_000
NEIGHBORS = 1000  # as Gonen et al.; fewer for a small vocabulary
SHARE = 10  # at most one candidate of so many is a neighbour, unless told otherwise
MIN_COUNT = 100
PEERS = 101  # words of about the same frequency, with which a word is compared
_WORDS = 1024  # whose resamples are held at once: 16 MiB

Neighbors = list[tuple[Any, float]]


@dataclass(frozen=True)
class Figure:
    """One measure of change of one word."""

    value: float
    usual: float | None  # the median of words of similar frequency; None: the word is not ranked
    interval: Interval | None  # of the value; None: one run of each text


@dataclass(frozen=True)
class WordShift:
    """How much one word changed."""

    word: Any
    rank: int | None  # 1 for the word that changed most; None: too rare to be ranked
    overlap: Figure  # the share of the nearest neighbours that stayed: 1 for no change
    distance: Figure  # 1 - cosine of the two vectors after the rotation: 0 for no change
    counts: tuple[int, int] | None  # in the old and the new text; None: not known
    old_neighbors: Neighbors | None  # words and cosines; None: the word was not asked for
    new_neighbors: Neighbors | None


@dataclass
class Shift(Result):
    """Words by change, and how they were compared."""

    words: list[WordShift] = field(
        repr=False
    )  # those that changed most first; or those asked for, in their order
    by: str
    raw: bool
    shared_words: int
    ranked_words: int
    without_direction: int  # shared words that a zero or non-finite vector leaves out
    candidates: int  # the most frequent shared words, among which neighbours are found
    neighbors: int  # of each word, compared in the overlap
    min_count: int | None  # of the ranked words; None: counts are not known
    runs: tuple[int, int]  # of the old and the new text
    confidence: float
    resamples: int
    seed: int


def shift(
    old: Model | Vectors | Sequence[Model | Vectors],
    new: Model | Vectors | Sequence[Model | Vectors],
    words: Word | Iterable[Word] | None = None,
    *,
    by: str = "overlap",
    raw: bool = False,
    top: int | None = 10_000,
    min_count: int | None = None,
    neighbors: int | None = None,
    candidates: int = CANDIDATES,
    k: int = 10,
    confidence: float = 0.95,
    seed: int = 1,
) -> Shift:
    """Rank words by how much they changed between two texts.

    Two measures for each word. The overlap of its neighbours is the share of the nearest words that
    stayed the same (Gonen et al. 2020); it needs no alignment. The distance is 1 - cosine of its
    two vectors after the rotation that `align` finds (Hamilton, Leskovec and Jurafsky 2016).

    Both depend on frequency: the rarer a word, the more it moves by chance (Dubossarsky, Weinshall
    and Grossman 2017). So words rank by the difference of their figure from the usual one, the
    median of the 101 words of most similar frequency.

    With several runs of a text, figures are means over all pairs of an old and a new run, with
    intervals by a bootstrap of the runs. These tell how far the noise of training reaches, and are
    too narrow for fewer than about five runs of each text; other texts of the same periods would
    vary more.

    Parameters
    ----------
    old, new : Model, Vectors, or list of them
        Of the same dimension. A list: runs of one text with different seeds.
    words : str, int, or iterable of them, optional
        Return these, in this order, with their neighbours then and now. By default: all ranked
        words, without neighbours.
    by : str
        What ranks: "overlap" or "distance".
    raw : bool
        Rank by the figures as they are, whatever the frequency.
    top : int, optional
        Rank only this many shared words, the most frequent; 0 or None: all.
    min_count : int, optional
        Rank only words that occur at least this often in both texts. By default 100. It does not
        apply to files of vectors and to models trained against a compass: they hold no counts of
        their text.
    neighbors : int, optional
        How many nearest neighbours of a word are compared. By default 1000, but at most a tenth of
        the candidates.
    candidates : int
        Neighbours come from this many shared words, the most frequent.
    k : int
        How many neighbours of each of `words` to return.
    confidence : float
        Of the intervals.
    seed : int
        Of the bootstrap.

    Raises
    ------
    UnknownWordError
        One of `words` is not in all of them.
    OptionError
        As `align`; or no word is frequent enough to be ranked.
    TypeError
        `old` or `new` holds something other than models and `Vectors`.
    """
    one_of("by", by, ORDERS)
    sides = {"old": listed_runs("old", old), "new": listed_runs("new", new)}
    confidence, seed, k = check_confidence(confidence), whole("seed", seed, 0), whole("k", k, 1)
    shared = Shared.of([*sides["old"], *sides["new"]])
    asked = asked_rows(words, sides, shared)
    ranked, min_count = _ranked(shared, top, min_count)
    candidates, neighbors = _neighborhood(len(shared), candidates, neighbors)
    runs = len(sides["old"])
    before, after = shared.units[:runs], shared.units[runs:]

    rows = np.union1d(ranked, np.array(asked or [], np.int64))
    figures = {
        "distance": _distances(before, after, rows),  # first: it may find too few words
        "overlap": overlaps(before, after, rows, candidates, neighbors),
    }
    is_ranked = np.isin(rows, ranked)
    measured = {name: _Measured.of(each, is_ranked, confidence, seed) for name, each in figures.items()}
    order = _order(measured, by, raw, is_ranked)
    ranks = {int(place): rank for rank, place in enumerate(order, 1)}
    places = order.tolist() if asked is None else np.searchsorted(rows, asked).tolist()

    def described(place: int) -> WordShift:
        row = int(rows[place])
        near: list[Neighbors | None] = [None, None]
        if asked is not None:
            found = (nearest(units, row, candidates, k) for units in (before, after))
            near = [[(shared.words[other], cosine) for other, cosine in one] for one in found]
        counts = shared.counts and (int(shared.counts[0][row]), int(shared.counts[-1][row]))
        overlap, distance = (measured[name].figure(place) for name in ORDERS)
        return WordShift(shared.words[row], ranks.get(place), overlap, distance, counts or None, *near)

    return Shift(
        words=[described(place) for place in places],
        by=by,
        raw=bool(raw),
        shared_words=len(shared),
        ranked_words=len(ranked),
        without_direction=shared.without_direction,
        candidates=candidates,
        neighbors=neighbors,
        min_count=min_count,
        runs=(len(before), len(after)),
        confidence=confidence,
        resamples=RESAMPLES,
        seed=seed,
    )


def listed_runs(name: str, given: Any) -> list[Any]:
    """One model or several as a list."""
    runs = [given] if isinstance(given, Model | Vectors) or not isinstance(given, Iterable) else list(given)
    if not runs:
        raise OptionError(f"{name} is empty; expected a model or vectors, or several runs of one text")
    return runs


def asked_rows(words: Any, sides: dict[str, list[Any]], shared: Shared) -> list[int] | None:
    """The rows of the words to show; `UnknownWordError` for one that is not shared."""
    if words is None:
        return None
    listed = several(words)
    index = {str(word): row for row, word in enumerate(shared.words)}
    for word in listed:
        for name, other in (("old", "new"), ("new", "old")):
            for run in sides[name]:
                try:
                    vectors_of(run).row(word)
                except UnknownWordError as error:
                    there = all(word in vectors_of(each) for each in sides[other])
                    hint = f"; {other} has it: look at its neighbours there" if there else ""
                    raise UnknownWordError(f"{name}: {error}{hint}") from None
        if str(word) not in index:
            raise UnknownWordError(f"{quoted(word)} has a vector that is zero or not finite")
    return [index[str(word)] for word in listed]


def _ranked(shared: Shared, top: int | None, min_count: int | None) -> tuple[Int64, int | None]:
    """The rows to rank, in ascending order, and the count that they reach."""
    most = whole("top", top or 0, 0) or len(shared)
    rows = np.arange(min(len(shared), most))
    if shared.counts is None:
        if min_count is not None:
            raise OptionError(f"{option('min_count')}: {NO_COUNTS}; use {option('top')} instead")
        return rows, None
    least = MIN_COUNT if min_count is None else whole("min_count", min_count, 1)
    counts = np.min(shared.counts, axis=0)
    rows = rows[counts[rows] >= least]
    if not len(rows):
        raise OptionError(
            f"none of {len(shared):,} shared words occurs {least:,} times in both texts, at most "
            f"{counts.max():,}; lower {option('min_count')}"
        )
    return rows, least


def _neighborhood(words: int, candidates: int, neighbors: int | None) -> tuple[int, int]:
    """How many words can be neighbours, and how many are."""
    candidates = min(words, whole("candidates", candidates, 2))
    if neighbors is None:
        return candidates, max(1, min(NEIGHBORS, candidates // SHARE))
    return candidates, whole("neighbors", neighbors, 1, candidates - 1)


def _distances(old: list[Float32], new: list[Float32], rows: Int64) -> Float64:
    """1 - cosine of each word after the rotation of each new run onto each old one, (W, m, n)."""
    found = np.empty((len(rows), len(old), len(new)))
    for i, target in enumerate(old):
        for j, source in enumerate(new):
            matrix, _ = fit(source, target)
            found[:, i, j] = (1 - cosines(source[rows] @ matrix, target[rows])).clip(0)  # of rounding
    return found


@dataclass(frozen=True)
class _Measured:
    """One measure of all W words."""

    values: Float64  # (W,)
    usual: Float64  # (W,); NaN for words that are not ranked
    intervals: list[Interval] | None

    @classmethod
    def of(cls, figures: Float64, is_ranked: Bool, confidence: float, seed: int) -> "_Measured":
        """Of figures (W, m, n) of each old with each new run, words in the order of frequency."""
        from scipy.ndimage import median_filter

        values = figures.mean(axis=(1, 2))
        usual = np.full(len(values), np.nan)
        usual[is_ranked] = median_filter(values[is_ranked], PEERS, mode="reflect")
        several = figures[0].size > 1
        return cls(values, usual, _intervals(figures, confidence, seed) if several else None)

    def figure(self, place: int) -> Figure:
        usual = float(self.usual[place])
        interval = None if self.intervals is None else self.intervals[place]
        return Figure(float(self.values[place]), None if np.isnan(usual) else usual, interval)


def _order(measured: dict[str, _Measured], by: str, raw: bool, is_ranked: Bool) -> Int64:
    """The places of the ranked words, most changed first; the other measure decides ties."""
    keys = {name: each.values if raw else each.values - each.usual for name, each in measured.items()}
    keys["distance"] = -keys["distance"]
    order: Int64 = np.lexsort((keys[ORDERS[1 - ORDERS.index(by)]], keys[by]))
    return order[is_ranked[order]]


def _intervals(figures: Float64, confidence: float, seed: int) -> list[Interval]:
    """Percentiles of each word's mean over resampled runs (Efron 1979).

    figures: (W, m, n), of each old run with each new one. Old and new runs are resampled apart.
    """
    words, m, n = figures.shape
    rng = np.random.default_rng(seed)
    shares = [rng.multinomial(runs, [1 / runs] * runs, size=RESAMPLES) / runs for runs in (m, n)]
    weights = np.einsum("ri,rj->rij", *shares).reshape(RESAMPLES, m * n)
    bounds = [(1 - confidence) / 2, (1 + confidence) / 2]
    found: list[Interval] = []
    for first in range(0, words, _WORDS):
        resampled = figures[first : first + _WORDS].reshape(-1, m * n) @ weights.T
        found += zip(*np.quantile(resampled, bounds, axis=1).tolist(), strict=True)
    return found

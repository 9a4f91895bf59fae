"""Which words changed between two texts: their neighbours, and their distance after alignment."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

import numpy as np

from w2v_hs.checks import one_of, option, whole
from w2v_hs.comparison.alignment import cosines, fit
from w2v_hs.comparison.control import Changes, check_control, p_and_q, trained_again
from w2v_hs.comparison.neighbourhoods import nearest, overlaps
from w2v_hs.comparison.sides import NO_COUNTS, Shared, asked_rows, check_no_run_twice
from w2v_hs.errors import OptionError
from w2v_hs.evaluation.evaluation import Result
from w2v_hs.evaluation.statistics import RESAMPLES, Bool, Interval, check_confidence, pair_intervals
from w2v_hs.model import Model
from w2v_hs.progress import display
from w2v_hs.types import Float32, Float64, Int64, Texts, Word
from w2v_hs.vectors import Vectors

ORDERS = ("overlap", "distance")
CANDIDATES = 10_000
NEIGHBORS = 1000  # as Gonen et al.; fewer for a small vocabulary
SHARE = 10  # at most one candidate of so many is a neighbour, unless told otherwise
MIN_COUNT = 100
PEERS = 101  # words of about the same frequency, with which a word is compared
Q = 0.05  # of words that are counted as changed

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
    p: float | None = None  # by the control; None: there is none, or the word is not ranked
    q: float | None = None  # p, adjusted to the number of words


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
    control: int = 0  # rounds
    shuffle: str | None = None  # what the control shuffles
    changed_words: int | None = None  # ranked words with q < 0.05; None: no control


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
    control: int = 0,
    shuffle: str = "sentences",
    texts: tuple[Texts, Texts] | None = None,
    progress: bool = False,
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

    A control covers that, too: it reads both texts again, shuffles their documents between the two,
    trains both models again with their options and measures change in the same way. The p value of
    a word is the share of words in the control that changed as much, given their frequency; q is
    adjusted for the number of words (Benjamini and Hochberg 1995).

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
        Of the bootstrap and of the control.
    control : int
        Rounds of the control; 0: none. Each takes as long as the models took. Both texts are in
        memory, about 24 bytes a word.
    shuffle : str
        The documents of the control: "sentences", or "files".
    texts : tuple, optional
        The old and the new text, as in `train`, for the control: if they have moved or had no name.
    progress : bool
        Show bars of the control on a terminal and in notebooks, elsewhere print lines.

    Raises
    ------
    UnknownWordError
        One of `words` is not in all of them.
    OptionError
        As `align`; a run is given twice; no word is frequent enough to be ranked; the control
        cannot train one of them.
    CorpusError
        The control does not find the text of a model, or finds another one.
    TypeError
        `old` or `new` holds something other than models and `Vectors`.
    """
    one_of("by", by, ORDERS)
    sides = {"old": listed_runs("old", old), "new": listed_runs("new", new)}
    confidence, seed, k = check_confidence(confidence), whole("seed", seed, 0), whole("k", k, 1)
    control = check_control(control, shuffle, texts, sides)
    shared = Shared.of([*sides["old"], *sides["new"]])
    asked = asked_rows(words, sides, shared)
    ranked, min_count = _ranked(shared, top, min_count)
    candidates, neighbors = _neighborhood(len(shared), candidates, neighbors)
    runs = len(sides["old"])
    before, after = shared.units[:runs], shared.units[runs:]
    check_no_run_twice("old", before)
    check_no_run_twice("new", after)

    rows = np.union1d(ranked, np.array(asked or [], np.int64))
    figures = {
        "distance": _distances(before, after, rows),  # first: it may find too few words
        "overlap": overlaps(before, after, rows, candidates, neighbors),
    }
    is_ranked = np.isin(rows, ranked)
    measured = {name: _Measured.of(each, is_ranked, confidence, seed) for name, each in figures.items()}
    order = _order(measured, by, raw, is_ranked)
    p, q = np.full((2, len(rows)), np.nan)
    if control:
        compare = partial(shift, by=by, raw=raw, top=top, min_count=min_count)
        compare = partial(compare, neighbors=neighbors, candidates=candidates)
        assert shared.counts is not None  # those of models
        changes = _signed(measured[by], by, raw)[is_ranked], np.min(shared.counts, axis=0)[ranked]
        with display(progress) as shows:
            again = trained_again(sides, texts, shuffle, control, seed, shows)
            rounds = [_changes(compare(*models)) for models in again]
        p[is_ranked], q[is_ranked] = p_and_q(changes, rounds)
    ranks = {int(place): rank for rank, place in enumerate(order, 1)}
    places = order.tolist() if asked is None else np.searchsorted(rows, asked).tolist()

    def described(place: int) -> WordShift:
        row = int(rows[place])
        near: list[Neighbors | None] = [None, None]
        if asked is not None:
            others = (nearest(units, row, candidates, k) for units in (before, after))
            near = [[(shared.words[other], cosine) for other, cosine in one] for one in others]
        counts = shared.counts and (int(shared.counts[0][row]), int(shared.counts[-1][row]))
        overlap, distance = (measured[name].figure(place) for name in ORDERS)
        found = WordShift(
            shared.words[row], ranks.get(place), overlap, distance, counts or None, near[0], near[1]
        )
        return found if np.isnan(p[place]) else replace(found, p=float(p[place]), q=float(q[place]))

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
        control=control,
        shuffle=shuffle if control else None,
        changed_words=int(np.count_nonzero(q < Q)) if control else None,
    )


def listed_runs(name: str, given: Any) -> list[Any]:
    """One model or several as a list."""
    runs = [given] if isinstance(given, Model | Vectors) or not isinstance(given, Iterable) else list(given)
    if not runs:
        raise OptionError(f"{name} is empty; expected a model or vectors, or several runs of one text")
    return runs


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
        return cls(values, usual, pair_intervals(figures, confidence, seed) if several else None)

    def figure(self, place: int) -> Figure:
        usual = float(self.usual[place])
        interval = None if self.intervals is None else self.intervals[place]
        return Figure(float(self.values[place]), None if np.isnan(usual) else usual, interval)


def _signed(measured: _Measured, by: str, raw: bool) -> Float64:
    """How much each word changed, (W,): the more, the larger."""
    values = measured.values if raw else measured.values - measured.usual
    return values if by == "distance" else -values


def _changes(found: Shift) -> Changes:
    """Those of all ranked words of a comparison."""
    figures = [getattr(each, found.by) for each in found.words]
    values = np.array([figure.value - (0 if found.raw else figure.usual) for figure in figures])
    counts = np.array([min(each.counts or ()) for each in found.words], np.int64)
    return values if found.by == "distance" else -values, counts


def _order(measured: dict[str, _Measured], by: str, raw: bool, is_ranked: Bool) -> Int64:
    """The places of the ranked words, most changed first; the other measure decides ties."""
    keys = {name: -_signed(each, name, raw) for name, each in measured.items()}
    order: Int64 = np.lexsort((keys[ORDERS[1 - ORDERS.index(by)]], keys[by]))
    return order[is_ranked[order]]

"""Intervals of accuracies and correlations, tests of paired differences."""

import warnings
from collections.abc import Callable, Sequence
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from w2v_hs.errors import OptionError
from w2v_hs.types import Float64

RESAMPLES = 2_000  # another seed moves a bound by about a thirtieth of the interval
BATCH_VALUES = 1 << 20  # resampled values held at once: 8 MiB per array

Interval = tuple[float, float]
Bool: TypeAlias = npt.NDArray[np.bool_]


def check_confidence(confidence: float) -> float:
    """`confidence` as a float; `OptionError` unless it lies between 0 and 1."""
    try:
        number = float(confidence)
    except (TypeError, ValueError):
        number = np.nan
    if not 0 < number < 1:
        raise OptionError(f"confidence is {confidence!r}; expected a number between 0 and 1, such as 0.95")
    return number


def wilson(successes: int, trials: int, confidence: float) -> Interval | None:
    """Wilson's score interval (1927) of a proportion; None without a trial."""
    if not trials:
        return None
    from scipy.stats import binomtest

    interval = binomtest(successes, trials).proportion_ci(confidence, method="wilson")
    return float(interval.low), float(interval.high)


def pearson(x: Float64, y: Float64, axis: int = -1) -> Float64:
    """Pearson's correlation along an axis; NaN if one side is constant."""
    from scipy.stats import pearsonr

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of constant input
        correlation: Float64 = pearsonr(x, y, axis=axis).statistic
    return correlation


def spearman(x: Float64, y: Float64, axis: int = -1) -> Float64:
    """Spearman's rank correlation along an axis; equal values share the mean of their ranks."""
    from scipy.stats import rankdata

    return pearson(rankdata(x, axis=axis), rankdata(y, axis=axis), axis=axis)


def bootstrap(
    statistic: Callable[..., Float64], columns: Sequence[Float64], seed: int, batch_values: int = BATCH_VALUES
) -> Float64:
    """A statistic of `RESAMPLES` resamples of the items (Efron 1979), (RESAMPLES,) float64.

    `columns` are arrays (n,) that describe the same items, and are therefore resampled together.
    `statistic` takes arrays (..., n) and `axis`; a resample in which it is undefined gives NaN. The
    same seed gives the same resamples. `batch_values` of each column are held at once.
    """
    from scipy import stats

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of resamples in which the statistic is undefined
        done = stats.bootstrap(
            tuple(columns),
            statistic,
            paired=True,
            vectorized=True,
            n_resamples=RESAMPLES,
            batch=max(1, batch_values // len(columns[0])),
            method="percentile",
            rng=np.random.default_rng(seed),
        )
    distribution: Float64 = done.bootstrap_distribution
    return distribution


def percentiles(resampled: Float64, confidence: float) -> Interval | None:
    """The percentile interval of a bootstrap; None if a resample is NaN.

    If there are few pairs, a resample may repeat one pair, which has no correlation. An interval of
    the other resamples would be too narrow.
    """
    if not np.isfinite(resampled).all():
        return None
    low, high = np.quantile(resampled, [(1 - confidence) / 2, (1 + confidence) / 2])
    return float(low), float(high)


def mcnemar(only_first: int, only_second: int) -> float:
    """p of the exact two-sided McNemar test (1947), of questions that only one model has right."""
    from scipy.stats import binomtest

    if only_first + only_second == 0:
        return 1.0
    return float(binomtest(only_first, only_first + only_second, 0.5).pvalue)


def resampled_difference(first: Bool, second: Bool, seed: int) -> Float64:
    """The difference of two accuracies in bootstrap resamples of the questions.

    `first` and `second`, (n,) bool, say which of the questions each model has right. Returns the
    accuracy of the second minus that of the first, (RESAMPLES,) float64. It depends only on how
    often one of the two alone is right, so each resample is one multinomial draw. The same seed
    gives the same resamples.
    """
    shares = np.array([np.mean(second & ~first), np.mean(first & ~second)])
    drawn = np.random.default_rng(seed).multinomial(len(first), [*shares, 1 - shares.sum()], size=RESAMPLES)
    difference: Float64 = (drawn[:, 0] - drawn[:, 1]) / len(first)
    return difference


def bootstrap_p(differences: Float64) -> float | None:
    """Two-sided p of resampled differences: twice the smaller share beyond 0; None if one is NaN.

    The observation counts as one more resample (Davison and Hinkley 1997, section 4.2), so p is at
    least 2 / (RESAMPLES + 1).
    """
    if not np.isfinite(differences).all():
        return None
    beyond = min(np.count_nonzero(differences <= 0), np.count_nonzero(differences >= 0))
    return min(1.0, 2 * (beyond + 1) / (len(differences) + 1))


def holm(values: Sequence[float | None]) -> list[float | None]:
    """Adjust p of several tests by Holm (1979), in the order given; None stays None."""
    order = sorted(((p, i) for i, p in enumerate(values) if p is not None))
    adjusted: list[float | None] = [None] * len(values)
    largest = 0.0
    for rank, (p, i) in enumerate(order):
        largest = max(largest, min(1.0, (len(order) - rank) * p))
        adjusted[i] = largest
    return adjusted


def pair_intervals(figures: Float64, confidence: float, seed: int) -> list[Interval]:
    """Percentiles of each word's mean over resampled runs (Efron 1979).

    figures: (W, m, n), of each old run with each new one. Old and new runs are resampled apart.
    """
    words, m, n = figures.shape
    rng = np.random.default_rng(seed)
    shares = [rng.multinomial(runs, [1 / runs] * runs, size=RESAMPLES) / runs for runs in (m, n)]
    weights = np.einsum("ri,rj->rij", *shares).reshape(RESAMPLES, m * n)
    bounds = [(1 - confidence) / 2, (1 + confidence) / 2]
    found: list[Interval] = []
    step = BATCH_VALUES // RESAMPLES  # words at once
    for first in range(0, words, step):
        resampled = figures[first : first + step].reshape(-1, m * n) @ weights.T
        found += zip(*np.quantile(resampled, bounds, axis=1).tolist(), strict=True)
    return found

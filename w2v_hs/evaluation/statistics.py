"""How sure a figure is: intervals of accuracies and correlations, tests of paired differences."""

import warnings
from collections.abc import Callable, Sequence

import numpy as np

from w2v_hs.errors import OptionError

RESAMPLES = 2_000  # of every bootstrap: another seed moves a bound by a thirtieth of the interval
BATCH_VALUES = 1 << 20  # resampled values held at once: 8 MiB an array

Interval = tuple[float, float]


def check_confidence(confidence: float) -> float:
    """`confidence` as a float; `OptionError` unless it lies between 0 and 1."""
    try:
        number = float(confidence)
    except (TypeError, ValueError):
        number = np.nan
    if not 0 < number < 1:
        raise OptionError(
            f"confidence is {confidence!r}; expected a number between 0 and 1, such as 0.95"
        )
    return number


def wilson(successes: int, trials: int, confidence: float) -> Interval | None:
    """Wilson's score interval (1927) of a proportion; None of no trials."""
    if not trials:
        return None
    from scipy.stats import binomtest

    interval = binomtest(successes, trials).proportion_ci(confidence, method="wilson")
    return float(interval.low), float(interval.high)


def pearson(x: np.ndarray, y: np.ndarray, axis: int = -1) -> np.ndarray:
    """Pearson's correlation along an axis; NaN where one side is constant."""
    constant = [(v == v.take([0], axis=axis)).all(axis=axis) for v in (x, y)]
    with np.errstate(invalid="ignore", divide="ignore"):
        # To at most 1, since squares of large numbers are infinite.
        x, y = (v / np.abs(v).max(axis=axis, keepdims=True) for v in (x, y))
    x, y = (v - v.mean(axis=axis, keepdims=True) for v in (x, y))
    squares = (x * x).sum(axis=axis) * (y * y).sum(axis=axis)
    with np.errstate(invalid="ignore", divide="ignore"):
        result = (x * y).sum(axis=axis) / np.sqrt(squares)
    # Checked by itself: the mean of equal numbers may miss them by a rounding.
    return np.where(constant[0] | constant[1], np.nan, np.clip(result, -1, 1))


def spearman(x: np.ndarray, y: np.ndarray, axis: int = -1) -> np.ndarray:
    """Spearman's rank correlation along an axis; equal values share the mean of their ranks."""
    from scipy.stats import rankdata

    return pearson(rankdata(x, axis=axis), rankdata(y, axis=axis), axis=axis)


def bootstrap(
    statistic: Callable[..., np.ndarray], columns: Sequence[np.ndarray], seed: int
) -> np.ndarray:
    """The statistic of `RESAMPLES` resamples of the items, (RESAMPLES,) float64.

    columns: arrays (n,) that describe the same items, so that they are drawn together. statistic:
    takes such arrays, (..., n), and `axis`. Efron (1979); the same seed gives the same resamples.
    """
    from scipy import stats

    with warnings.catch_warnings():
        warnings.simplefilter(
            "ignore"
        )  # of resamples without a figure: NaN, which callers look for
        done = stats.bootstrap(
            tuple(columns),
            statistic,
            paired=True,
            vectorized=True,
            n_resamples=RESAMPLES,
            batch=max(1, BATCH_VALUES // len(columns[0])),
            method="percentile",
            rng=np.random.default_rng(seed),
        )
    distribution: np.ndarray = done.bootstrap_distribution
    return distribution


def percentiles(resampled: np.ndarray, confidence: float) -> Interval | None:
    """The percentile interval of a bootstrap; None where a resample has no figure.

    A handful of pairs may be drawn as one pair alone, which has no correlation. An interval of the
    other resamples would be too narrow.
    """
    if not np.isfinite(resampled).all():
        return None
    low, high = np.quantile(resampled, [(1 - confidence) / 2, (1 + confidence) / 2])
    return float(low), float(high)


def mcnemar(only_first: int, only_second: int) -> float:
    """The exact two-sided McNemar test (1947): p of the answers that one of two got right alone."""
    from scipy.stats import binomtest

    if only_first + only_second == 0:
        return 1.0
    return float(binomtest(only_first, only_first + only_second, 0.5).pvalue)


def resampled_difference(first: np.ndarray, second: np.ndarray, seed: int) -> np.ndarray:
    """Accuracy of `second` less that of `first`, (n,) bool each, in bootstraps of the questions.

    Only how often one of the two is right alone matters, so each resample is one multinomial draw.
    """
    shares = np.array([np.mean(second & ~first), np.mean(first & ~second)])
    drawn = np.random.default_rng(seed).multinomial(
        len(first), [*shares, 1 - shares.sum()], size=RESAMPLES
    )
    return (drawn[:, 0] - drawn[:, 1]) / len(first)


def bootstrap_p(differences: np.ndarray) -> float | None:
    """Two-sided p of resampled differences: twice the smaller share beyond 0.

    Davison and Hinkley (1997), section 4.2: what was observed counts as one more resample, so that
    p is never below 2 / (RESAMPLES + 1). None where a resample has no figure.
    """
    if not np.isfinite(differences).all():
        return None
    beyond = min(np.count_nonzero(differences <= 0), np.count_nonzero(differences >= 0))
    return min(1.0, 2 * (beyond + 1) / (len(differences) + 1))


def holm(values: Sequence[float | None]) -> list[float | None]:
    """Holm's (1979) adjusted p of several tests at once, in the order given; None stays None."""
    order = sorted(((p, i) for i, p in enumerate(values) if p is not None))
    adjusted: list[float | None] = [None] * len(values)
    largest = 0.0
    for rank, (p, i) in enumerate(order):
        largest = max(largest, min(1.0, (len(order) - rank) * p))
        adjusted[i] = largest
    return adjusted

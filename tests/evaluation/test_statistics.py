"""Intervals and tests of differences: against SciPy, closed forms, published figures and chance."""

import math

import naive
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from w2v_hs.errors import OptionError
from w2v_hs.evaluation.statistics import (
    RESAMPLES,
    bootstrap,
    bootstrap_p,
    check_confidence,
    holm,
    mcnemar,
    pearson,
    percentiles,
    resampled_difference,
    spearman,
    wilson,
)


@given(st.integers(1, 20_000), st.floats(0, 1), st.sampled_from([0.8, 0.95, 0.99]))
def test_wilson_is_its_closed_form_and_scipy(trials, share, confidence):
    successes = round(share * trials)
    low, high = wilson(successes, trials, confidence)
    assert (low, high) == pytest.approx(naive.wilson(successes, trials, confidence), abs=1e-12)
    interval = stats.binomtest(successes, trials).proportion_ci(confidence, method="wilson")
    assert (low, high) == (interval.low, interval.high)
    assert 0 <= low <= successes / trials + 1e-12
    assert successes / trials - 1e-12 <= high <= 1


@pytest.mark.parametrize(
    ("successes", "trials", "published"),
    [
        (81, 263, (0.2553, 0.3662)),
        (15, 148, (0.0624, 0.1605)),
        (0, 20, (0.0000, 0.1611)),
        (1, 29, (0.0061, 0.1718)),
    ],
)
def test_wilson_as_published(successes, trials, published):
    """Newcombe (1998), Two-sided confidence intervals for the single proportion, table I."""
    assert wilson(successes, trials, 0.95) == pytest.approx(published, abs=5e-5)


def test_no_trials_have_no_interval():
    assert wilson(0, 0, 0.95) is None


few_values = st.lists(
    st.tuples(st.integers(0, 4), st.integers(0, 4)), min_size=2, max_size=30
)  # ties and duplicates throughout


@given(few_values)
def test_correlations_with_ties_are_those_of_scipy(pairs):
    x, y = np.array(pairs, dtype=float).T
    if len(set(x)) == 1 or len(set(y)) == 1:
        assert math.isnan(spearman(x, y)) and math.isnan(pearson(x, y))
        return
    assert spearman(x, y) == pytest.approx(stats.spearmanr(x, y).statistic, abs=1e-12)
    assert pearson(x, y) == pytest.approx(stats.pearsonr(x, y).statistic, abs=1e-12)
    assert spearman(x, y) == pytest.approx(naive.spearman(x, y), abs=1e-12)


@pytest.mark.parametrize("value", [3.1, 0.1, 1e-30, 1e30])
def test_a_constant_side_has_no_correlation_however_its_mean_is_rounded(value):
    x, y = np.full(7, value), np.arange(7.0)
    assert math.isnan(pearson(x, y)) and math.isnan(pearson(y, x)) and math.isnan(spearman(x, y))


@pytest.mark.parametrize("scale", [1e-200, 1e200, -1e308])
def test_numbers_of_any_size(scale):
    x, y = np.array([0.1, 0.2, 0.3, 0.25]), np.array([0.5, 0.1, 0.9, 0.3])
    assert pearson(scale * x, y) == pytest.approx(np.sign(scale) * pearson(x, y))


@pytest.fixture(scope="module")
def rated():
    """Ratings on a coarse scale, and values that go some way with them."""
    rng = np.random.default_rng(3)
    ratings = rng.integers(0, 11, 120).astype(float)
    return ratings, ratings / 5 + rng.normal(size=120)


def by_hand(correlation):
    return lambda x, y: correlation(x, y).statistic


@pytest.mark.parametrize(("ours", "theirs"), [(spearman, stats.spearmanr), (pearson, stats.pearsonr)])
def test_bootstrap_intervals_are_those_of_scipy(rated, ours, theirs):
    """SciPy's interval of SciPy's own correlation, one resample at a time, other random numbers."""
    computed = percentiles(bootstrap(ours, rated, seed=1), 0.95)
    reference = stats.bootstrap(
        rated,
        by_hand(theirs),
        paired=True,
        vectorized=False,
        n_resamples=2_000,
        method="percentile",
        rng=np.random.default_rng(2),
    ).confidence_interval
    width = reference.high - reference.low
    assert computed == pytest.approx((reference.low, reference.high), abs=0.1 * width)
    assert computed[0] < ours(*rated) < computed[1]


def test_a_bootstrap_is_the_same_for_the_same_seed_alone(rated):
    first = bootstrap(spearman, rated, seed=7)
    assert first.shape == (RESAMPLES,)
    np.testing.assert_array_equal(first, bootstrap(spearman, rated, seed=7))
    assert not np.array_equal(first, bootstrap(spearman, rated, seed=8))


def test_a_bootstrap_does_not_depend_on_how_many_are_held_at_once(rated):
    whole = bootstrap(spearman, rated, seed=7)
    in_batches = bootstrap(spearman, rated, seed=7, batch_values=1_000)
    np.testing.assert_allclose(in_batches, whole, atol=1e-12)


def test_an_interval_narrows_with_confidence_and_is_none_of_undefined_resamples():
    resampled = np.linspace(-1, 1, 2_001)
    assert percentiles(resampled, 0.95) == pytest.approx((-0.95, 0.95))
    assert percentiles(resampled, 0.5) == pytest.approx((-0.5, 0.5))
    assert percentiles(np.append(resampled, np.nan), 0.95) is None


@pytest.mark.filterwarnings("error")
def test_a_handful_of_pairs_has_no_interval():
    x = np.array([1.0, 2, 3])  # a ninth of the resamples are one pair three times
    assert percentiles(bootstrap(spearman, (x, x), seed=1), 0.95) is None


@given(st.integers(0, 60), st.integers(0, 60))
def test_mcnemar_is_a_sum_of_binomials(only_first, only_second):
    assert mcnemar(only_first, only_second) == pytest.approx(
        naive.mcnemar(only_first, only_second), abs=1e-12
    )
    assert mcnemar(only_first, only_second) == mcnemar(only_second, only_first)


def test_differences_of_accuracy_spread_as_resampled_questions_do():
    rng = np.random.default_rng(1)
    first, second = rng.random(300) < 0.4, rng.random(300) < 0.5
    computed = resampled_difference(first, second, seed=1)
    rows = rng.integers(300, size=(4_000, 300))
    reference = second[rows].mean(axis=1) - first[rows].mean(axis=1)
    assert computed.mean() == pytest.approx(second.mean() - first.mean(), abs=0.005)
    assert computed.std() == pytest.approx(reference.std(), rel=0.08)
    np.testing.assert_array_equal(computed, resampled_difference(first, second, seed=1))
    assert (resampled_difference(first, first, seed=1) == 0).all()


def test_p_of_resampled_differences():
    assert bootstrap_p(np.zeros(99)) == 1.0
    assert bootstrap_p(np.ones(99)) == bootstrap_p(-np.ones(99)) == pytest.approx(0.02)
    assert bootstrap_p(np.append(np.ones(98), -1)) == pytest.approx(0.04)
    assert bootstrap_p(np.append(np.ones(98), np.nan)) is None


def test_models_that_differ_by_chance_are_rarely_told_apart():
    """The test keeps its level: under no difference p < 0.05 comes in about one of twenty."""
    rng, found = np.random.default_rng(11), 0
    for _ in range(80):
        ratings = rng.normal(size=60)
        resampled = [bootstrap(spearman, (ratings, ratings + rng.normal(size=60)), seed=1) for _ in range(2)]
        found += bootstrap_p(resampled[1] - resampled[0]) < 0.05
    assert 0 < found <= 10


@given(st.lists(st.one_of(st.none(), st.floats(0, 1)), max_size=8))
def test_holm_orders_and_only_raises(values):
    adjusted = holm(values)
    known = [(p, a) for p, a in zip(values, adjusted, strict=True) if p is not None]
    assert [p is None for p in values] == [a is None for a in adjusted]
    assert all(p <= a <= 1 for p, a in known)
    assert sorted(a for _, a in known) == [a for _, a in sorted(known)]


def test_holm_by_hand():
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm([0.2, None]) == [0.2, None]
    assert holm([]) == []


@pytest.mark.parametrize("confidence", [0, 1, 1.5, -0.5, math.nan, "x", None, True])
def test_a_confidence_lies_between_0_and_1(confidence):
    with pytest.raises(OptionError, match=r"confidence is .*; expected a number between 0 and 1"):
        check_confidence(confidence)

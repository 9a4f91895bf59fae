"""Softmax over groups of classes against scikit-learn and oracles."""

import re

import naive
import numpy as np
import pytest
import scipy.sparse
from sklearn.datasets import load_digits
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression

from w2v_hs.classifier import GroupedSoftmaxRegression
from w2v_hs.errors import OptionError
from w2v_hs.kernels import grouped as kernel
from w2v_hs.kernels.classifier import Rows

FORMATS = [np.asarray, scipy.sparse.csr_array]


def data(rows=300, features=9, classes=7, seed=1):
    """Random sparse features, which the label moves."""
    generator = np.random.default_rng(seed)
    labels = np.append(np.arange(classes), generator.integers(0, classes, rows - classes) ** 2 % classes)
    X = generator.normal(0.3, 1, (rows, features)) + generator.normal(size=(classes, features))[labels]
    X[generator.random(X.shape) < 0.4] = 0
    return X, labels


def many_classes(classes=400, seed=1):
    """Rows of some of 300 features, of which each class prefers a few."""
    generator = np.random.default_rng(seed)
    y = np.append(np.arange(classes), (generator.random(1200) ** 2 * classes).astype(int))
    X = np.zeros((len(y), 300))
    for number in range(4):
        X[np.arange(len(y)), (y * (number + 3) + generator.integers(0, 3, len(y))) % 300] = 0.5
    return X, y


@pytest.mark.parametrize("make", FORMATS)
@pytest.mark.parametrize("l2", [1e-1, 1e-3, 1e-6])
@pytest.mark.parametrize("intercept", [True, False])
def test_each_factor_is_a_logistic_regression(make, l2, intercept):
    """The smallest penalty is one that dual coordinate descent leaves to L-BFGS."""
    X, y = data()
    clf = GroupedSoftmaxRegression(n_groups=4, l2=l2, tol=1e-9, fit_intercept=intercept).fit(make(X), y)
    found = clf.predict_proba(make(X))
    assert len(clf.groups_) == 4
    np.testing.assert_array_equal(np.sort(np.concatenate(clf.groups_)), np.arange(7))

    def theirs(rows, labels):
        halves = 2 if len(np.unique(labels)) == 2 else 1  # theirs has one weight vector for two classes
        options = {"C": halves / (l2 * len(y)), "fit_intercept": intercept, "tol": 1e-9, "max_iter": 10_000}
        return LogisticRegression(**options).fit(X[rows], labels).predict_proba(X)

    group_of = np.empty(7, int)
    for number, group in enumerate(clf.groups_):
        group_of[group] = number
    of_groups = theirs(np.arange(len(y)), group_of[y])
    for number, group in enumerate(clf.groups_):
        np.testing.assert_allclose(found[:, group].sum(axis=1), of_groups[:, number], atol=3e-3)
        if len(group) > 1:
            within = theirs(group_of[y] == number, y[group_of[y] == number])
            expected = found[:, group].sum(axis=1, keepdims=True) * within
            np.testing.assert_allclose(found[:, group], expected, atol=3e-3)


@pytest.mark.parametrize("make", FORMATS)
def test_one_group_is_softmax_regression(make):
    X, y = load_digits(return_X_y=True)
    clf = GroupedSoftmaxRegression(l2=1e-3, tol=1e-6).fit(make(X / 16), y)
    theirs = LogisticRegression(C=1 / (1e-3 * len(y)), max_iter=1000, tol=1e-8).fit(X / 16, y)
    assert len(clf.groups_) == 1
    np.testing.assert_allclose(clf.predict_proba(make(X / 16)), theirs.predict_proba(X / 16), atol=2e-3)


def test_classes_by_the_hundred_are_grouped_without_being_asked():
    X, y = many_classes()
    clf = GroupedSoftmaxRegression(l2=1e-4).fit(scipy.sparse.csr_array(X), y)
    assert len(clf.groups_) == 40  # 2 sqrt(400)
    counts = np.bincount(y)
    alone = [int(group[0]) for group in clf.groups_[:20]]
    assert all(len(group) == 1 for group in clf.groups_[:20])
    assert counts[alone].min() >= np.delete(counts, alone).max()
    assert clf.score(X, y) > 0.5


def test_like_classes_share_groups():
    """16 classes of two kinds, beside two frequent ones; each kind has features of its own."""
    generator = np.random.default_rng(1)
    y = np.concatenate([np.arange(1600) % 16, np.full(300, 16), np.full(300, 17)])
    X = np.zeros((len(y), 40))
    for _ in range(3):
        X[np.arange(len(y)), y % 2 * 10 + generator.integers(0, 10, len(y))] = 1
    X[np.arange(len(y)), 20 + y] = 1
    clf = GroupedSoftmaxRegression(n_groups=4).fit(X, y)
    found = sorted(map(tuple, clf.groups_))
    assert found == [tuple(range(0, 16, 2)), tuple(range(1, 16, 2)), (16,), (17,)]


@pytest.mark.parametrize("n_groups", [1, 20, 400])
@pytest.mark.parametrize("make", FORMATS)
def test_predictions_are_those_of_the_coefficients(make, n_groups):
    X, y = many_classes()
    clf = GroupedSoftmaxRegression(n_groups=n_groups, l2=1e-3).fit(make(X), y + 5)
    found = clf.predict_proba(make(X[:60]))
    coef = clf.coef_ if isinstance(clf.coef_, np.ndarray) else clf.coef_.toarray()
    expected = [naive.grouped_probabilities(x, coef, clf.intercept_, clf.groups_) for x in X[:60]]
    np.testing.assert_allclose(found, expected, rtol=1e-9, atol=1e-15)
    np.testing.assert_allclose(found.sum(axis=1), 1, atol=1e-12)
    other = X if make is not np.asarray else scipy.sparse.csr_array(X)
    np.testing.assert_allclose(clf.predict_proba(other[:60]), found, rtol=1e-9)
    order = np.argsort(-found, axis=1, kind="stable")
    for k in (1, 3, 400):
        labels, probabilities = clf.top_k(make(X[:60]), k)
        np.testing.assert_array_equal(labels, order[:, :k] + 5)
        np.testing.assert_array_equal(probabilities, np.take_along_axis(found, order[:, :k], axis=1))


def test_of_equals_the_first_class_comes_first():
    clf = GroupedSoftmaxRegression(n_groups=4).fit(np.zeros((8, 2)), list("abcdefgh"))
    for softmax in (0, 1, 2, 3, 4):
        clf._softmaxes.bias[slice(*clf._softmaxes.outputs[softmax : softmax + 2])] = 0
    sizes = np.array([len(group) for group in clf.groups_])
    clf._softmaxes.bias[:4] = np.log(sizes)
    labels, found = clf.top_k([[0.0, 0.0]], 8)
    assert "".join(labels[0]) == "abcdefgh"
    np.testing.assert_allclose(found, 1 / 8)


def test_the_search_leaves_most_groups_alone():
    X, y = many_classes()
    clf = GroupedSoftmaxRegression(l2=1e-5, n_groups=60).fit(X, y)
    rows = Rows(np.arange(len(X) + 1) * X.shape[1], None, X.reshape(-1))
    best, log_probs = np.empty((len(X), 1), np.int64), np.empty((len(X), 1))
    order = np.concatenate(clf.groups_)
    visited = kernel.best_classes(rows, 0, len(X), clf._softmaxes, order, best, log_probs)
    assert len(X) <= visited < 6 * len(X)


@pytest.mark.parametrize("make", FORMATS)
def test_weights_of_rows_and_classes(make):
    X, y = data()
    options = {"n_groups": 3, "l2": 1e-2, "tol": 1e-7}
    twice = np.append(np.arange(len(y)), np.flatnonzero(y == 1))
    expected = GroupedSoftmaxRegression(**options).fit(make(X[twice]), y[twice]).predict_proba(X)
    by_row = GroupedSoftmaxRegression(**options).fit(make(X), y, sample_weight=1 + (y == 1))
    by_class = GroupedSoftmaxRegression(**options, class_weight={1: 2}).fit(make(X), y)
    np.testing.assert_allclose(by_row.predict_proba(X), expected, atol=3e-3)
    np.testing.assert_allclose(by_class.predict_proba(X), expected, atol=3e-3)
    plain = GroupedSoftmaxRegression(**options).fit(make(X), y)
    assert np.abs(plain.predict_proba(X) - expected).max() > 2e-2


def test_results_do_not_depend_on_the_number_of_threads():
    X, y = many_classes()
    one, three = (GroupedSoftmaxRegression(n_jobs=n).fit(scipy.sparse.csr_array(X), y) for n in (1, 3))
    np.testing.assert_array_equal(one.coef_.toarray(), three.coef_.toarray())
    np.testing.assert_array_equal(one.predict_proba(X), three.predict_proba(X))
    np.testing.assert_array_equal(one.top_k(X, 3)[0], three.top_k(X, 3)[0])


@pytest.mark.parametrize("make", FORMATS)
def test_classes_whose_rows_all_weigh_nothing(make):
    """Those of a group in which no row weighs anything are equally probable."""
    X, y = data()
    clf = GroupedSoftmaxRegression(n_groups=3).fit(make(X), y, sample_weight=y < 4)
    found = clf.predict_proba(make(X))
    assert found[:, 4:].max() < 1e-6
    np.testing.assert_allclose(found.sum(axis=1), 1)


@pytest.mark.parametrize("make", FORMATS)
@pytest.mark.parametrize("intercept", [True, False])
def test_features_that_say_nothing_give_the_frequencies(make, intercept):
    y = [0] * 60 + [1] * 30 + [2] * 10
    for n_groups in (1, 2):
        clf = GroupedSoftmaxRegression(n_groups=n_groups, l2=1e-5, fit_intercept=intercept)
        found = clf.fit(make(np.full((100, 1), 3.0)), y).predict_proba(make([[3.0]]))
        np.testing.assert_allclose(found[0], [0.6, 0.3, 0.1], atol=5e-3)
    zeros = GroupedSoftmaxRegression(fit_intercept=False).fit(make(np.zeros((6, 2))), [0, 1] * 3)
    np.testing.assert_allclose(zeros.predict_proba(make([[0.0, 0.0]])), [[0.5, 0.5]])


def test_a_large_offset_of_a_feature_does_no_harm():
    X, y = data()
    plain, shifted = (GroupedSoftmaxRegression(n_groups=3, l2=1e-2).fit(X + by, y) for by in (0, 1e5))
    np.testing.assert_allclose(shifted.predict_proba(X + 1e5), plain.predict_proba(X), atol=5e-3)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"n_groups": 0}, "'n_groups' {} an int in the range [1, 7]. Got 0 instead."),
        ({"n_groups": 8}, "'n_groups' {} an int in the range [1, 7]. Got 8 instead."),
        ({"max_iter": 0}, "'max_iter' {} an int in the range [1, 1000000]. Got 0 instead."),
        ({"tol": -1.0}, "'tol' {} a float in the range [0, inf). Got -1.0 instead."),
        ({"l2": -1}, "'l2' {} None or a float in the range [0, inf). Got -1 instead."),
    ],
)
def test_parameters_out_of_range(options, message):
    message = message.format("parameter of GroupedSoftmaxRegression must be")
    with pytest.raises(OptionError, match=re.escape(message)):
        GroupedSoftmaxRegression(**options).fit(*data())


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
@pytest.mark.parametrize("make", FORMATS)
def test_numbers_that_overflow(make):
    X, y = data()
    for scale in (1e25, 1e200):
        with pytest.raises(OptionError, match="the squares of X overflow"):
            GroupedSoftmaxRegression().fit(make(X * scale), y)
    clf = GroupedSoftmaxRegression(n_groups=3).fit(make(X), y)
    for method in (clf.predict, clf.predict_proba, lambda X: clf.top_k(X, 2)):
        with pytest.raises(OptionError, match="the scores of X overflow"):
            method(make(np.full((1, 9), 1.7e308) * np.sign(X[:1] + 0.5)))


def test_the_end_before_the_minimum_is_told():
    with pytest.warns(ConvergenceWarning, match=r"\d of 4 softmaxes are still above .* tol=1e-06: increase"):
        GroupedSoftmaxRegression(n_groups=3, max_iter=2, tol=1e-6).fit(*data(classes=9))

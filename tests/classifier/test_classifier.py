"""Both estimators against float64 oracles, and scikit-learn's solver and estimator checks."""

import math
import re
import subprocess
import sys

import naive
import numpy as np
import pytest
import scipy.sparse
from hypothesis import given
from hypothesis import strategies as st
from sklearn.base import clone
from sklearn.datasets import load_digits
from sklearn.exceptions import NotFittedError
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import log_loss
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.estimator_checks import parametrize_with_checks

from w2v_hs.classifier import (
    GroupedSoftmaxRegression,
    HierarchicalSoftmaxRegression,
    ProbabilisticLabelTree,
    SoftmaxRegression,
)
from w2v_hs.errors import DivergedError, OptionError, W2VError
from w2v_hs.kernels import classifier as kernel
from w2v_hs.kernels.common import Paths
from w2v_hs.tree.tree import balanced, huffman

pytestmark = [
    pytest.mark.filterwarnings("ignore:The number of unique classes"),
    pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning"),
]
BOTH = [SoftmaxRegression, HierarchicalSoftmaxRegression]
FORMATS = [np.asarray, scipy.sparse.csr_array]


@parametrize_with_checks(
    [
        SoftmaxRegression(),
        HierarchicalSoftmaxRegression(),
        GroupedSoftmaxRegression(),
        GroupedSoftmaxRegression(n_groups=2),
        ProbabilisticLabelTree(),
    ]
)
def test_scikit_learn_checks(estimator, check):
    if "sample_weight_equivalence" in str(check):  # which compares two fits to seven digits
        estimator = clone(estimator).set_params(l2=0.1, tol=1e-16)
    check(estimator)


def data(rows=30, features=4, classes=5, seed=1, zeros=0.4):
    """Random features, some of them 0, and labels of which each class has one at least."""
    generator = np.random.default_rng(seed)
    X = generator.normal(0.3, 1, (rows, features))
    X[generator.random(X.shape) < zeros] = 0
    labels = np.append(np.arange(classes), generator.integers(0, classes, rows - classes) ** 2)
    return X, generator.permutation(labels % classes)


def tree_of(clf):
    return getattr(clf, "tree_", None)


def probabilities(clf, X):
    """The probabilities of a fitted estimator from its coefficients alone."""
    coef = clf.coef_ if isinstance(clf.coef_, np.ndarray) else clf.coef_.toarray()
    full = np.column_stack([coef, clf.intercept_])
    rows = np.column_stack([X, np.ones(len(X))])
    if tree_of(clf) is None:
        return np.array([naive.softmax_probabilities(x, full) for x in rows])
    return np.array([naive.tree_probabilities(x, full, clf.tree_) for x in rows])


# ---- gradients ----------------------------------------------------------------------------------


@pytest.mark.parametrize("build", [None, huffman, balanced])
def test_the_oracle_agrees_with_calculus(build):
    X, labels = data()
    tree = build and build(np.bincount(labels))
    generator = np.random.default_rng(2)
    weights, bias = generator.normal(size=(5 - (tree is not None), 4)), generator.normal(size=5)
    bias = bias[: len(weights)]
    _, _, dweights, dbias = naive.regression(X, labels, weights, bias, 0.3, tree)
    for place, slope in [*np.ndenumerate(dweights), *np.ndenumerate(dbias)]:
        ends = []
        for step in (1e-5, -1e-5):
            moved = weights.copy(), bias.copy()
            moved[len(place) == 1][place] += step
            ends.append(naive.regression(X, labels, *moved, 0.3, tree)[1])
        assert (ends[0] - ends[1]) / 2e-5 == pytest.approx(slope, abs=1e-8)


problems = st.builds(
    dict,
    rows=st.integers(12, 30),
    features=st.integers(1, 9),
    classes=st.integers(2, 12),
    seed=st.integers(0, 2**32),
)


@pytest.mark.parametrize("make", FORMATS)
@pytest.mark.parametrize("estimator", BOTH)
@given(problem=problems, l2=st.sampled_from([0.0, 0.5]), intercept=st.booleans())
def test_descent_on_all_rows(estimator, make, problem, l2, intercept):
    """With one batch nothing is random: every step is the oracle's."""
    X, labels = data(**problem)
    clf = estimator(solver="sgd", max_iter=7, lr=0.3, batch_size=10**6, l2=l2, fit_intercept=intercept)
    clf.fit(make(X), labels)
    centre = X.mean(axis=0) * intercept
    weights, bias, losses = naive.descend(
        X - centre, labels, len(clf.coef_), 0.3, 7, l2, intercept, tree_of(clf)
    )
    np.testing.assert_allclose(clf.coef_, weights, rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(clf.intercept_, bias - weights @ centre, rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(clf.losses_, losses, rtol=1e-10)
    np.testing.assert_allclose(clf.predict_proba(make(X)), probabilities(clf, X), atol=1e-12)


def kernel_rows(X):
    if isinstance(X, np.ndarray):
        return kernel.Rows(np.arange(len(X) + 1) * X.shape[1], None, X.ravel())
    return kernel.Rows(X.indptr.astype(np.int64), X.indices, X.data)


def check_batches(make, X, labels, order, size, rate, l2):
    """The kernel for the tree against the oracle, batch after batch."""
    tree = huffman(np.bincount(labels))
    bounds = np.minimum(np.arange(-(-len(order) // size) + 1) * size, len(order))
    rates = np.linspace(rate, rate / 2, len(bounds) - 1)
    weights, bias, loss = np.zeros((tree.inner, X.shape[1])), np.zeros(tree.inner), 0.0
    for first, last, step in zip(bounds[:-1], bounds[1:], rates, strict=True):
        batch = order[first:last]
        entropy, _, dweights, dbias = naive.regression(X[batch], labels[batch], weights, bias, l2, tree)
        loss += entropy * len(batch)
        weights, bias = weights - step * dweights, bias - step * dbias
    nodes = kernel.Nodes(np.zeros_like(weights), np.zeros_like(bias), np.ones(1))
    paths = Paths(tree.offsets, tree.nodes, tree.bits)
    batches = kernel.Batches(order, bounds, rates)
    slopes = np.empty(size * tree.lengths.max())
    zero = np.zeros(X.shape[1])  # a centre that moves nothing
    centre = kernel.Centre(X @ zero, 0.0, np.zeros((tree.inner, 2)))
    rows = kernel_rows(make(X))
    total = kernel.train(rows, labels, np.ones(len(X)), paths, batches, centre, nodes, l2, True, slopes)
    assert total == pytest.approx(loss, rel=1e-9)
    np.testing.assert_allclose(nodes.weights * nodes.scale, weights, rtol=1e-8, atol=1e-11)
    np.testing.assert_allclose(nodes.bias, bias, rtol=1e-8, atol=1e-11)


@pytest.mark.parametrize("make", FORMATS)
@given(problem=problems, size=st.integers(1, 7), l2=st.sampled_from([0.0, 0.1, 3.0]))
def test_batches_over_the_tree(make, problem, size, l2):
    X, labels = data(**problem)
    order = np.random.default_rng(3).permutation(len(X))
    check_batches(make, X, labels, order, size, 0.2, l2)


@pytest.mark.parametrize("make", FORMATS)
def test_a_penalty_that_shrinks_weights_past_the_range_of_float64(make):
    X, labels = data()
    order = np.resize(np.random.default_rng(3).permutation(len(X)), 600)
    check_batches(make, X, labels, order, 1, 0.1, 9.5)  # 0.05 ** 600 is 0 in float64


@pytest.mark.parametrize("estimator", BOTH)
def test_large_batches_are_cut_to_equal_ones(estimator):
    """5 rows in batches of at most 4 become 2 and 3: in batches of 4 and 1, the last row would
    count four times."""
    X, labels = data(rows=5, classes=2)
    clf = estimator(solver="sgd", max_iter=1, lr=0.5, batch_size=4, l2=0.0, fit_intercept=False)
    clf.fit(X, labels)
    order = np.random.Generator(np.random.PCG64(clf._seed())).permutation(5)
    weights, bias = np.zeros_like(clf.coef_), np.zeros_like(clf.intercept_)
    for batch, rate in ((order[:2], 0.5), (order[2:], 0.25)):
        found = naive.regression(X[batch], labels[batch], weights, bias, 0.0, tree_of(clf))
        weights = weights - rate * found[2]
    np.testing.assert_allclose(clf.coef_, weights, rtol=1e-10)


# ---- against scikit-learn -----------------------------------------------------------------------


@pytest.mark.parametrize("l2", [1e-2, 1 / 1797])  # the second is LogisticRegression's own C = 1
@pytest.mark.parametrize("make", FORMATS)
def test_digits(make, l2):
    """One objective, two solvers: probabilities within 1e-2, log loss within 1%."""
    X, y = load_digits(return_X_y=True)
    X = X / 16
    theirs = LogisticRegression(C=1 / (l2 * len(X)), tol=1e-8, max_iter=5000).fit(X, y)
    clf = SoftmaxRegression(l2=l2).fit(make(X), y)
    expected = theirs.predict_proba(X)
    found = clf.predict_proba(make(X))
    np.testing.assert_allclose(found, expected, atol=1e-2)
    assert log_loss(y, found) == pytest.approx(log_loss(y, expected), rel=1e-2)


def test_two_classes_over_a_tree_are_logistic_regression():
    """One inner node is a logistic regression, so scikit-learn's solver finds the same."""
    X, y = load_digits(n_class=2, return_X_y=True)
    X = X / 16
    theirs = LogisticRegression(C=1 / (1e-2 * len(X)), tol=1e-8).fit(X, y)
    for make in FORMATS:
        clf = HierarchicalSoftmaxRegression(l2=1e-2, tol=1e-12).fit(make(X), y)
        np.testing.assert_allclose(clf.predict_proba(make(X)), theirs.predict_proba(X), atol=1e-5)


def test_pipelines_and_grid_searches():
    X, y = load_digits(return_X_y=True)
    for estimator in BOTH:
        search = GridSearchCV(
            make_pipeline(StandardScaler(), estimator()),
            {estimator.__name__.lower() + "__l2": [1e-3, 10.0]},
            cv=3,
        ).fit(X, np.char.add("digit ", y.astype(str)))
        assert search.best_params_ == {estimator.__name__.lower() + "__l2": 1e-3}
        assert search.best_score_ > 0.8
        assert str(search.predict(X[:1])[0]).startswith("digit ")


# ---- predictions --------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def digits():
    X, y = load_digits(return_X_y=True)
    return X / 16, y


def fitted(estimator, X, y, **options):
    return estimator(**options).fit(X, y)


def many_classes(classes=300, seed=1):
    """Rows whose features make their class probable, not certain."""
    generator = np.random.default_rng(seed)
    labels = generator.permutation(np.arange(classes * 4) % classes) ** 2 % classes
    centres = generator.normal(size=(classes, 12))
    return centres[labels] + generator.normal(size=(len(labels), 12)), labels


@pytest.mark.parametrize("estimator", BOTH)
@pytest.mark.parametrize("make", FORMATS)
def test_probabilities_are_those_of_the_coefficients_and_sum_to_one(estimator, make):
    X, y = many_classes()
    clf = fitted(estimator, make(X), y)
    found = clf.predict_proba(make(X[:50]))
    assert found.dtype == np.float64
    np.testing.assert_allclose(found.sum(axis=1), 1, atol=1e-12)
    np.testing.assert_allclose(found, probabilities(clf, X[:50]), rtol=1e-9, atol=1e-15)


@pytest.mark.parametrize("estimator", BOTH)
def test_far_from_the_data_nothing_is_clipped(estimator, digits):
    clf = fitted(estimator, *digits)
    far = 1e4 * digits[0][:40]
    log_probs = clf.predict_log_proba(far)
    assert np.isfinite(log_probs).all() and log_probs.min() < -1000
    np.testing.assert_allclose(np.exp(log_probs).sum(axis=1), 1, atol=1e-9)


@pytest.mark.parametrize("estimator", BOTH)
@pytest.mark.parametrize("make", FORMATS)
def test_top_k_is_the_head_of_the_sorted_probabilities(estimator, make):
    X, y = many_classes()
    clf = fitted(estimator, make(X), y)
    everything = clf.predict_proba(make(X))
    order = np.argsort(-everything, axis=1, kind="stable")
    for k in (1, 3, len(clf.classes_)):
        labels, found = clf.top_k(make(X), k)
        assert labels.shape == found.shape == (len(X), k)
        np.testing.assert_array_equal(labels, clf.classes_[order[:, :k]])
        np.testing.assert_allclose(found, np.take_along_axis(everything, order[:, :k], axis=1), rtol=1e-9)
    np.testing.assert_array_equal(clf.predict(make(X)), clf.classes_[order[:, 0]])


@pytest.mark.parametrize("estimator", BOTH)
def test_of_equals_the_first_class_comes_first(estimator):
    clf = estimator().fit(np.zeros((8, 2)), list("abcdefgh"))
    clf.intercept_[:] = 0
    labels, found = clf.top_k([[0.0, 0.0]], 8)
    assert "".join(labels[0]) == "abcdefgh"
    np.testing.assert_allclose(found, 1 / 8)


def test_best_first_leaves_most_of_the_tree_alone():
    X, y = many_classes()
    clf = fitted(HierarchicalSoftmaxRegression, X, y)
    children, order = clf.tree_.children()
    rows, root = kernel_rows(X), int(order[0])
    best, log_probs = np.empty((len(X), 1), np.int64), np.empty((len(X), 1))
    visited = kernel.best_first(
        rows, 0, len(X), kernel_rows(clf.coef_), clf.intercept_, children, root, best, log_probs
    )
    assert visited / len(X) >= clf.tree_.lengths.min()
    assert visited / len(X) < clf.tree_.inner / 4


# ---- trees and edges ----------------------------------------------------------------------------


def test_trees(digits):
    X, y = digits
    y = y**2 % 10  # unequal frequencies
    counts = np.unique(y, return_counts=True)[1]
    for name, build in (("huffman", huffman), ("balanced", balanced)):
        by_name = fitted(HierarchicalSoftmaxRegression, X, y, tree=name)
        given = fitted(HierarchicalSoftmaxRegression, X, y, tree=build(counts))
        assert by_name.coef_.shape == (len(counts) - 1, 64)
        assert [by_name.tree_.code(c) for c in range(6)] == [build(counts).code(c) for c in range(6)]
        np.testing.assert_array_equal(by_name.coef_, given.coef_)
    np.testing.assert_array_equal(clone(given).fit(X, y).coef_, given.coef_)
    assert fitted(HierarchicalSoftmaxRegression, X, y, tree="huffman").tree_.lengths[np.argmax(counts)] <= 2


@pytest.mark.parametrize("estimator", BOTH)
def test_the_seed_decides(estimator, digits):
    first, again, other = (
        fitted(estimator, *digits, solver="sgd", max_iter=3, random_state=seed).coef_ for seed in (1, 1, 2)
    )
    np.testing.assert_array_equal(first, again)
    assert not np.array_equal(first, other)


@pytest.mark.parametrize("estimator", BOTH)
@pytest.mark.parametrize("dtype", [np.int8, np.uint16, np.int64, np.float32, bool])
def test_any_numeric_dtype(estimator, dtype, digits):
    X = (digits[0] * 2).astype(dtype)
    tree = {"tree": "balanced"} if estimator is HierarchicalSoftmaxRegression else {}
    expected = fitted(estimator, X.astype(float), digits[1], tol=1e-9, **tree).predict_proba(X)
    for make in FORMATS:
        clf = fitted(estimator, make(X), digits[1], tol=1e-9, **tree)
        assert clf.coef_.dtype == (np.float32 if dtype == np.float32 else np.float64)
        atol = 1e-2 if dtype == np.float32 else 1e-3
        np.testing.assert_allclose(clf.predict_proba(make(X)), expected, atol=atol)


@pytest.mark.parametrize("estimator", BOTH)
def test_more_classes_than_features_or_rows_to_learn_from(estimator):
    X = np.eye(7)
    clf = estimator().fit(X, list("abcdefg"))
    assert clf.score(X, list("abcdefg")) == 1


@pytest.mark.parametrize("estimator", BOTH)
@pytest.mark.parametrize("intercept", [True, False])
def test_features_that_say_nothing_give_the_frequencies(estimator, intercept):
    """A constant feature beside an intercept, or one that is the intercept."""
    y = [0] * 60 + [1] * 30 + [2] * 10
    for make in FORMATS:
        X = make(np.full((100, 1), 3.0))
        clf = estimator(l2=1e-4, fit_intercept=intercept).fit(X, y)
        np.testing.assert_allclose(clf.predict_proba(X[:1])[0], [0.6, 0.3, 0.1], atol=5e-3)


@pytest.mark.parametrize("estimator", BOTH)
def test_nothing_to_learn_from_zeros_without_an_intercept(estimator):
    clf = estimator(fit_intercept=False, l2=0.1).fit(np.zeros((6, 2)), [0, 1] * 3)
    np.testing.assert_allclose(clf.predict_proba([[0, 0]]), [[0.5, 0.5]])


@pytest.mark.parametrize("estimator", BOTH)
def test_a_large_offset_of_a_feature_does_no_harm(estimator, digits):
    X, y = digits
    plain = fitted(estimator, X, y, tol=1e-10)
    shifted = fitted(estimator, X + 1e5, y, tol=1e-10)
    np.testing.assert_allclose(shifted.predict_proba(X + 1e5), plain.predict_proba(X), atol=1e-4)


@pytest.mark.parametrize("estimator", BOTH)
@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"max_iter": 0}, "'max_iter' {} an int in the range [1, 1000000]. Got 0 instead."),
        (
            {"solver": "sgd", "batch_size": 1.5},
            "'batch_size' {} an int in the range [1, 2147483648]. Got 1.5 in",
        ),
        ({"solver": "sgd", "lr": 0.0}, "'lr' {} None or a float in the range [1e-30, inf). Got 0.0 instead."),
        (
            {"solver": "sgd", "lr": math.nan},
            "'lr' {} None or a float in the range [1e-30, inf). Got nan instead.",
        ),
        ({"l2": -1}, "'l2' {} None or a float in the range [0, inf). Got -1 instead."),
        ({"solver": "sgd", "lr": 1.0, "l2": 1.0}, "set lr * l2 below 1"),
        ({"solver": "sgd", "random_state": -1}, "'random_state' {} None, an int in the range [0, 42949672"),
        ({"n_jobs": 0}, "'n_jobs' {} None, an int of at least 1, or a negative int. Got 0 instead."),
        ({"class_weight": "none"}, "'class_weight' {} None, 'balanced' or a dict of a weight, not negative,"),
        ({"class_weight": {0: -1.0}}, "'class_weight' {} None, 'balanced' or a dict of a weight, not negat"),
        ({"class_weight": {0: math.nan}}, "'class_weight' {} None, 'balanced' or a dict of a weight, not"),
        ({"tol": -1.0}, "'tol' {} a float in the range [0, inf). Got -1.0 instead."),
        ({"solver": "newton"}, "'solver' {} "),
        ({"max_iter": 10**5000}, "'max_iter' {} an int in the range [1, 1000000]. Got an object"),
        ({"l2": "a\n b"}, r"'l2' {} None or a float in the range [0, inf). Got 'a\n b' instead."),
    ],
)
def test_parameters_out_of_range(estimator, options, message):
    message = message.format(f"parameter of {estimator.__name__} must be")
    with pytest.raises(OptionError, match=re.escape(message)) as error:
        estimator(**options).fit(*data())
    assert "\n" not in str(error.value)


def test_a_tree_that_does_not_fit():
    with pytest.raises(OptionError, match=r"must be 'learned' or 'huffman' or .*\. Got 'oak' inst"):
        HierarchicalSoftmaxRegression(tree="oak").fit(*data())
    message = "must be a tree over the sorted classes of y, of which there are 5. Got .* 3 classes"
    with pytest.raises(OptionError, match=message):
        HierarchicalSoftmaxRegression(tree=huffman([1, 1, 1])).fit(*data())


@pytest.mark.parametrize("estimator", BOTH)
def test_bad_data(estimator):
    X, y = data()
    with pytest.raises(OptionError, match="y holds one class, a: need at least 2 classes"):
        estimator().fit(X, ["a"] * len(X))
    with pytest.raises(ValueError, match="NaN"):
        estimator().fit(np.where(X == 0, np.nan, X), y)
    with pytest.raises(OptionError, match="the squares of X overflow"):
        estimator().fit(X * 1e200, y)
    with pytest.raises(OptionError, match="labels that cannot be sorted"):
        estimator().fit(X, np.array(["a", 1, None] * 10, object))
    for weight in (1e-320, 1e308):
        with pytest.raises(OptionError, match=r"the weights of the rows sum to .*; scale them"):
            estimator().fit(X, y, sample_weight=np.full(len(X), weight))
    for k in (0, 6, 1.5):
        with pytest.raises(OptionError, match=f"k={k}: expected a whole number from 1 to 5"):
            estimator().fit(X, y).top_k(X, k)


def refused(estimator):
    """Parameters, and a factor of X, with which `fit` fails only after it has seen the classes."""
    if estimator is not GroupedSoftmaxRegression:
        yield {"tree": "oak"} if estimator is not SoftmaxRegression else {"early_stopping": True}, 1
    if estimator in BOTH:
        yield {"solver": "sgd", "lr": 1e200, "l2": 0.0}, 1  # diverges
    else:
        yield {"n_groups": 9} if estimator is GroupedSoftmaxRegression else {"tree": ["a", "b"]}, 1
    yield {}, 1e200  # overflows


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
@pytest.mark.parametrize("estimator", [*BOTH, GroupedSoftmaxRegression, ProbabilisticLabelTree])
def test_a_fit_that_fails_leaves_the_estimator_as_it_was(estimator):
    X, y = data()
    others = np.array(list("abcd"))[np.arange(len(X)) % 4]
    for parameters, factor in refused(estimator):
        with pytest.raises((OptionError, DivergedError)):
            (clf := estimator(**parameters)).fit(X * factor, y)
        with pytest.raises(NotFittedError):
            clf.predict(X)
        clf = estimator().fit(X, y)
        before, classes = clf.predict_proba(X), clf.classes_
        with pytest.raises((OptionError, DivergedError)):
            clf.set_params(**parameters).fit(X[:, :3] * factor, others)
        np.testing.assert_array_equal(clf.classes_, classes)
        np.testing.assert_array_equal(clf.predict_proba(X), before)


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
@pytest.mark.parametrize("estimator", BOTH)
def test_a_partial_fit_that_fails_leaves_the_estimator_as_it_was(estimator):
    X, y = data()
    online = estimator(lr=-1.0, batch_size=1)
    with pytest.raises(OptionError, match="'lr'"):
        online.partial_fit(X, y, classes=range(5))
    with pytest.raises(NotFittedError):
        online.predict(X)
    online.set_params(lr=0.1).partial_fit(X, y, classes=range(5))
    before = online.predict_proba(X)
    with pytest.raises(DivergedError):
        online.partial_fit(X * 1e200, y)
    np.testing.assert_array_equal(online.predict_proba(X), before)


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
@pytest.mark.parametrize("estimator", [*BOTH, ProbabilisticLabelTree])
def test_scores_that_overflow(estimator):
    clf = estimator(tree=[0, 1, 2]) if estimator is not SoftmaxRegression else estimator()
    clf.fit(np.eye(3), [0, 1, 2])
    clf.coef_[:] = [1e10, -1e10, 0]
    for method in (clf.predict, lambda X: clf.top_k(X, 2)):
        with pytest.raises(OptionError, match="the scores of X overflow"):
            method([[1e300, 1e300, 0]])


@pytest.mark.parametrize("make", FORMATS)
def test_classes_whose_rows_all_weigh_nothing(make):
    """An inner node above two of them has no rows: its branches are equally probable."""
    X, y = data(classes=6)
    clf = HierarchicalSoftmaxRegression(tree=[[[0, 1], [2, 3]], [4, 5]])
    found = clf.fit(make(X), y, sample_weight=y > 3).predict_proba(make(X))
    assert found[:, :4].max() < 1e-8
    np.testing.assert_allclose(found.sum(axis=1), 1)
    np.testing.assert_allclose(found[:, :3], found[:, 1:4])


@pytest.mark.parametrize("make", FORMATS)
@pytest.mark.parametrize("estimator", BOTH)
@pytest.mark.parametrize("lr", [1e6, 1e200, 1e308])
def test_a_rate_that_is_too_large(estimator, make, lr):
    X, y = many_classes()
    with pytest.raises(DivergedError, match="smaller lr than") as error:
        fitted(estimator, make(X), y, solver="sgd", max_iter=3, l2=0.0, lr=lr)
    assert isinstance(error.value, ValueError) and isinstance(error.value, W2VError)
    assert "\n" not in str(error.value)


def test_without_scikit_learn():
    code = """
import sys
sys.modules["sklearn"] = None
import w2v_hs
try:
    from w2v_hs.classifier import SoftmaxRegression
except ImportError as error:
    print(error)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True)
    assert done.stdout.decode().strip() == (
        "w2v_hs.classifier needs scikit-learn 1.6 or newer: pip install 'w2v-hs[classifier]'"
    )

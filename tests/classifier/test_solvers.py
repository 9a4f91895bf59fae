"""Solvers against oracles and scikit-learn; what all estimators promise whatever the solver."""

import contextlib
import io
import re
import warnings
from concurrent.futures import ThreadPoolExecutor

import naive
import numpy as np
import pytest
import scipy.sparse
from sklearn.datasets import load_digits, load_iris
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import log_loss
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from w2v_hs.classifier import HierarchicalSoftmaxRegression, SoftmaxRegression
from w2v_hs.classifier.lbfgs import minimise
from w2v_hs.classifier.objective import Objective
from w2v_hs.errors import OptionError
from w2v_hs.tree import huffman

BOTH = [SoftmaxRegression, HierarchicalSoftmaxRegression]
FORMATS = [np.asarray, scipy.sparse.csr_array]


def data(rows=60, features=7, classes=5, seed=1):
    generator = np.random.default_rng(seed)
    X = generator.normal(0.3, 1, (rows, features))
    X[generator.random(X.shape) < 0.4] = 0
    labels = np.append(np.arange(classes), generator.integers(0, classes, rows - classes))
    return X, labels


def text_like(rows=600, features=300, classes=120, seed=1):
    """Sparse rows of length 1: each class has some features of its own, and all share others."""
    generator = np.random.default_rng(seed)
    labels = np.append(np.arange(classes), generator.integers(0, classes, rows - classes))
    own = generator.integers(0, features, (classes, 4))
    X = np.zeros((rows, features))
    for _ in range(4):
        X[np.arange(rows), own[labels, generator.integers(0, 4, rows)]] = 1
        X[np.arange(rows), generator.integers(0, features, rows)] = 1
    return scipy.sparse.csr_array(X / np.linalg.norm(X, axis=1, keepdims=True)), labels


def dense(matrix):
    return matrix if isinstance(matrix, np.ndarray) else matrix.toarray()


# ---- the full softmax ---------------------------------------------------------------------------


@pytest.mark.parametrize("make", FORMATS)
@pytest.mark.parametrize("centred", [False, True])
def test_the_objective_and_its_gradient(make, centred):
    X, labels = data()
    classes, generator = 5, np.random.default_rng(3)
    centre = X.mean(axis=0) * centred
    point = generator.normal(size=(X.shape[1] + 1, classes))
    given = make(X if make is scipy.sparse.csr_array else X - centre)
    rest = centre if make is scipy.sparse.csr_array else np.zeros_like(centre)
    shares = np.full(len(X), 1 / len(X))
    with ThreadPoolExecutor(2) as pool:
        objective = Objective(given, rest, labels, shares, classes, 0.3, True, pool)
        value, gradient = objective(point.ravel())
        _, expected, dweights, dbias = naive.regression(X - centre, labels, point[:-1].T, point[-1], 0.3)
        assert value == pytest.approx(expected, rel=1e-12)
        np.testing.assert_allclose(gradient, np.vstack([dweights.T, dbias]).ravel(), atol=1e-12)
        step = 1e-3  # a fourth-order difference: the error is of the order of step ** 4
        for place in range(0, point.size, 7):
            ends = []
            for moves in (-2, -1, 1, 2):
                moved = point.ravel().copy()
                moved[place] += moves * step
                ends.append(objective(moved)[0])
            slope = (ends[0] - 8 * ends[1] + 8 * ends[2] - ends[3]) / (12 * step)
            assert slope == pytest.approx(gradient[place], abs=1e-10)


def test_lbfgs_finds_the_minimum_of_a_quadratic():
    generator = np.random.default_rng(1)
    root = generator.normal(size=(40, 40))
    A, b = root @ root.T + np.eye(40), generator.normal(size=40)
    found = minimise(
        lambda x: (x @ A @ x / 2 - b @ x, A @ x - b), np.zeros(40), np.diag(A) ** -0.5, 1e-14, 500
    )
    assert found.converged
    np.testing.assert_allclose(found.x, np.linalg.solve(A, b), atol=1e-6)


@pytest.mark.parametrize("make", FORMATS)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_scaled_iris_reaches_the_optimum(make, dtype):
    X, y = load_iris(return_X_y=True)
    X = StandardScaler().fit_transform(X)
    theirs = LogisticRegression(tol=1e-10, max_iter=10_000).fit(X, y)
    clf = SoftmaxRegression().fit(make(X.astype(dtype)), y)
    assert clf.coef_.dtype == clf.intercept_.dtype == dtype
    optimum = log_loss(y, theirs.predict_proba(X)) + (theirs.coef_**2).sum() / 300
    assert clf.losses_[-1] == pytest.approx(optimum, abs=1e-5)
    assert optimum == pytest.approx(0.2092, abs=1e-4)


@pytest.mark.parametrize("make", [SoftmaxRegression, HierarchicalSoftmaxRegression])
def test_a_feature_of_a_large_scale_does_not_hide_the_others(make):
    X, y = load_iris(return_X_y=True)
    noise = np.random.default_rng(1).normal(size=(len(X), 1))
    X = np.hstack([X, 1e8 * noise])
    assert make(tol=1e-4).fit(X, y).score(X, y) > 0.95


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("make", [SoftmaxRegression, HierarchicalSoftmaxRegression])
def test_a_constant_feature_gets_no_weight(make, dtype):
    X, y = load_iris(return_X_y=True)
    X = np.hstack([X, np.full((len(X), 1), 0.1)]).astype(dtype)
    clf = make(l2=0, tol=1e-3).fit(X, y)
    assert not clf.coef_[:, -1].any()
    assert clf.score(X, y) > 0.95


def test_many_sparse_classes_reach_the_optimum():
    X, y = text_like()
    theirs = LogisticRegression(tol=1e-9, max_iter=10_000).fit(X, y)
    clf = SoftmaxRegression(tol=1e-8, n_jobs=2).fit(X, y)
    np.testing.assert_allclose(clf.predict_proba(X), theirs.predict_proba(X), atol=1e-3)


def test_the_end_before_the_minimum_is_told():
    """With the line that called `fit`."""
    X, y = text_like()
    for clf, message in (
        (SoftmaxRegression(max_iter=2), "after 2 iterations .* above its minimum, more than tol"),
        (HierarchicalSoftmaxRegression(max_iter=1, tol=1e-6), r"\d+ of 119 nodes .* after 1 passes"),
        (make_pipeline(SoftmaxRegression(max_iter=2)), "after 2 iterations"),
    ):
        with pytest.warns(ConvergenceWarning, match=message) as found:
            clf.fit(X, y)
        assert found[0].filename == __file__


# ---- the nodes of a tree ------------------------------------------------------------------------


@pytest.mark.parametrize("make", FORMATS)
@pytest.mark.parametrize("l2", [1e-1, 1e-3, 1e-6])
@pytest.mark.parametrize("intercept", [True, False])
def test_each_node_is_a_logistic_regression(make, l2, intercept):
    """The smallest penalty is one that dual coordinate descent leaves to L-BFGS."""
    X, y = data(rows=200)
    clf = HierarchicalSoftmaxRegression(l2=l2, tol=1e-10, fit_intercept=intercept).fit(make(X), y)
    for node in range(clf.tree_.inner):
        left = {}
        for label in range(5):
            path = slice(*clf.tree_.offsets[label : label + 2])
            for n, bit in zip(clf.tree_.nodes[path], clf.tree_.bits[path], strict=True):
                if n == node:
                    left[label] = bit == 0
        below = np.isin(y, list(left))
        target = np.array([left[label] for label in y[below]])
        theirs = LogisticRegression(
            C=1 / (l2 * len(y)),
            fit_intercept=intercept,
            tol=1e-12,
            max_iter=100_000,
            solver="newton-cholesky",
        ).fit(X[below], target)
        scores = X[below] @ dense(clf.coef_)[node] + clf.intercept_[node]
        ours = 1 / (1 + np.exp(-scores))
        np.testing.assert_allclose(ours, theirs.predict_proba(X[below])[:, 1], atol=2e-3)


def test_long_rows_take_few_passes():
    X, labels = text_like()
    clf = HierarchicalSoftmaxRegression(n_jobs=2).fit(X * 6, labels)
    assert clf.n_iter_ < 50  # where the nodes would start again with L-BFGS


def test_without_a_penalty_nodes_reach_the_frequencies():
    X, y = np.ones((100, 1)), [0] * 60 + [1] * 30 + [2] * 10
    for make in FORMATS:
        clf = HierarchicalSoftmaxRegression(l2=0.0, fit_intercept=False, tol=1e-9).fit(make(X), y)
        np.testing.assert_allclose(clf.predict_proba(make(X[:1]))[0], [0.6, 0.3, 0.1], atol=1e-4)


def test_sparse_features_give_weights_to_those_alone_that_occur_below_a_node():
    X, y = text_like()
    clf = HierarchicalSoftmaxRegression().fit(X, y)
    assert scipy.sparse.issparse(clf.coef_) and clf.coef_.nnz < clf.coef_.shape[0] * X.shape[1] / 2
    filled = HierarchicalSoftmaxRegression(tol=1e-9, tree=clf.tree_).fit(X.toarray(), y)
    exact = HierarchicalSoftmaxRegression(tol=1e-9, tree=clf.tree_).fit(X, y)
    np.testing.assert_allclose(exact.predict_proba(X), filled.predict_proba(X), atol=1e-3)
    np.testing.assert_allclose(clf.predict_proba(X.toarray()), clf.predict_proba(X), rtol=1e-9)


# ---- what all promise ---------------------------------------------------------------------------


@pytest.mark.parametrize("estimator", BOTH)
@pytest.mark.parametrize("make", FORMATS)
def test_results_do_not_depend_on_the_number_of_threads(estimator, make):
    X, y = text_like()
    one, three = (estimator(n_jobs=jobs).fit(make(X.toarray()), y) for jobs in (1, 3))
    np.testing.assert_array_equal(dense(one.coef_), dense(three.coef_))
    np.testing.assert_array_equal(one.top_k(X, 3)[0], three.top_k(X, 3)[0])
    np.testing.assert_array_equal(one.predict_proba(X), three.predict_proba(X))


@pytest.mark.parametrize("estimator", BOTH)
@pytest.mark.parametrize("make", FORMATS)
def test_a_weight_of_two_is_the_row_twice(estimator, make):
    X, y = data()
    twice = np.arange(len(y)) % 3 == 0
    again = np.append(np.arange(len(y)), np.flatnonzero(twice))
    weighted = estimator(tol=1e-11).fit(make(X), y, sample_weight=1 + twice)
    repeated = estimator(tol=1e-11).fit(make(X[again]), y[again])
    np.testing.assert_allclose(weighted.predict_proba(X), repeated.predict_proba(X), atol=1e-4)
    plain = estimator(tol=1e-11).fit(make(X), y)
    assert np.abs(plain.predict_proba(X) - weighted.predict_proba(X)).max() > 1e-2


@pytest.mark.parametrize("estimator", BOTH)
def test_weights_of_classes_multiply_those_of_rows(estimator):
    X, y = data()
    by_class = estimator(class_weight={0: 3.0}, tol=1e-11).fit(X, y)
    by_row = estimator(tol=1e-11).fit(X, y, sample_weight=np.where(y == 0, 3.0, 1.0))
    np.testing.assert_allclose(by_class.predict_proba(X), by_row.predict_proba(X), atol=1e-4)


@pytest.mark.parametrize("estimator", BOTH)
@pytest.mark.parametrize("make", FORMATS)
def test_batches_one_after_another(estimator, make):
    X, y = load_digits(return_X_y=True)
    X = X / 16
    clf = estimator(batch_size=1, l2=1e-4)
    for _ in range(3):
        for first in range(0, len(y), 300):
            clf.partial_fit(make(X[first : first + 300]), y[first : first + 300], classes=np.arange(10))
    assert clf.score(X, y) > 0.85
    with pytest.raises(OptionError, match="y holds 11, which is not among the 10 classes given"):
        clf.partial_fit(X[:1], [11])
    then = estimator().fit(make(X), y)
    assert then.partial_fit(make(X[:300]), y[:300]).score(X, y) > 0.8


@pytest.mark.parametrize("estimator", BOTH)
def test_early_stopping(estimator):
    X, y = load_digits(return_X_y=True)
    clf = estimator(
        solver="sgd", max_iter=500, early_stopping=True, tol=1e-2, n_iter_no_change=2, batch_size=8
    ).fit(X / 16, y)
    assert clf.n_iter_ == len(clf.losses_) == len(clf.validation_losses_) < 500
    best = min(clf.validation_losses_[:-2])
    assert min(clf.validation_losses_[-2:]) >= best - 1e-2


@pytest.mark.parametrize("estimator", BOTH)
def test_a_warm_start_continues(estimator):
    X, y = load_digits(return_X_y=True)
    clf = estimator(solver="sgd", max_iter=5, warm_start=True).fit(X / 16, y)
    first = clf.losses_[0]
    assert clf.fit(X / 16, y).losses_[0] < first
    clf.fit(X[:, :5] / 16, y)  # other features: from the beginning
    assert clf.coef_.shape[1] == 5
    clf.set_params(fit_intercept=False).fit(X[:, :5] / 16, y)
    assert not clf.intercept_.any()
    full = SoftmaxRegression(warm_start=True).fit(X / 16, y)
    assert full.n_iter_ > 5
    assert full.fit(X / 16, y).n_iter_ < 5
    without = full.set_params(fit_intercept=False).fit(X / 16, y).predict_proba(X / 16)
    expected = SoftmaxRegression(fit_intercept=False).fit(X / 16, y).predict_proba(X / 16)
    np.testing.assert_allclose(without, expected, atol=0.01)


def test_a_warm_start_of_several_trees():
    X, y = load_digits(return_X_y=True)
    clf = HierarchicalSoftmaxRegression(n_trees=2, solver="sgd", max_iter=2, warm_start=True).fit(X / 16, y)
    first = clf.losses_[0]
    assert clf.fit(X / 16, y).losses_[0] < first
    assert len(clf.set_params(n_trees=3).fit(X / 16, y).trees_) == 3


@pytest.mark.parametrize(
    ("estimator", "options", "message"),
    [
        (SoftmaxRegression, {"early_stopping": True}, "early_stopping=True with solver='lbfgs'"),
        (HierarchicalSoftmaxRegression, {"early_stopping": True}, "early_stopping=True with solver='dual'"),
        (HierarchicalSoftmaxRegression, {"warm_start": True}, "warm_start=True with solver='dual'"),
        (HierarchicalSoftmaxRegression, {"n_trees": 2, "tree": "huffman"}, "n_trees=2 with one tree"),
        (
            SoftmaxRegression,
            {"solver": "sgd", "early_stopping": True, "validation_fraction": 1.0},
            "'validation_fraction' parameter .* must be a float",
        ),
    ],
)
def test_options_that_make_no_sense_together(estimator, options, message):
    with pytest.raises(OptionError, match=message) as error:
        estimator(**options).fit(*data())
    assert "\n" not in str(error.value)


def test_partial_fit_refuses_what_needs_all_rows():
    for options in ({"class_weight": "balanced"}, {"early_stopping": True}):
        with pytest.raises(OptionError, match="with partial_fit, which"):
            SoftmaxRegression(**options).partial_fit(*data(), classes=range(5))


class Terminal(io.StringIO):
    def isatty(self):
        return True


def test_progress_on_a_terminal():
    for verbose in (True, False):
        with contextlib.redirect_stderr(Terminal()) as terminal:
            SoftmaxRegression(verbose=verbose).fit(*data())
        words = re.sub(r"\x1b\[[\d;?]*[A-Za-z]", "", terminal.getvalue())
        assert bool(re.search(r"fitting.*iteration \d+  objective \d\.\d", words, re.DOTALL)) == verbose


# ---- trees --------------------------------------------------------------------------------------


@pytest.mark.parametrize("make", FORMATS)
def test_learned_trees_put_like_classes_together(make):
    """Two groups of eight classes; each class has a feature of its own, each group ten."""
    generator = np.random.default_rng(1)
    y = generator.permutation(np.arange(1600) % 16)
    X = np.zeros((1600, 36))
    for _ in range(3):
        X[np.arange(1600), y % 2 * 10 + generator.integers(0, 10, 1600)] = 1
    X[np.arange(1600), 20 + y] = 1
    clf = HierarchicalSoftmaxRegression(tree="learned").fit(make(X), y)
    first = [clf.tree_.code(label)[0] for label in range(16)]
    assert first == [first[0], first[1]] * 8 and first[0] != first[1]


def test_several_trees_are_averaged():
    X, y = text_like()
    clf = HierarchicalSoftmaxRegression(n_trees=3).fit(X, y)
    codes = [tuple(tree.code(c) for c in range(120)) for tree in clf.trees_]
    assert len(set(codes)) == 3
    single = [
        HierarchicalSoftmaxRegression(tree=tree, tol=1e-9).fit(X, y).predict_proba(X) for tree in clf.trees_
    ]
    exact = HierarchicalSoftmaxRegression(n_trees=3, tol=1e-9).fit(X, y)
    np.testing.assert_allclose(exact.predict_proba(X), np.mean(single, axis=0), atol=1e-3)
    everything = clf.predict_proba(X)
    order = np.argsort(-everything, axis=1, kind="stable")[:, :7]
    labels, found = clf.top_k(X, 7)
    np.testing.assert_array_equal(labels, order)
    np.testing.assert_allclose(found, np.take_along_axis(everything, order, axis=1))


def test_a_tree_of_nested_lists_or_parents():
    X, y = load_digits(n_class=5, return_X_y=True)
    words = np.array(["zero", "one", "two", "three", "four"])[y]
    nested = HierarchicalSoftmaxRegression(tree=[["zero", "one"], ["two", ["three", "four"]]]).fit(X, words)
    parents = {
        "zero": "a",
        "one": "a",
        "two": "b",
        "three": "c",
        "four": "c",
        "c": "b",
        "a": "top",
        "b": "top",
    }
    given = HierarchicalSoftmaxRegression(tree=parents).fit(X, words)
    for clf in (nested, given):
        code = {label: clf.tree_.code(i) for i, label in enumerate(clf.classes_)}
        assert sorted(map(len, code.values())) == [2, 2, 2, 3, 3]
        assert code["zero"][0] == code["one"][0] != code["two"][0] == code["three"][0]
        assert code["three"][:2] == code["four"][:2]
    numbers = HierarchicalSoftmaxRegression(tree=[[0, 1], [2, [3, 4]]]).fit(X, y)
    assert numbers.score(X, y) > 0.9


@pytest.mark.parametrize(
    ("tree", "message"),
    [
        ([["a", "b"], "c", "e"], "tree: the class 'e' is not in y; the leaves must be"),
        (["a", "b"], "tree: the class 'c' is missing; the leaves must be"),
        ({"a": 1, "b": 1}, "tree: the class 'c' has no parent"),
        ({"a": 1, "b": 2, "c": 2}, "tree: 2 groups have no parent, '1', '2'; expected one root"),
        ({"a": 1, "b": 1, "c": 2, 2: 3, 3: 2, 1: 2}, "run in a circle"),
        ({"a": "b", "b": "c", "c": 1}, "tree: the class '[bc]' is the parent of another"),
        (7, "must be 'learned', 'huffman', 'balanced', a w2v_hs.tree.Tree, nested"),
    ],
)
def test_trees_that_do_not_fit_the_classes(tree, message):
    X, y = np.eye(3), ["a", "b", "c"]
    with pytest.raises((OptionError, ValueError), match=message) as error:
        HierarchicalSoftmaxRegression(tree=tree).fit(X, y)
    assert "\n" not in str(error.value)


def test_fractions_as_weights_make_a_huffman_tree():
    X, y = data()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        clf = HierarchicalSoftmaxRegression(tree="huffman").fit(X, y, sample_weight=np.full(60, 0.25))
    expected = huffman(np.bincount(y))
    assert [clf.tree_.code(c) for c in range(5)] == [expected.code(c) for c in range(5)]

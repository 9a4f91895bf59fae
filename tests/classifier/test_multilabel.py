"""Probabilistic label trees: marginals, search and edges."""

import naive
import numpy as np
import pytest
import scipy.sparse
from sklearn.linear_model import LogisticRegression

from w2v_hs.classifier import ProbabilisticLabelTree
from w2v_hs.errors import OptionError

FORMATS = [np.asarray, scipy.sparse.csr_array]


def data(rows=300, features=60, labels=40, seed=1):
    """Sparse rows; each label is on where its feature is, mostly; some rows have none."""
    generator = np.random.default_rng(seed)
    X = (generator.random((rows, features)) < 0.1) * generator.random((rows, features))
    Y = (X[:, :labels] > 0.2) & (generator.random((rows, labels)) < 0.9)
    Y[np.arange(labels), np.arange(labels)] = True
    return X, Y.astype(int)


@pytest.mark.parametrize("make", FORMATS)
@pytest.mark.parametrize("tree", ["huffman", "learned"])
def test_marginals_are_products_along_paths(make, tree):
    X, Y = data()
    clf = ProbabilisticLabelTree(tree=tree).fit(make(X), Y)
    coef = clf.coef_ if isinstance(clf.coef_, np.ndarray) else clf.coef_.toarray()
    nodes = np.column_stack([coef, clf.intercept_])
    expected = [naive.label_marginals(np.append(x, 1), nodes, clf.tree_) for x in X[:40]]
    np.testing.assert_allclose(clf.predict_proba(make(X[:40])), expected, rtol=1e-9)


@pytest.mark.parametrize("make", FORMATS)
def test_each_node_is_a_regression_given_its_parent(make):
    X, Y = data(labels=5)
    clf = ProbabilisticLabelTree(l2=1e-3, tol=1e-10).fit(make(X), Y)
    coef = clf.coef_ if isinstance(clf.coef_, np.ndarray) else clf.coef_.toarray()
    for label in range(5):
        parent = clf.tree_.nodes[clf.tree_.offsets[label + 1] - 1]
        siblings = [c for c in range(5) if parent in clf.tree_.nodes[slice(*clf.tree_.offsets[c : c + 2])]]
        rows = Y[:, siblings].any(axis=1)
        theirs = LogisticRegression(C=1 / (1e-3 * len(X)), tol=1e-12, max_iter=10_000)
        theirs.fit(X[rows], Y[rows, label])
        ours = 1 / (1 + np.exp(-(X[rows] @ coef[label] + clf.intercept_[label])))
        np.testing.assert_allclose(ours, theirs.predict_proba(X[rows])[:, 1], atol=1e-3)


@pytest.mark.parametrize("make", FORMATS)
def test_search_finds_what_sorting_all_marginals_does(make):
    X, Y = data()
    clf = ProbabilisticLabelTree(n_jobs=2).fit(make(X), Y)
    everything = clf.predict_proba(make(X))
    order = np.argsort(-everything, axis=1, kind="stable")
    for k in (1, 4, 40):
        labels, found = clf.top_k(make(X), k)
        np.testing.assert_array_equal(labels, order[:, :k])
        np.testing.assert_allclose(found, np.take_along_axis(everything, order[:, :k], axis=1), rtol=1e-9)
    for threshold in (0.5, 0.1, 0.0):
        clf.threshold = threshold
        np.testing.assert_array_equal(clf.predict(make(X)), everything >= threshold)


def test_the_kind_of_y_is_that_of_predictions():
    X, Y = data()
    sparse = ProbabilisticLabelTree().fit(X, scipy.sparse.csr_array(Y))
    filled = ProbabilisticLabelTree().fit(X, Y)
    assert scipy.sparse.issparse(sparse.predict(X))
    np.testing.assert_array_equal(sparse.predict(X).toarray(), filled.predict(X))
    assert (filled.predict(X) == Y).mean() > 0.9
    words = np.array(["no", "yes"])[Y[:, 0]]
    single = ProbabilisticLabelTree().fit(X, words)
    assert set(single.predict(X)) <= {"no", "yes"}
    np.testing.assert_allclose(single.predict_proba(X).sum(axis=1), 1)


def test_weights_of_rows():
    X, Y = data()
    twice = np.arange(len(X)) % 3 == 0
    again = np.append(np.arange(len(X)), np.flatnonzero(twice))
    weighted = ProbabilisticLabelTree(tol=1e-10).fit(X, Y, sample_weight=1 + twice)
    repeated = ProbabilisticLabelTree(tol=1e-10).fit(X[again], Y[again])
    np.testing.assert_allclose(weighted.predict_proba(X), repeated.predict_proba(X), atol=1e-3)


@pytest.mark.parametrize("make", FORMATS)
def test_labels_that_no_row_has(make):
    """As in the training part of a split: nodes below the root of such labels have no rows."""
    X, Y = data(labels=8)
    Y[:, :4] = 0
    clf = ProbabilisticLabelTree(tree="balanced").fit(make(X), Y)
    assert clf.predict_proba(make(X))[:, :4].max() < 1e-8
    assert (clf.predict(make(X)) == Y).mean() > 0.9


@pytest.mark.parametrize(
    ("options", "Y", "message"),
    [
        ({"threshold": 1.5}, data()[1], r"'threshold' parameter .* a float in the range \[0, 1\]"),
        ({"class_weight": "balanced"}, data()[1], "class_weight with several labels a row"),
        ({}, data()[1] * 2 + 1, r"y of shape \(n, L\) holds more than 0 and 1: .*MultiLabelBinarizer"),
        ({}, [["a", "b"]] * 300, "holds more than 0 and 1: .*MultiLabelBinarizer"),
        ({}, [["a"], ["b", "c"], []] * 100, "a list of labels for each row: .*MultiLabelBinarizer"),
        ({}, [{"a"}, {"b", "c"}, set()] * 100, "a list of labels for each row: .*MultiLabelBinarizer"),
        ({}, scipy.sparse.csr_array(data()[1][:, :1]), "need at least 2 labels"),
        ({"tree": [0, 1]}, data()[1], "the class '10' is missing"),
    ],
)
def test_what_is_refused(options, Y, message):
    with pytest.raises(OptionError, match=message) as error:
        ProbabilisticLabelTree(**options).fit(data()[0], Y)
    assert "\n" not in str(error.value)

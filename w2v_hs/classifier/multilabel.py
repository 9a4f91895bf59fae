"""Probabilistic label trees: several labels a row, by a tree over the labels."""

import math
from typing import Any, Literal, Self

import numpy as np
import numpy.typing as npt
import scipy.sparse
from scipy.special import logsumexp

from w2v_hs.classifier import nodes
from w2v_hs.classifier.base import Classifier, Features, restores_on_failure, warn_not_converged
from w2v_hs.classifier.class_trees import plant
from w2v_hs.classifier.nodes import node_scores
from w2v_hs.classifier.objective import rows_of
from w2v_hs.errors import OptionError
from w2v_hs.kernels import label_tree as kernel
from w2v_hs.kernels.dual import Problems
from w2v_hs.tree import Tree
from w2v_hs.types import Array, Float64, Int64

_SCORES = 1 << 22  # of nodes that are computed at once
_ROWS = 256  # that a thread searches at once
_MATRIX = (
    "a matrix (n, L) of 0 and 1; scikit-learn's MultiLabelBinarizer(sparse_output=True) makes it of lists"
)


class ProbabilisticLabelTree(Classifier):
    """Marginal probabilities of many labels, of which a row may have several or none.

    Each node of a binary tree over the labels has a logistic regression: given that a label below
    its parent is on, the probability that one below it is on, too. The product along a path is the
    marginal probability of its label (Jasinska et al. 2016, "Extreme F-measure maximization using
    sparse probability estimates"). Search finds the most probable labels without the others. The
    dual solver always begins at zero and ends at the minimum, so there is neither `warm_start` nor
    `early_stopping`.

    Parameters
    ----------
    tree : {"learned", "huffman", "balanced"}, Tree, list or dict, default="learned"
        As in `HierarchicalSoftmaxRegression`; over the columns of y if it has several.
    threshold : float, default=0.5
        The probability from which on `predict` gives a label to a row.
    l2 : float or None, default=None
        Strength of the penalty. With l2 = 1 / (C n), each node is a `LogisticRegression(C=C)`.
        None: C=10, with the sum of the sample weights for n.
    fit_intercept : bool, default=True
        Whether to fit intercepts, which are not penalised.
    max_iter : int, default=1000
        Most passes over the rows of a node. A `ConvergenceWarning` says when `tol` was not reached
        by then.
    tol : float, default=1e-3
        A node is done when its loss is estimated to be within `tol` nats a row of the minimum.
    class_weight : dict, "balanced" or None, default=None
        A weight for each label, by which those of its rows are multiplied. Only for a single label
        a row.
    random_state : int, RandomState or None, default=1
        Order of the rows, and beginnings of learned trees. The same number gives the same weights.
    n_jobs : int or None, default=None
        Threads; None: one, -1: one a processor. Results do not depend on it.
    verbose : bool, default=False
        Whether to show progress on standard error, or below the cell of a notebook.

    Attributes
    ----------
    classes_ : ndarray of shape (L,)
        Labels, sorted; with several labels a row, the columns of y.
    multilabel_ : bool
        Whether y was a matrix, with several labels a row or none.
    tree_ : Tree
        The tree over the labels.
    coef_ : {ndarray, CSR array} of shape (2 * L - 1, d)
        Weights of the leaves, then of the inner nodes; sparse for sparse features; float32 for
        features of float32, else float64.
    intercept_ : ndarray of shape (2 * L - 1,)
        Intercepts.
    n_iter_ : int
        Number of passes of the node that needed most.
    n_features_in_ : int
        Number of features, d.

    Examples
    --------
    >>> clf = ProbabilisticLabelTree(n_jobs=-1).fit(X, Y)  # Y (n, L) of 0 and 1, dense or sparse
    >>> labels, probabilities = clf.top_k(X, 5)
    """

    _COST = 10.0

    def __init__(
        self,
        *,
        tree: Literal["learned", "huffman", "balanced"] | Tree | list[Any] | dict[Any, Any] = "learned",
        threshold: float = 0.5,
        l2: float | None = None,
        fit_intercept: bool = True,
        max_iter: int = 1000,
        tol: float = 1e-3,
        class_weight: Any = None,
        random_state: Any = 1,
        n_jobs: int | None = None,
        verbose: bool = False,
    ):
        self.tree = tree
        self.threshold = threshold
        self.l2 = l2
        self.fit_intercept = fit_intercept
        self.max_iter = max_iter
        self.tol = tol
        self.class_weight = class_weight
        self.random_state = random_state
        self.n_jobs = n_jobs
        self.verbose = verbose

    @restores_on_failure
    def fit(self, X: Features, y: Any, sample_weight: npt.ArrayLike | None = None) -> Self:
        """Build the tree and train its nodes.

        Parameters
        ----------
        X : {array-like, CSR matrix} of shape (n, d)
            Features, any numbers.
        y : {array-like, sparse matrix} of shape (n, L) or (n,)
            1 where a row has a label, 0 elsewhere; or one label of any kind for each row.
        sample_weight : array-like of shape (n,), default=None
            Weights of the rows, not negative; a weight of 2 is the row twice.

        Returns
        -------
        self

        Raises
        ------
        OptionError
            A parameter is outside its range, or there are fewer than two labels.
        ValueError
            scikit-learn's estimators do not take X or y: NaN, infinite, or of unequal lengths.
        """
        tol = self._real("tol", 0.0, "a float in the range [0, inf)")
        max_iter = self._whole("max_iter", 1, 1_000_000)
        self._least()
        X, labels, weights = self._indicators(X, y, sample_weight)
        l2 = self._penalty(float(weights.sum()))
        members = scipy.sparse.csr_array(labels.T).multiply(weights).tocsr()
        with self._pool() as pool, self._progress("node", "excess") as report:
            self.tree_ = plant(self, X, members, weights, [self._seed()], pool)[0]
            shares = weights / weights.sum()
            X, _, means = self._centred(X, shares, centre=isinstance(X, np.ndarray))
            how = nodes.Training(shares, l2, bool(self.fit_intercept), tol, max_iter, self._seed())
            found = nodes.train(X, self._problems(labels), how, pool, self._threads(), report)
        self.coef_, self.intercept_ = found.weights, found.bias
        if means.any():
            self.intercept_ -= (self.coef_ @ means).astype(X.dtype)
        self.n_iter_ = int(found.passes.max())
        if (found.excess > tol).any():
            warn_not_converged(
                f"{(found.excess > tol).sum():,} of {len(found.excess):,} nodes are still above their "
                f"minimum after {max_iter} passes, by an estimated {found.excess.max():.2g} nats a row or "
                f"less, more than tol={tol:g}: increase max_iter or l2, or scale X"
            )
        return self

    def _indicators(self, X: Features, y: Any, sample_weight: Any) -> tuple[Features, Any, Float64]:
        """X, the labels as CSR (n, L), and the weights, of the rows whose weight is not 0."""
        if _collections(y):
            raise OptionError(f"y holds a list of labels for each row: expected {_MATRIX}")
        self._sparse_output = scipy.sparse.issparse(y)
        self.multilabel_ = self._sparse_output or (np.asarray(y).ndim == 2 and np.asarray(y).shape[1] > 1)
        if not self.multilabel_:
            data = self._data(X, y, sample_weight)
            ones, places = np.ones(len(data.labels)), (np.arange(len(data.labels)), data.labels)
            labels = scipy.sparse.csr_array((ones, places), shape=(len(ones), len(self.classes_)))
            return data.X, labels, data.weights
        if self.class_weight is not None:
            raise OptionError("class_weight with several labels a row: give sample_weight to fit")
        X, y = self._features(X, y, multi_output=True)
        if y.shape[1] < 2:
            raise OptionError("y holds one class, one column: need at least 2 labels")
        if not np.isin(y.data if scipy.sparse.issparse(y) else y, (0, 1)).all():
            raise OptionError(f"y of shape (n, L) holds more than 0 and 1: expected {_MATRIX}")
        weights = self._row_weights(sample_weight, X)
        kept = np.flatnonzero(weights)
        labels = scipy.sparse.csr_array(y, dtype=np.float64)[kept]
        labels.eliminate_zeros()
        self.classes_ = np.arange(labels.shape[1])
        return X[kept], labels, weights[kept]

    def _problems(self, labels: Any) -> Problems:
        """The rows of each classifier."""
        tree, count = self.tree_, labels.shape[1]
        above = scipy.sparse.csr_array(
            (np.ones(len(tree.nodes)), tree.nodes, tree.offsets), shape=(count, tree.inner)
        )
        below = scipy.sparse.hstack([labels, labels @ above], format="csc")
        below.sort_indices()
        starts = below.indptr.astype(np.int64)
        children, _ = tree.children()
        parents = np.full(2 * count - 1, -1)
        parents[children[:, 0]] = parents[children[:, 1]] = count + np.arange(tree.inner)
        own = np.diff(starts)
        sizes = np.where(parents < 0, labels.shape[0], own[parents])
        ends = np.cumsum(sizes)
        begins = ends - sizes
        members = np.empty(ends[-1], np.int32)
        rows = below.indices.astype(np.int32, copy=False)
        kernel.fill_members(starts, rows, parents, labels.shape[0], begins, begins + own, ends, members)
        return Problems(members, begins, begins + own, ends)

    def predict(self, X: Features) -> Any:
        """The labels of each row.

        Parameters
        ----------
        X : {array-like, CSR matrix} of shape (n, d)
            Features.

        Returns
        -------
        {ndarray, CSR matrix} of shape (n, L), or ndarray of shape (n,)
            1 for the labels whose probability is at least `threshold`, of the kind of the y of
            `fit`. If that had one label for each row, the most probable one.
        """
        if not getattr(self, "multilabel_", False):
            return super().predict(X)
        X = self._checked(X)
        least = self._least()
        parts, counts = [np.empty(0, np.int64)], [np.zeros(1, np.int64)]
        step = max(1, _SCORES // len(self.classes_))
        for first in range(0, X.shape[0], step):
            best, _, found = self._search(X[first : first + step], len(self.classes_), least)
            parts += [best[i, :count] for i, count in enumerate(found)]
            counts.append(found)
        columns = np.concatenate(parts)
        labels = scipy.sparse.csr_matrix(
            (np.ones(len(columns), np.int64), columns, np.cumsum(np.concatenate(counts))),
            shape=(X.shape[0], len(self.classes_)),
        )
        labels.sort_indices()
        return labels if self._sparse_output else labels.toarray()

    def predict_proba(self, X: Features) -> Float64:
        """Marginal probabilities of all labels.

        Parameters
        ----------
        X : {array-like, CSR matrix} of shape (n, d)
            Features.

        Returns
        -------
        ndarray of shape (n, L), float64
            The probability that the row has each label. If `fit` had one label for each row, they
            are scaled to sum 1.
        """
        return super().predict_proba(X)

    def top_k(self, X: Features, k: int) -> tuple[Array, Float64]:
        """The k most probable labels of each row.

        Parameters
        ----------
        X : {array-like, CSR matrix} of shape (n, d)
            Features.
        k : int
            Number of labels, from 1 to L.

        Returns
        -------
        labels : ndarray of shape (n, k)
            The most probable first; of equally probable ones the first in `classes_`.
        probabilities : ndarray of shape (n, k), float64
            Their marginal probabilities, not scaled to a sum of 1.

        Raises
        ------
        OptionError
            k is outside its range.
        """
        return super().top_k(X, k)

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.classifier_tags.multi_label = True
        tags.target_tags.multi_output = True
        return tags

    def _least(self) -> float:
        """The logarithm of the threshold."""
        threshold = self._real("threshold", 0.0, "a float in the range [0, 1]", 1.0)
        return math.log(threshold) if threshold > 0 else -math.inf

    def _together(self, X: Features) -> Features:
        """X, sparse if `coef_` is."""
        sparse = isinstance(X, np.ndarray) and not isinstance(self.coef_, np.ndarray)
        return scipy.sparse.csr_array(X) if sparse else X

    def _log_probs(self, X: Features) -> Float64:
        X, (children, order) = self._together(X), self.tree_.children()
        found = np.empty((X.shape[0], len(self.classes_)))
        step = max(1, _SCORES // len(self.classes_))
        for first in range(0, X.shape[0], step):
            block = slice(first, first + step)
            scores = node_scores(X[block], self.coef_, self.intercept_)
            found[block] = kernel.marginals(scores, children, order)
        if not self.multilabel_:
            found -= logsumexp(found, axis=1, keepdims=True)
        return found

    def _best(self, X: Features, k: int) -> tuple[Int64, Float64]:
        best, log_probs, found = self._search(X, k, -math.inf)
        log_probs[found < k] = math.nan  # the search drops labels whose scores are NaN
        best[found < k] = 0
        return best, log_probs

    def _search(self, X: Features, most: int, least: float) -> tuple[Int64, Float64, Int64]:
        """(n, most) labels and log P, and how many of log P >= least each row has, (n,)."""
        X = self._together(X)
        best, log_probs = np.empty((X.shape[0], most), np.int64), np.empty((X.shape[0], most))
        found = np.empty(X.shape[0], np.int64)
        rows, weights, (children, order) = rows_of(X), rows_of(self.coef_), self.tree_.children()

        def search(first: int) -> None:
            last, root = min(first + _ROWS, len(best)), int(order[0])
            bias = self.intercept_
            kernel.search_rows(
                rows, first, last, weights, bias, children, root, least, best, log_probs, found
            )

        with self._pool() as pool:
            list(pool.map(search, range(0, len(best), _ROWS)))
        return best, log_probs, found


def _collections(y: Any) -> bool:
    """Whether y has a set of labels for each row, or lists of them that are no matrix."""
    if scipy.sparse.issparse(y):
        return False
    try:
        found = np.asarray(y)
    except ValueError:  # lists of unequal lengths
        return True
    return found.dtype == object and isinstance(found.flat[0] if found.size else None, (list, tuple, set))

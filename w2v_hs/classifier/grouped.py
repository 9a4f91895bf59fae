"""Softmax over groups of classes, and over the classes of a group."""

import math
from typing import Any, Self

import numpy as np
import numpy.typing as npt
import scipy.sparse

from w2v_hs.classifier import softmaxes
from w2v_hs.classifier.base import Classifier, Data, Features, restores_on_failure, warn_not_converged
from w2v_hs.classifier.class_trees import centroids, grouped, whole_counts
from w2v_hs.classifier.nodes import Training
from w2v_hs.classifier.objective import rows_of
from w2v_hs.classifier.softmaxes import Problem
from w2v_hs.kernels import grouped as kernel
from w2v_hs.types import Float64, Int64

_FEW = 256  # classes, up to which one group is the default
_ROWS = 256  # that a thread takes at once


class GroupedSoftmaxRegression(Classifier):
    """Softmax over groups of the m classes, and over the classes of each group.

    P(class | x) = P(group | x) P(class | group, x), each factor a multinomial logistic regression
    (Goodman 2001, "Classes for fast maximum entropy training"). Probabilities sum to 1. For each
    feature that is not 0, a pass over the rows costs the number of groups and the size of the group
    of its row's class. With one group it is the model of `SoftmaxRegression`.
    `w2v_hs.classifier.base` has the objective. The dual solver always begins at zero and ends at
    the minimum, so there is neither `warm_start` nor `early_stopping`.

    Parameters
    ----------
    n_groups : int or None, default=None
        Number of groups, at most m. Half of them hold one class each, the most frequent ones; the
        others hold classes whose rows are alike. More groups are more accurate, and slower from
        some 2 sqrt(m) on. None: 2 sqrt(m), but one up to 256 classes.
    l2 : float or None, default=None
        Strength of the penalty. With l2 = 1 / (C n), each softmax is multinomial
        `LogisticRegression(C=C)` over its rows. None: C=10, with the sum of the sample weights for
        n.
    fit_intercept : bool, default=True
        Whether to fit intercepts, which are not penalised.
    max_iter : int, default=1000
        Most passes over the rows of a softmax. A `ConvergenceWarning` says when `tol` was not
        reached by then.
    tol : float, default=1e-3
        A softmax is done when its loss is estimated to be within `tol` nats a row of the minimum.
    class_weight : dict, "balanced" or None, default=None
        A weight for each label, by which those of its rows are multiplied. "balanced": inverse to
        the frequencies of the classes.
    random_state : int, RandomState or None, default=1
        Order of the rows, and beginnings of groups. The same number gives the same weights.
    n_jobs : int or None, default=None
        Threads; None: one, -1: one a processor. Results do not depend on it. The softmax over the
        groups takes one.
    verbose : bool, default=False
        Whether to show progress on standard error, or below the cell of a notebook.

    Attributes
    ----------
    classes_ : ndarray of shape (m,)
        Labels, sorted.
    groups_ : list of ndarray
        The classes of each group, as places in `classes_`.
    coef_ : {ndarray, CSR array} of shape (G + m, d)
        Weights of the G groups, then of the classes in the order of `classes_`; 0 for a class that
        is a group. Sparse for sparse features; float32 for features of float32, else float64. Made
        anew at each access.
    intercept_ : ndarray of shape (G + m,)
        Intercepts.
    n_iter_ : int
        Number of passes, of the softmax that needed most.
    n_features_in_ : int
        Number of features, d.

    Examples
    --------
    >>> clf = GroupedSoftmaxRegression(n_jobs=-1).fit(X, y)
    >>> labels, probabilities = clf.top_k(X, 5)
    """

    _COST = 10.0

    def __init__(
        self,
        *,
        n_groups: int | None = None,
        l2: float | None = None,
        fit_intercept: bool = True,
        max_iter: int = 1000,
        tol: float = 1e-3,
        class_weight: Any = None,
        random_state: Any = 1,
        n_jobs: int | None = None,
        verbose: bool = False,
    ):
        self.n_groups = n_groups
        self.l2 = l2
        self.fit_intercept = fit_intercept
        self.max_iter = max_iter
        self.tol = tol
        self.class_weight = class_weight
        self.random_state = random_state
        self.n_jobs = n_jobs
        self.verbose = verbose

    @restores_on_failure
    def fit(self, X: Features, y: npt.ArrayLike, sample_weight: npt.ArrayLike | None = None) -> Self:
        """Group the classes and train the softmaxes.

        Parameters
        ----------
        X : {array-like, CSR matrix} of shape (n, d)
            Features, any numbers.
        y : array-like of shape (n,)
            Labels of any kind, of two classes or more.
        sample_weight : array-like of shape (n,), default=None
            Weights of the rows, not negative; a weight of 2 is the row twice.

        Returns
        -------
        self

        Raises
        ------
        OptionError
            A parameter is outside its range, or y holds a single class.
        ValueError
            scikit-learn's estimators do not take X or y: NaN, infinite, or of unequal lengths.
        """
        max_iter = self._whole("max_iter", 1, 1_000_000)
        tol = self._real("tol", 0.0, "a float in the range [0, inf)")
        data = self._data(X, y, sample_weight)
        shares, l2 = data.weights / data.weights.sum(), self._penalty(float(data.weights.sum()))
        how = Training(shares, l2, bool(self.fit_intercept), tol, max_iter, self._seed())
        rows, _, means = self._centred(data.X, shares, centre=isinstance(data.X, np.ndarray))
        with self._pool() as pool, self._progress("softmax", "excess") as report:
            groups = self._groups(data, pool)
            problems = _problems(data.labels, groups)
            found = softmaxes.train(rows, problems, how, pool, report)
        if means.any():
            for softmax in found:
                softmax.bias -= means @ softmax.weights
        self.groups_, self._order = groups, np.concatenate(groups)
        self._softmaxes = softmaxes.together(found)
        self.intercept_ = self._softmaxes.bias[self._places()]
        self.n_iter_ = max(softmax.passes for softmax in found)
        excess = np.array([softmax.excess for softmax in found])
        if (excess > tol).any():
            warn_not_converged(
                f"{(excess > tol).sum():,} of {len(excess):,} softmaxes are still above their minimum after "
                f"{max_iter} passes, by an estimated {excess.max():.2g} nats a row or less, more than "
                f"tol={tol:g}: increase max_iter or l2, or scale X"
            )
        return self

    def _groups(self, data: Data, pool: Any) -> list[Int64]:
        """The classes of each group."""
        classes, rows = len(self.classes_), np.arange(len(data.labels))
        if self.n_groups is not None:
            number = self._whole("n_groups", 1, classes)
        else:
            number = 1 if classes <= _FEW else round(2 * math.sqrt(classes))
        if number == 1:
            return [np.arange(classes)]
        members = scipy.sparse.csr_array((data.weights, (data.labels, rows)), shape=(classes, len(rows)))
        counts = whole_counts(np.asarray(members.sum(axis=1), np.float64))
        found = centroids(data.X, members, data.weights)
        return grouped(found, counts, number, self._seed(), pool, self._threads())

    def _places(self) -> Int64:
        """(G + m,): where the groups, then the sorted classes, are among the outputs."""
        groups = len(self.groups_)
        return np.append(np.arange(groups), groups + np.argsort(self._order))

    @property
    def coef_(self) -> Any:
        """Weights of the groups, then of the classes."""
        starts, outputs = self._softmaxes.starts, self._softmaxes.outputs
        parts = []
        for number, place in enumerate(self._softmaxes.places):
            count, size = starts[number + 1] - starts[number], outputs[number + 1] - outputs[number]
            part = self._softmaxes.weights[place : place + count * size].reshape(count, size).T
            if self._softmaxes.features is not None:
                columns = np.tile(self._softmaxes.features[starts[number] : starts[number + 1]], size)
                begins = np.arange(size + 1) * count
                shape = size, self.n_features_in_
                part = scipy.sparse.csr_array((part.ravel(), columns, begins), shape=shape)
            parts.append(part)
        stack = np.vstack if self._softmaxes.features is None else scipy.sparse.vstack
        return stack(parts)[self._places()]

    def _together(self, X: Features) -> Features:
        """X, sparse if the weights are, dense if they are."""
        if self._softmaxes.features is None:
            return X if isinstance(X, np.ndarray) else X.toarray()
        return scipy.sparse.csr_array(X) if isinstance(X, np.ndarray) else X

    def _log_probs(self, X: Features) -> Float64:
        found, rows = np.empty((X.shape[0], len(self.classes_))), rows_of(self._together(X))

        def work(first: int) -> None:
            last = min(first + _ROWS, len(found))
            kernel.all_log_probs(rows, first, last, self._softmaxes, self._order, found)

        with self._pool() as pool:
            list(pool.map(work, range(0, len(found), _ROWS)))
        return found

    def _best(self, X: Features, k: int) -> tuple[Int64, Float64]:
        best, found = np.empty((X.shape[0], k), np.int64), np.empty((X.shape[0], k))
        rows = rows_of(self._together(X))

        def search(first: int) -> None:
            last = min(first + _ROWS, len(best))
            kernel.best_classes(rows, first, last, self._softmaxes, self._order, best, found)

        with self._pool() as pool:
            list(pool.map(search, range(0, len(best), _ROWS)))
        return best, found


def _problems(labels: Int64, groups: list[Int64]) -> list[Problem]:
    """The softmax over the groups, and that over the classes of each."""
    sizes = [len(group) for group in groups]
    group_of, place = np.empty(sum(sizes), np.int64), np.empty(sum(sizes), np.int64)
    group_of[np.concatenate(groups)] = np.repeat(np.arange(len(groups)), sizes)
    place[np.concatenate(groups)] = np.concatenate([np.arange(size) for size in sizes])
    found = [Problem(slice(None), group_of[labels], len(groups))]
    order = np.argsort(group_of[labels], kind="stable")
    bounds = np.searchsorted(group_of[labels][order], np.arange(len(groups) + 1))
    for number, size in enumerate(sizes):
        rows = order[bounds[number] : bounds[number + 1]] if size > 1 else np.empty(0, np.int64)
        found.append(Problem(rows, place[labels[rows]], size))
    return found

"""The full softmax: a weight vector for each class."""

import math
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any, Literal, Self

import numpy as np
import numpy.typing as npt

from w2v_hs.classifier.base import Data, Features, restores_on_failure, warn_not_converged
from w2v_hs.classifier.descent import Descent
from w2v_hs.classifier.lbfgs import minimise
from w2v_hs.classifier.objective import Objective, Products, rows_of
from w2v_hs.errors import OptionError
from w2v_hs.kernels.classifier import Batches
from w2v_hs.kernels.products import add_outer, largest
from w2v_hs.types import Array, Float64, Int64

_SCORES = 1 << 22  # that are computed at once
_LEAST_SCALE = 1e-30  # below it the scale is multiplied into the weights, in float32 too


class SoftmaxRegression(Descent):
    """Multinomial logistic regression: a weight vector for each of m classes.

    The model of `sklearn.linear_model.LogisticRegression`, and by default its minimum. For each
    feature that is not 0, a pass over the rows costs O(m). `w2v_hs.classifier.base` has the
    objective.

    Parameters
    ----------
    solver : {"lbfgs", "sgd"}, default="lbfgs"
        "lbfgs": all rows at once, to the minimum. "sgd": mini-batches, one thread; for more rows
        than fit into memory, with `partial_fit`, which always uses it.
    l2 : float or None, default=None
        Strength of the penalty. `LogisticRegression(C=1 / (l2 * n))` has the same minimum. None: 1
        over the sum of the sample weights, which is 1/n without any, as with C=1.
    fit_intercept : bool, default=True
        Whether to fit intercepts, which are not penalised.
    max_iter : int, default=500
        Most iterations; for "sgd", epochs. With "lbfgs", a `ConvergenceWarning` says when `tol` was
        not reached by then.
    tol : float, default=1e-5
        "lbfgs" ends when the objective is estimated to be within `tol` nats a row of its minimum.
        "sgd" with `early_stopping`: what counts as an improvement.
    class_weight : dict, "balanced" or None, default=None
        A weight for each label, by which those of its rows are multiplied. "balanced": inverse to
        the frequencies of the classes.
    warm_start : bool, default=False
        Whether `fit` begins with the weights of the last one, if classes and features are the same.
    lr : float or None, default=None
        "sgd": learning rate at the start; it falls linearly to 0. None: derived from the features.
    batch_size : int, default=32
        "sgd": most rows in a step, which takes their mean gradient.
    early_stopping : bool, default=False
        "sgd": whether to hold rows out, and to stop when their loss no longer falls. "lbfgs" ends
        at the minimum and refuses it.
    validation_fraction : float, default=0.1
        The share of rows that `early_stopping` holds out.
    n_iter_no_change : int, default=5
        Epochs without an improvement after which `early_stopping` stops.
    random_state : int, RandomState or None, default=1
        "sgd": order of the rows. The same number gives the same weights.
    n_jobs : int or None, default=None
        Threads; None: one, -1: one a processor. Results do not depend on it.
    verbose : bool, default=False
        Whether to show progress on standard error, or below the cell of a notebook.

    Attributes
    ----------
    classes_ : ndarray of shape (m,)
        Labels, sorted.
    coef_ : ndarray of shape (m, d)
        Weights, one row a class, for two classes too; float32 for features of float32, else
        float64.
    intercept_ : ndarray of shape (m,)
        Intercepts.
    losses_ : list of float
        "lbfgs": the objective after each iteration. "sgd": mean loss of each epoch in nats a row,
        without the penalty; that of a row is measured just before the step that takes it.
    validation_losses_ : list of float
        Mean loss of the rows held out, after each epoch.
    lr_ : float
        Learning rate at the start, with "sgd".
    n_iter_ : int
        Number of iterations or epochs.
    n_features_in_ : int
        Number of features, d.

    Examples
    --------
    >>> clf = SoftmaxRegression(n_jobs=-1).fit(X, y)
    >>> labels, probabilities = clf.top_k(X, 5)
    """

    _CURVATURE = 0.5

    def __init__(
        self,
        *,
        solver: Literal["lbfgs", "sgd"] = "lbfgs",
        l2: float | None = None,
        fit_intercept: bool = True,
        max_iter: int = 500,
        tol: float = 1e-5,
        class_weight: Any = None,
        warm_start: bool = False,
        lr: float | None = None,
        batch_size: int = 32,
        early_stopping: bool = False,
        validation_fraction: float = 0.1,
        n_iter_no_change: int = 5,
        random_state: Any = 1,
        n_jobs: int | None = None,
        verbose: bool = False,
    ):
        self.solver = solver
        self.l2 = l2
        self.fit_intercept = fit_intercept
        self.max_iter = max_iter
        self.tol = tol
        self.class_weight = class_weight
        self.warm_start = warm_start
        self.lr = lr
        self.batch_size = batch_size
        self.early_stopping = early_stopping
        self.validation_fraction = validation_fraction
        self.n_iter_no_change = n_iter_no_change
        self.random_state = random_state
        self.n_jobs = n_jobs
        self.verbose = verbose

    @restores_on_failure
    def fit(self, X: Features, y: npt.ArrayLike, sample_weight: npt.ArrayLike | None = None) -> Self:
        """Train from weights of zero, or with `warm_start` from those of the last fit.

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
        DivergedError
            With "sgd", the loss becomes infinite or NaN, or ends far above that of zero weights.
        ValueError
            scikit-learn's estimators do not take X or y: NaN, infinite, or of unequal lengths.
        """
        solver = self._one_of("solver", ("lbfgs", "sgd"))
        max_iter = self._whole("max_iter", 1, 1_000_000)
        before = vars(self).copy() if self.warm_start else {}
        data = self._data(X, y, sample_weight)
        l2 = self._penalty(float(data.weights.sum()))
        start = self._continued(before, len(self.classes_), data)
        if solver == "sgd":
            self._fit_by_descent(data, start, l2, max_iter)
        elif self.early_stopping:
            raise OptionError("early_stopping=True with solver='lbfgs': it is for solver='sgd'; use tol")
        else:
            with self._progress("iteration", "objective") as report:
                self._minimise(data, start, l2, max_iter, report)
        return self

    def _begin(self, data: Data) -> tuple[Array, Array]:
        outputs = len(self.classes_)
        return np.zeros((data.X.shape[1], outputs), data.X.dtype).T, np.zeros(outputs, data.X.dtype)

    def _untrained(self, data: Data) -> float:
        return math.log(len(self.classes_))

    def _minimise(
        self,
        data: Data,
        start: tuple[Array, Array] | None,
        l2: float,
        max_iter: int,
        report: Callable[[int, float], None],
    ) -> None:
        """Minimise the objective by L-BFGS."""
        tol = self._real("tol", 0.0, "a float in the range [0, inf)")
        shares, outputs = data.weights / data.weights.sum(), len(self.classes_)
        X, centre, means = self._centred(data.X, shares)
        frequencies: Float64 = np.bincount(data.labels, shares, outputs).astype(np.float64)
        point = np.zeros((X.shape[1] + 1, outputs), X.dtype)
        if start is not None:
            point[:-1], point[-1] = start[0].T, start[1] + start[0] @ means
        elif self.fit_intercept:
            point[-1] = np.log(np.maximum(frequencies, np.finfo(np.float32).tiny))
        self.losses_: list[float] = []

        def noted(iteration: int, value: float) -> None:
            self.losses_.append(value)
            report(iteration, value)

        scale = self._scale(X, centre, shares, frequencies, l2)
        with self._pool() as pool:
            objective = Objective(X, centre, data.labels, shares, outputs, l2, bool(self.fit_intercept), pool)
            found = minimise(objective, point.ravel(), scale.ravel(), tol, max_iter, noted, pool.map)
        if not found.converged:
            warn_not_converged(
                f"after {found.iterations} iterations the objective is still an estimated {found.excess:.2g} "
                f"nats above its minimum, more than tol={tol:g}: increase max_iter or l2, or scale X"
            )
        weights = found.x.reshape(point.shape)
        self.coef_ = weights[:-1].T
        self.intercept_ = weights[-1] - (means @ weights[:-1]).astype(X.dtype)
        self.n_iter_ = found.iterations

    def _scale(self, X: Features, centre: Float64, shares: Float64, frequencies: Float64, l2: float) -> Array:
        """Roots of the inverse diagonal of the Hessian if all rows had the frequencies as P."""
        with np.errstate(over="ignore"):
            squares = (X * X).T @ shares if isinstance(X, np.ndarray) else X.multiply(X).T @ shares
        if not np.isfinite(squares).all():
            raise OptionError("the squares of X overflow: give features of a smaller scale")
        squares = np.append(np.maximum(squares - centre**2, 1e-14 * squares), 1)
        curvature = np.outer(squares, frequencies * (1 - frequencies)) + l2
        # Bounded by feature: a feature of a large scale must not hide what remains of the others.
        bound = np.maximum(1e-8 * curvature.max(axis=1, keepdims=True), np.finfo(np.float32).tiny)
        scale: Array = (1 / np.sqrt(np.maximum(curvature, bound))).astype(X.dtype)
        return scale

    # ---- batches --------------------------------------------------------------------------------

    def _passes(
        self, data: Data, centre: Float64, batches: Iterator[Batches], l2: float, bias: Array
    ) -> Iterator[float]:
        X, share, weights = data.X, data.weights / data.weights.mean(), self.coef_.T
        along, square = X @ centre, float(centre @ centre)
        for order, bounds, rates in batches:
            # The weights are scale * (weights - outer(centre, sums)), and centre @ weights is
            # `products`: so a step only touches the weights of the features in its rows.
            scale, sums, products = 1.0, np.zeros(len(bias)), centre @ weights
            loss = 0.0
            for i, rate in enumerate(rates):
                rows = order[bounds[i] : bounds[i + 1]]
                x, v, targets = X[rows], share[rows, None], (np.arange(len(rows)), data.labels[rows])
                with np.errstate(all="ignore"):  # what overflows is found after the epoch
                    scores = x @ weights - np.outer(along[rows] - square, sums) - products
                    slopes = log_softmax(scale * scores + bias)
                    loss -= float(v[:, 0] @ slopes[targets])
                    slopes = np.exp(slopes)  # d loss / d score = P - (c = y)
                    slopes[targets] -= 1.0
                    slopes *= -rate / len(rows) * v
                    scale *= 1 - rate * l2
                    if self.fit_intercept:
                        bias += slopes.sum(axis=0)
                    slopes /= scale
                    if isinstance(x, np.ndarray):
                        weights += x.T @ slopes
                    else:
                        add_outer(rows_of(x), slopes, weights)
                        sums += slopes.sum(axis=0)
                        products += along[rows] @ slopes
                    if scale < _LEAST_SCALE:
                        weights *= scale
                        sums, products, scale = scale * sums, scale * products, 1.0
            with np.errstate(all="ignore"):
                weights -= np.outer(centre, sums).astype(weights.dtype)
                weights *= scale
            yield loss / len(data.labels)

    # ---- predictions ----------------------------------------------------------------------------

    def _blocks(self, X: Features) -> Iterator[tuple[slice, Float64]]:
        """log P of all classes, of some rows at a time."""
        weights, step = self.coef_.T, max(1, _SCORES // len(self.classes_))
        with self._pool() as pool:
            for first in range(0, X.shape[0], step):
                block = slice(first, min(first + step, X.shape[0]))
                scores = np.tile(self.intercept_, (block.stop - first, 1))
                products = Products(X[block])
                list(pool.map(partial(products.add, weights, scores), products.parts))
                yield block, log_softmax(scores.astype(np.float64, copy=False))

    def _log_probs(self, X: Features) -> Float64:
        found = np.empty((X.shape[0], len(self.classes_)))
        for block, log_probs in self._blocks(X):
            found[block] = log_probs
        return found

    def _best(self, X: Features, k: int) -> tuple[Int64, Float64]:
        best, found = np.empty((X.shape[0], k), np.int64), np.empty((X.shape[0], k))
        for block, log_probs in self._blocks(X):
            largest(log_probs, k, best[block])
            found[block] = np.take_along_axis(log_probs, best[block], axis=1)
        return best, found


def log_softmax(scores: Array) -> Array:
    """log softmax of each row. The largest score is subtracted first, so that no exp overflows."""
    shifted = scores - scores.max(axis=1, keepdims=True)
    log_probs: Array = shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True))
    return log_probs

"""What both softmax regressions share: parameters, batches, learning rates, predictions.

Both minimise, for n rows of features x_i with classes y_i,

    1/n sum_i -log P(y_i | x_i) + l2/2 ||W||^2

in nats, where W are all weights; the intercepts b are not penalised. They differ in P:

    full            P(y | x) = exp(w_y . x + b_y) / sum_c exp(w_c . x + b_c)
    hierarchical    P(y | x) = product over the path of y of sigmoid(+-(w_l . x + b_l))

A step goes down the exact gradient of a mini-batch's mean (Robbins and Monro 1951), at a rate that
falls linearly to 0. Three measures let plain gradient steps reach the minimum that a second-order
solver finds:

- All batches of an epoch have the same size, to one row. A short last batch would weigh its few
  rows more than the others and keep the weights moving.
- With an intercept, features are centred during training, and the intercept absorbs the means
  afterwards. W and the objective stay the same, but the problem is better conditioned. Sparse
  features stay sparse: the centre is a vector of its own.
- The default rate is 1 / L with the L of Gower et al. 2019 ("SGD: General Analysis and Improved
  Rates", proposition 3.8): depending on the batch size, it lies between the curvature of the mean
  over all rows and that of the worst row. A curvature is at most 1/2 ||x||^2 for the softmax
  (Böhning 1992) and 1/4 ||x||^2 for a branch, whose probability p has the variance p (1 - p).

Oracles in tests/naive.py: `regression` for the gradient, `descend` for training.
"""

import math
from collections.abc import Iterable, Iterator
from typing import Any, ClassVar, Self, TypeAlias

import numpy as np
import numpy.typing as npt

from w2v_hs.checks import real, shown, whole
from w2v_hs.errors import DivergedError, OptionError
from w2v_hs.kernels.classifier import Batches
from w2v_hs.options import LEAST_LR
from w2v_hs.types import Array, Float64, Int64

try:
    from sklearn.base import BaseEstimator, ClassifierMixin
    from sklearn.utils.multiclass import check_classification_targets
    from sklearn.utils.validation import check_is_fitted, validate_data
except ImportError:
    raise ImportError(
        "w2v_hs.classifier needs scikit-learn 1.6 or newer: pip install 'w2v-hs[classifier]'"
    ) from None

# (n, d) numbers: dense, or CSR of SciPy, which has no types.
Features: TypeAlias = Any
POWER_STEPS = 20  # of the power iteration; the eigenvalue is then accurate to some percent


class Regression(ClassifierMixin, BaseEstimator):
    """Base of both estimators: parameter checks, fitting, and methods on log-probabilities."""

    _CURVATURE: ClassVar[float]  # of the loss of a row, at most, over ||x||^2
    epochs: int
    lr: float | None
    batch_size: int
    l2: float
    fit_intercept: bool
    seed: int

    def fit(self, X: Features, y: npt.ArrayLike) -> Self:
        """Train from weights of zero.

        Parameters
        ----------
        X : {array-like, CSR matrix} of shape (n, d)
            Features, any numbers.
        y : array-like of shape (n,)
            Labels of any kind, of two classes or more.

        Returns
        -------
        self

        Raises
        ------
        OptionError
            A parameter is outside its range, or y holds a single class.
        DivergedError
            The loss becomes infinite or NaN, or ends far above that of weights of zero.
        ValueError
            scikit-learn's estimators do not take X or y: NaN, infinite, or of unequal lengths.
        """
        X, y = validate_data(self, X, y, accept_sparse="csr", dtype=np.float64, order="C")
        check_classification_targets(y)
        epochs = self._whole("epochs", 1, 1_000_000)
        size = min(self._whole("batch_size", 1, 2**31), X.shape[0])
        l2 = self._real("l2", 0.0, "a float in the range [0, inf)")
        seed = self._whole("seed", 0, 2**63 - 1)
        self.classes_, labels = np.unique(y, return_inverse=True)
        if len(self.classes_) < 2:
            only = shown(self.classes_[0], 60)
            raise OptionError(f"y holds one class, {only}: need at least 2 classes")
        means = np.asarray(X.mean(axis=0)).ravel() * bool(self.fit_intercept)
        centre = means  # what remains to be subtracted from the features
        if isinstance(X, np.ndarray):
            X, centre = X - means, np.zeros_like(means)
        self.lr_ = self._rate(X, centre, size, l2)
        outputs, untrained = self._prepare(np.bincount(labels))
        self.coef_, self.intercept_ = np.zeros((outputs, X.shape[1])), np.zeros(outputs)
        batches = _batches(len(labels), epochs, size, self.lr_, seed)
        self.losses_: list[float] = []
        for loss in self._train(X, centre, labels, batches, l2):
            self._add_loss(loss / len(labels))
        self._check_last_loss(untrained)
        self.intercept_ -= self.coef_ @ means
        self.n_iter_ = epochs
        return self

    def predict_log_proba(self, X: Features) -> Float64:
        """Log-probabilities of all classes.

        Nothing is clipped: they stay finite where the probability itself underflows.

        Parameters
        ----------
        X : {array-like, CSR matrix} of shape (n, d)
            Features.

        Returns
        -------
        ndarray of shape (n, m), float64
            log P(class | x) in nats, columns as in `classes_`.
        """
        log_probs: Float64 = self._log_probs(self._checked(X))
        return log_probs

    def predict_proba(self, X: Features) -> Float64:
        """Probabilities of all classes.

        Parameters
        ----------
        X : {array-like, CSR matrix} of shape (n, d)
            Features.

        Returns
        -------
        ndarray of shape (n, m), float64
            P(class | x), columns as in `classes_`. Rows sum to 1.
        """
        probabilities: Float64 = np.exp(self.predict_log_proba(X))
        return probabilities

    def predict(self, X: Features) -> Array:
        """The most probable class of each row.

        Parameters
        ----------
        X : {array-like, CSR matrix} of shape (n, d)
            Features.

        Returns
        -------
        ndarray of shape (n,)
            Labels; of equally probable ones the first in `classes_`.
        """
        best, _ = self._best(self._checked(X), 1)
        labels: Array = self.classes_[best[:, 0]]
        return labels

    def top_k(self, X: Features, k: int) -> tuple[Array, Float64]:
        """The k most probable classes of each row.

        Parameters
        ----------
        X : {array-like, CSR matrix} of shape (n, d)
            Features.
        k : int
            Number of classes, from 1 to m.

        Returns
        -------
        labels : ndarray of shape (n, k)
            The most probable first; of equally probable ones the first in `classes_`.
        probabilities : ndarray of shape (n, k), float64
            Their probabilities.

        Raises
        ------
        OptionError
            k is outside its range.
        """
        X = self._checked(X)
        best, log_probs = self._best(X, whole("k", k, 1, len(self.classes_)))
        return self.classes_[best], np.exp(log_probs)

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = True
        return tags

    def _prepare(self, counts: Int64) -> tuple[int, float]:
        """Rows of `coef_`, and the mean loss at weights of zero; counts (m,): rows a class."""
        raise NotImplementedError

    def _train(
        self, X: Features, centre: Float64, labels: Int64, epochs: Iterable[Batches], l2: float
    ) -> Iterator[float]:
        """Train `coef_` and `intercept_` on X - centre; yields the sum of losses of each epoch."""
        raise NotImplementedError

    def _log_probs(self, X: Features) -> Float64:
        """(n, m): log P of all classes."""
        raise NotImplementedError

    def _best(self, X: Features, k: int) -> tuple[Int64, Float64]:
        """(n, k) each: the most probable classes and their log P."""
        raise NotImplementedError

    def _checked(self, X: Features) -> Features:
        check_is_fitted(self)
        return validate_data(self, X, accept_sparse="csr", dtype=np.float64, order="C", reset=False)

    def _scores(self, X: Features) -> Float64:
        """(n, outputs): w . x + b of every row of `coef_`."""
        scores: Float64 = X @ self.coef_.T + self.intercept_
        return scores

    def _invalid(self, name: str, expected: str) -> OptionError:
        """The error for a parameter, in the words of scikit-learn."""
        try:
            found = " ".join(repr(getattr(self, name)).split())
        except ValueError:  # an int of thousands of digits
            found = f"an object of type {type(getattr(self, name)).__name__}"
        return OptionError(
            f"The {name!r} parameter of {type(self).__name__} must be {expected}. "
            f"Got {shown(found, 60)} instead."
        )

    def _whole(self, name: str, low: int, high: int) -> int:
        try:
            return whole(name, getattr(self, name), low, high)
        except OptionError:
            raise self._invalid(name, f"an int in the range [{low}, {high}]") from None

    def _real(self, name: str, low: float, expected: str) -> float:
        try:
            return real(name, getattr(self, name), low, math.inf, expected)
        except OptionError:
            raise self._invalid(name, expected) from None

    def _rate(self, X: Features, centre: Float64, size: int, l2: float) -> float:
        """The learning rate at the start: `lr`, or 1 / L if it is None."""
        if self.lr is not None:
            rate = self._real("lr", LEAST_LR, f"None or a float in the range [{LEAST_LR:g}, inf)")
            if rate * l2 >= 1:
                raise OptionError(
                    f"lr={rate:g} with l2={l2:g}: the penalty alone would take a step past zero; "
                    "set lr * l2 below 1"
                )
            return rate
        with np.errstate(over="ignore", invalid="ignore"):
            curvature = self._CURVATURE * _squared_size(X, centre, size, self.fit_intercept) + l2
        if not math.isfinite(curvature):
            raise OptionError("the squares of X overflow: give features of a smaller scale")
        return 1 / curvature if curvature > 0 else 1.0

    def _add_loss(self, loss: float) -> None:
        """Append the mean loss of an epoch, which must be finite."""
        self.losses_.append(loss)
        if not math.isfinite(loss):
            raise DivergedError(
                f"epoch {len(self.losses_)}: the mean loss is {loss}; start again with a "
                f"smaller lr than {self.lr_:g}, or with features of a smaller scale"
            )

    def _check_last_loss(self, untrained: float) -> None:
        """Raise `DivergedError` unless training ended near or below the loss at weights of zero."""
        loss = self.losses_[-1]
        if not loss <= 2 * untrained or not np.isfinite(self.coef_).all():
            raise DivergedError(
                f"the mean loss of the last epoch is {loss:.4g} nats, {untrained:.4g} before any "
                f"training; start again with a smaller lr than {self.lr_:g}"
            )


def _batches(rows: int, epochs: int, size: int, lr: float, seed: int) -> Iterator[Batches]:
    """The batches of each epoch: rows in random order, cut to equal sizes of at most `size`."""
    generator = np.random.Generator(np.random.PCG64(seed))
    batches = -(-rows // size)
    bounds = np.arange(batches + 1) * rows // batches
    for epoch in range(epochs):
        done = (epoch * batches + np.arange(batches)) / (epochs * batches)
        yield Batches(generator.permutation(rows), bounds, lr * (1 - done))


def _squared_size(X: Features, centre: Float64, batch: int, intercept: bool) -> float:
    """What stands for ||x||^2 in the curvature of a mean over `batch` of the n rows X - centre.

    The largest squared norm for one row, the largest eigenvalue of X^T X / n for all of them, in
    between by the weights of Gower et al. 2019. An intercept is a feature that is always 1.
    """
    rows, features = X.shape
    squares = (X * X if isinstance(X, np.ndarray) else X.multiply(X)) @ np.ones(features)
    largest = float((squares - 2 * (X @ centre) + centre @ centre).max()) + intercept
    if batch == 1:
        return largest
    v = np.random.Generator(np.random.PCG64(1)).normal(size=features + 1)
    value = 1.0
    for _ in range(POWER_STEPS):
        z = (X @ v[:-1] - centre @ v[:-1] + intercept * v[-1]) / rows
        v = np.append(X.T @ z - centre * z.sum(), intercept * z.sum())
        value = float(np.linalg.norm(v))
        if value == 0.0 or not math.isfinite(value):
            break
        v /= value
    return float((rows * (batch - 1) * value + (rows - batch) * largest) / (batch * (rows - 1)))

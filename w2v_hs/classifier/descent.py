"""Stochastic gradient descent: batches, learning rates, when to stop.

A step goes down the exact gradient of a mini-batch's mean (Robbins and Monro 1951), at a rate that
falls linearly to 0 during `fit` and stays in `partial_fit`. Two measures let plain gradient steps
reach the minimum that a second-order solver finds:

- All batches of an epoch have the same size, to one row. A short last batch would weigh its few
  rows more than the others and keep the weights moving.
- The default rate is 1 / L with the L of Gower et al. 2019 ("SGD: General Analysis and Improved
  Rates", proposition 3.8): depending on the batch size, it lies between the curvature of the mean
  over all rows and that of the worst row. A curvature is at most 1/2 ||x||^2 for the softmax
  (Böhning 1992) and 1/4 ||x||^2 for a branch, whose probability p has the variance p (1 - p).
"""

import math
from collections.abc import Iterator
from typing import Any, ClassVar, Self

import numpy as np
import numpy.typing as npt
from sklearn.utils.multiclass import _check_partial_fit_first_call

from w2v_hs.classifier.base import Classifier, Data, Features, restores_on_failure
from w2v_hs.errors import DivergedError, OptionError
from w2v_hs.kernels.classifier import Batches
from w2v_hs.options import LEAST_LR
from w2v_hs.types import Array, Float64

_SCORES = 1 << 22  # log-probabilities that are computed at once
POWER_STEPS = 20  # of the power iteration; the eigenvalue is then accurate to some percent


class Descent(Classifier):
    """The parameters of the solver "sgd", and its loop over epochs."""

    _CURVATURE: ClassVar[float]  # of the loss of a row, at most, over ||x||^2
    lr: float | None
    batch_size: int
    early_stopping: bool
    validation_fraction: float
    n_iter_no_change: int
    tol: float
    fit_intercept: bool
    coef_: Array
    intercept_: Array
    lr_: float

    def _begin(self, data: Data) -> tuple[Array, Array]:
        """Weights of zero for the classes of some rows: `coef_` and `intercept_`."""
        raise NotImplementedError

    def _untrained(self, data: Data) -> float:
        """The mean loss of some rows at weights of zero."""
        raise NotImplementedError

    def _passes(
        self, data: Data, centre: Float64, batches: Iterator[Batches], l2: float, bias: Array
    ) -> Iterator[float]:
        """Train `coef_` and `bias` on X - centre; yields the mean loss of each epoch."""
        raise NotImplementedError

    @restores_on_failure
    def partial_fit(
        self,
        X: Features,
        y: npt.ArrayLike,
        classes: npt.ArrayLike | None = None,
        sample_weight: npt.ArrayLike | None = None,
    ) -> Self:
        """One pass of stochastic gradient descent over some rows, from the weights so far.

        The learning rate does not fall: it is `lr` or, if that is None, derived from the features
        of the first call. Features are not centred.

        Parameters
        ----------
        X : {array-like, CSR matrix} of shape (n, d)
            Features, any numbers.
        y : array-like of shape (n,)
            Labels.
        classes : array-like of shape (m,), default=None
            All labels; needed in the first call alone.
        sample_weight : array-like of shape (n,), default=None
            Weights of the rows, not negative. Their mean counts as 1.

        Returns
        -------
        self

        Raises
        ------
        OptionError
            A parameter is outside its range, or y holds a label that is not in `classes`.
        DivergedError
            The loss becomes infinite or NaN, or ends far above that of zero weights.
        """
        first = _check_partial_fit_first_call(self, classes)
        if self.early_stopping:
            raise OptionError("early_stopping=True with partial_fit, which makes one pass: use fit")
        if isinstance(self.class_weight, str):
            raise OptionError(
                f"class_weight={self.class_weight!r} with partial_fit, which does not see all rows: "
                "give a dict"
            )
        data = self._data(X, y, sample_weight, classes=self.classes_, reset=first)
        weight = float(data.weights.sum())
        self._weight_seen = weight + (0.0 if first else getattr(self, "_weight_seen", 0.0))
        start = None
        if not first:  # training changes the weights in place, and may fail: so a copy
            coef = np.copy(self.coef_) if isinstance(self.coef_, np.ndarray) else self.coef_.toarray()
            start, data.X = (coef, self.intercept_), data.X.astype(coef.dtype, copy=False)
        self._fit_by_descent(data, start, self._penalty(self._weight_seen), epochs=1, falls=False)
        return self

    def _fit_by_descent(
        self, data: Data, start: tuple[Array, Array] | None, l2: float, epochs: int, falls: bool = True
    ) -> None:
        """Train `coef_` and `intercept_` in epochs, from zero if there is no `start`.

        The learning rate falls to 0, or stays what it was in the first of several calls.
        """
        size = self._whole("batch_size", 1, 2**31)
        patience = self._whole("n_iter_no_change", 1, 2**31)
        generator = np.random.Generator(np.random.PCG64(self._seed()))
        data, held_out = self._held_out(data, generator)
        X, centre, means = self._centred(data.X, data.weights / data.weights.sum(), bool(falls))
        if falls or start is None or not hasattr(self, "lr_"):
            self.lr_ = self._rate(X, centre, min(size, X.shape[0]), l2)
        self.coef_, self.intercept_ = self._begin(data) if start is None else start
        bias = (self.intercept_ + self.coef_ @ means).astype(X.dtype)
        centred = Data(X, data.labels, data.weights)
        batches = _batches(len(data.labels), epochs, size, self.lr_, falls, generator)
        untrained = None if start is not None else self._untrained(data)
        self.losses_: list[float] = []
        self.validation_losses_: list[float] = []
        best, since = math.inf, 0
        with self._progress("epoch", "loss") as report:
            for loss in self._passes(centred, centre, batches, l2, bias):
                self._add_loss(loss)
                report(len(self.losses_), loss)
                self.intercept_ = bias - (self.coef_ @ means).astype(X.dtype)
                if held_out is not None:
                    self.validation_losses_.append(self._loss(held_out))
                    since = 0 if self.validation_losses_[-1] < best - self.tol else since + 1
                    best = min(best, self.validation_losses_[-1])
                    if since >= patience:
                        break
        self.n_iter_ = len(self.losses_)
        self._check_last_loss(untrained)

    def _loss(self, data: Data) -> float:
        """The mean loss of some rows, in nats."""
        total, step = 0.0, max(1, _SCORES // len(self.classes_))
        for first in range(0, len(data.labels), step):
            rows = slice(first, first + step)
            log_probs = self._log_probs(data.X[rows])
            labels = data.labels[rows]
            total -= float(data.weights[rows] @ log_probs[np.arange(len(labels)), labels])
        return total / float(data.weights.sum())

    def _continued(self, before: dict[str, Any], outputs: int, data: Data) -> tuple[Array, Array] | None:
        """The weights of the last fit, where `warm_start` finds some that fit."""
        shape = outputs, data.X.shape[1]
        if "coef_" not in before or before["coef_"].shape != shape:
            return None
        if not np.array_equal(before["classes_"], self.classes_):
            return None
        coef = before["coef_"] if isinstance(before["coef_"], np.ndarray) else before["coef_"].toarray()
        intercept = before["intercept_"] * bool(self.fit_intercept)
        return coef.astype(data.X.dtype), intercept.astype(data.X.dtype)

    def _held_out(self, data: Data, generator: np.random.Generator) -> tuple[Data, Data | None]:
        """Rows to learn from and, with `early_stopping`, those whose loss says when to stop."""
        if not self.early_stopping:
            return data, None
        expected = "a float in the range (0, 1) that leaves rows on both sides"
        share = self._real("validation_fraction", 0.0, expected, 1.0)
        self._real("tol", 0.0, "a float in the range [0, inf)")
        rows = len(data.labels)
        order, count = generator.permutation(rows), round(share * rows)
        if not 0 < count < rows:
            raise self._invalid("validation_fraction", expected)
        return data.rows(np.sort(order[count:])), data.rows(np.sort(order[:count]))

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
            curvature = self._CURVATURE * _squared_size(X, centre, size, bool(self.fit_intercept)) + l2
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

    def _check_last_loss(self, untrained: float | None) -> None:
        """Raise `DivergedError` unless training ended near or below the loss before it."""
        loss = self.losses_[-1]
        if (untrained is not None and not loss <= 2 * untrained) or not np.isfinite(self.coef_).all():
            before = "" if untrained is None else f", {untrained:.4g} before any training"
            raise DivergedError(
                f"the mean loss of the last epoch is {loss:.4g} nats{before}; start again with a "
                f"smaller lr than {self.lr_:g}"
            )


def _batches(
    rows: int, epochs: int, size: int, lr: float, falls: bool, generator: np.random.Generator
) -> Iterator[Batches]:
    """The batches of each epoch: rows in random order, cut to equal sizes of at most `size`."""
    batches = -(-rows // min(size, rows))
    bounds = np.arange(batches + 1) * rows // batches
    for epoch in range(epochs):
        done = (epoch * batches + np.arange(batches)) / (epochs * batches)
        yield Batches(generator.permutation(rows), bounds, lr * (1 - done * falls))


def _squared_size(X: Features, centre: Float64, batch: int, intercept: bool) -> float:
    """What stands for ||x||^2 in the curvature of a mean over `batch` of the n rows X - centre.

    The largest squared norm for one row, the largest eigenvalue of X^T X / n for all of them, in
    between by the weights of Gower et al. 2019. An intercept is a feature that is always 1.
    """
    rows, features = X.shape
    squares = (X * X if isinstance(X, np.ndarray) else X.multiply(X)) @ np.ones(features)
    largest = float((squares - 2 * (X @ centre) + centre @ centre).max()) + intercept
    if batch == 1 or rows == 1:
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

"""The full softmax: a weight vector for each class."""

import math
from collections.abc import Iterable, Iterator

import numpy as np

from w2v_hs.classifier.base import Features, Regression
from w2v_hs.kernels.classifier import Batches
from w2v_hs.types import Float64, Int64


class SoftmaxRegression(Regression):
    """Multinomial logistic regression: a weight vector for each of m classes.

    A step costs O(d m) a row. `w2v_hs.classifier.base` has objective and method.

    Parameters
    ----------
    epochs : int, default=100
        Passes over the rows.
    lr : float or None, default=None
        Learning rate at the start; it falls linearly to 0. None: derived from the features.
    batch_size : int, default=32
        Most rows in a step, which takes their mean gradient.
    l2 : float, default=0.0
        Strength of the penalty. `LogisticRegression(C=1 / (l2 * n))` has the same minimum.
    fit_intercept : bool, default=True
        Whether to fit intercepts, which are not penalised.
    seed : int, default=1
        Seed of the order of the rows. The same seed gives the same weights.

    Attributes
    ----------
    classes_ : ndarray of shape (m,)
        Labels, sorted.
    coef_ : ndarray of shape (m, d), float64
        Weights, one row a class, for two classes too.
    intercept_ : ndarray of shape (m,), float64
        Intercepts.
    losses_ : list of float
        Mean loss of each epoch in nats a row, without the penalty. The loss of a row is measured
        just before the step that takes it.
    lr_ : float
        Learning rate at the start.
    n_iter_ : int
        Number of epochs.
    n_features_in_ : int
        Number of features, d.

    Examples
    --------
    >>> clf = SoftmaxRegression(l2=1e-3).fit(X, y)
    >>> labels, probabilities = clf.top_k(X, 5)
    """

    _CURVATURE = 0.5

    def __init__(
        self,
        *,
        epochs: int = 100,
        lr: float | None = None,
        batch_size: int = 32,
        l2: float = 0.0,
        fit_intercept: bool = True,
        seed: int = 1,
    ):
        self.epochs = epochs
        self.lr = lr
        self.batch_size = batch_size
        self.l2 = l2
        self.fit_intercept = fit_intercept
        self.seed = seed

    def _prepare(self, counts: Int64) -> tuple[int, float]:
        return len(counts), math.log(len(counts))

    def _train(
        self, X: Features, centre: Float64, labels: Int64, epochs: Iterable[Batches], l2: float
    ) -> Iterator[float]:
        for order, bounds, rates in epochs:
            loss = 0.0
            for i, rate in enumerate(rates):
                rows = order[bounds[i] : bounds[i + 1]]
                loss += self._step(X[rows], centre, labels[rows], rate, l2)
            yield loss

    def _step(self, X: Features, centre: Float64, labels: Int64, rate: float, l2: float) -> float:
        """One step down the gradient of a batch; returns the sum of its losses before it."""
        targets = np.arange(len(labels)), labels
        with np.errstate(all="ignore"):  # `fit` finds what overflows
            log_probs = _log_softmax(self._scores(X) - self.coef_ @ centre)
            slopes = np.exp(log_probs)  # d loss / d score = P - (c = y)
            slopes[targets] -= 1.0
            slopes *= rate / len(labels)
            self.coef_ *= 1 - rate * l2
            self.coef_ -= (X.T @ slopes).T  # sparse @ dense is what CSR can do
            self.coef_ += np.outer(slopes.sum(axis=0), centre)
            if self.fit_intercept:
                self.intercept_ -= slopes.sum(axis=0)
            return -float(log_probs[targets].sum())

    def _log_probs(self, X: Features) -> Float64:
        return _log_softmax(self._scores(X))

    def _best(self, X: Features, k: int) -> tuple[Int64, Float64]:
        log_probs = self._log_probs(X)
        best = np.argsort(-log_probs, axis=1, kind="stable")[:, :k]
        return best, np.take_along_axis(log_probs, best, axis=1)


def _log_softmax(scores: Float64) -> Float64:
    """log softmax of each row. The largest score is subtracted first, so that no exp overflows."""
    shifted = scores - scores.max(axis=1, keepdims=True)
    log_probs: Float64 = shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True))
    return log_probs

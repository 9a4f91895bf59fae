"""The objective of softmax regression and its gradient, over all rows and on several threads.

Rows are taken in blocks, so that the scores of all classes never fill more than `_SCORES` numbers.
Threads take parts of a block: for the scores, some of its rows; for the gradient, some of the
features, which are rows of the transposed block. Neither the parts nor the result depend on the
number of threads.

Oracle: `naive.regression`.
"""

from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any, TypeAlias

import numpy as np

from w2v_hs.kernels.classifier import Rows
from w2v_hs.kernels.products import add_products
from w2v_hs.types import Array, Float64, Int64

# (n, d) numbers: dense, or CSR of SciPy, which has no types.
Features: TypeAlias = Any
_SCORES = 1 << 24
_PARTS = 16  # of a block


class Objective:
    """f(W, b) = sum_i weight_i * -log P(y_i | x_i) + l2/2 ||W||^2, with x_i of X - centre.

    A point is a flat array of shape (d + 1, m), whose last row is b: the weights of a feature are
    adjacent, as products with sparse rows need them.

    Parameters
    ----------
    X : {ndarray, CSR matrix} of shape (n, d)
        float32 or float64; the objective keeps the dtype.
    centre : ndarray of shape (d,), float64
        Zeros for dense features.
    labels : ndarray of shape (n,), int64
        Classes, 0 to m - 1.
    weights : ndarray of shape (n,), float64
        Their sum is 1.
    outputs : int
        The number of classes, m.
    l2 : float
        Strength of the penalty.
    intercept : bool
        Whether b is learned.
    pool : ThreadPoolExecutor
        The threads. BLAS must not start others.
    """

    def __init__(
        self,
        X: Features,
        centre: Float64,
        labels: Int64,
        weights: Float64,
        outputs: int,
        l2: float,
        intercept: bool,
        pool: ThreadPoolExecutor,
    ):
        self._l2, self._intercept, self._pool = l2, intercept, pool
        self._centre = centre.astype(X.dtype)
        self.shape = X.shape[1] + 1, outputs
        cuts = np.linspace(0, X.shape[1], _PARTS + 1).astype(int).tolist()
        self._features = list(map(slice, cuts[:-1], cuts[1:]))
        step = max(1, min(X.shape[0], _SCORES // outputs))
        self._blocks = [
            _Block(X[i : i + step], labels[i : i + step], weights[i : i + step])
            for i in range(0, X.shape[0], step)
        ]
        self._scores = np.empty((step, outputs), X.dtype)

    def __call__(self, point: Array) -> tuple[float, Array]:
        """The value and the gradient at a point."""
        W, b = point.reshape(self.shape)[:-1], point.reshape(self.shape)[-1]
        gradient, loss = np.empty(self.shape, point.dtype), 0.0
        total = np.zeros_like(b)  # of the slopes, over all rows
        offsets = b - self._centre @ W
        penalty = sum(self._pool.map(partial(self._start, W, gradient), self._features))
        for block in self._blocks:
            scores = self._scores[: len(block.labels)]
            found = list(self._pool.map(partial(block.slopes, W, offsets, scores), block.rows.parts))
            loss += sum(some for some, _ in found)
            total += np.sum([some for _, some in found], axis=0)
            list(self._pool.map(partial(block.columns.add, scores, gradient), block.columns.parts))
        if self._centre.any():
            list(self._pool.map(partial(self._subtract_centre, total, gradient), self._features))
        gradient[-1] = total * self._intercept
        return loss + penalty, gradient.ravel()

    def _start(self, W: Array, gradient: Array, part: slice) -> float:
        """Write the gradient of the penalty for some features; returns their penalty."""
        np.multiply(W[part], W.dtype.type(self._l2), out=gradient[part])
        return float(W[part].ravel() @ gradient[part].ravel()) / 2

    def _subtract_centre(self, total: Array, gradient: Array, part: slice) -> None:
        gradient[part] -= np.outer(self._centre[part], total)


def rows_of(X: Features) -> Rows:
    """Dense or CSR features as the kernels read them."""
    if isinstance(X, np.ndarray):
        return Rows(np.arange(len(X) + 1) * X.shape[1], None, X.reshape(-1))
    return Rows(X.indptr.astype(np.int64), X.indices.astype(np.int32, copy=False), X.data)


class Products:
    """Products of X (n, d) with dense matrices, part by part."""

    def __init__(self, X: Features):
        self._X, self._rows = X, None
        work: Int64 = np.arange(X.shape[0] + 1)
        if not isinstance(X, np.ndarray):
            self._rows = rows_of(X)
            work = self._rows.starts
        cuts = np.searchsorted(work, np.linspace(0, work[-1], _PARTS + 1)[1:-1])
        bounds = np.unique([0, *cuts, X.shape[0]]).tolist()
        self.parts = list(map(slice, bounds[:-1], bounds[1:]))

    def add(self, matrix: Array, out: Array, part: slice) -> None:
        """out[part] += X[part] @ matrix; matrix may have more rows than X has columns."""
        if self._rows is not None:
            add_products(self._rows, part.start, part.stop, matrix, out)
        else:
            out[part] += self._X[part] @ matrix


class _Block:
    """Some rows of features, and their transpose."""

    def __init__(self, X: Features, labels: Int64, weights: Float64):
        self.labels, self._weights = labels, weights
        self.rows = Products(X)
        self.columns = Products(X.T if isinstance(X, np.ndarray) else X.T.tocsr())

    def slopes(self, W: Array, offsets: Array, scores: Array, part: slice) -> tuple[float, Array]:
        """Write d loss / d score = weight * (P - (c = y)) of some rows to scores[part].

        Returns the sum of their losses, and their slopes summed, (m,).
        """
        here, labels, weights = scores[part], self.labels[part], self._weights[part]
        here[:] = offsets
        self.rows.add(W, scores, part)
        targets = np.arange(len(labels)), labels
        here -= here.max(axis=1, keepdims=True)  # so that no exp overflows
        loss = -here[targets].astype(np.float64)
        np.exp(here, out=here)
        sums = here.sum(axis=1)
        here *= (weights / sums).astype(here.dtype)[:, None]
        here[targets] -= weights
        return float(weights @ (loss + np.log(sums))), here.sum(axis=0)

"""The softmaxes over groups of classes, trained by threads that take one after another.

Each learns by itself from its rows, so the weights do not depend on the number of threads. As in
`nodes`, what dual coordinate descent does not finish in `_PASSES` starts again with L-BFGS, as does
what it is not tried on: no penalty, or one so small that it would hardly move, or a tiny `tol`.
"""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np

from w2v_hs.classifier.base import Data, Features
from w2v_hs.classifier.full import SoftmaxRegression
from w2v_hs.classifier.nodes import Training
from w2v_hs.classifier.objective import rows_of
from w2v_hs.errors import OptionError
from w2v_hs.kernels import grouped as kernel
from w2v_hs.kernels.classifier import Rows
from w2v_hs.kernels.dual import squared_norms
from w2v_hs.kernels.simd import LANES
from w2v_hs.types import Array, Float64, Int32, Int64

_PASSES = 100  # of dual coordinate descent
_STEEPEST = 1e5  # the largest product of a cost and a squared norm that it is tried on
_FINEST = 1e-10  # the smallest excess that its float32 can tell
_LEAST_SHARE = 1e-10  # of the rows, that an output without any begins with


@dataclass
class Problem:
    """The rows of one softmax, which has `size` outputs."""

    rows: Int64 | slice
    labels: Int64  # of these rows, below `size`
    size: int


@dataclass
class Softmax:
    """What is learned of one softmax over K outputs."""

    features: Int32 | None  # (f,): those that its rows have; None: all, of dense rows
    weights: Array  # (f, K), of the dtype of the features
    bias: Float64  # (K,)
    passes: int = 0
    excess: float = 0.0  # an estimate, in nats a row


def train(
    X: Features,
    problems: list[Problem],
    how: Training,
    pool: ThreadPoolExecutor,
    report: Callable[[int, float], None],
) -> list[Softmax]:
    """Train all softmaxes; `report` gets the number of those done, and the excess of the last."""
    with np.errstate(over="ignore"):
        X32 = X.astype(np.float32)
    squares = squared_norms(rows_of(X32))
    if not (squares <= np.finfo(np.float32).max).all():
        raise OptionError("the squares of X overflow: give features of a smaller scale")
    seeds = np.random.Generator(np.random.PCG64(how.seed)).integers(
        2**64, size=len(problems), dtype=np.uint64
    )

    def work(number: int) -> Softmax:
        problem = problems[number]
        weights = how.shares[problem.rows], squares[problem.rows]
        return _descend(X32[problem.rows], problem, *weights, how, seeds[number : number + 1])

    found: list[Softmax] = []
    for softmax in pool.map(work, range(len(problems))):
        found.append(softmax)
        report(len(found), softmax.excess)
    for softmax, problem in zip(found, problems, strict=True):
        if softmax.excess > how.tol and softmax.passes < how.max_iter:
            _minimise(softmax, X[problem.rows], problem, how)
        softmax.weights = softmax.weights.astype(X.dtype, copy=False)
    return found


def _descend(
    X: Features, problem: Problem, shares: Float64, squares: Float64, how: Training, random: Array
) -> Softmax:
    """Train one softmax by dual coordinate descent, from weights of zero."""
    features, rows = _local(rows_of(X))
    count = X.shape[1] if features is None else len(features)
    stride = -(-problem.size // LANES) * LANES
    weights, bias = np.zeros(count * stride, np.float32), np.zeros(stride, np.float32)
    passes, excess = 0, 0.0
    if problem.size > 1 and len(problem.labels):
        costs = shares / how.l2 if how.l2 > 0 else np.full(len(shares), np.inf)
        prior = np.full(stride, kernel.NEVER, np.float32)
        prior[: problem.size] = _prior(problem, shares) if how.has_bias else 0.0
        excess = np.inf
        if (costs * squares).max() <= _STEEPEST and how.tol >= _FINEST:
            most = min(how.max_iter, _PASSES)
            learning = (how.has_bias, how.tol, most, random, weights, bias)
            passes, excess = kernel.train_softmax(rows, problem.labels, costs, squares, prior, *learning)
    used = np.ascontiguousarray(weights.reshape(count, stride)[:, : problem.size])
    return Softmax(features, used, bias[: problem.size].astype(np.float64), passes, excess)


def _local(rows: Rows) -> tuple[Int32 | None, Rows]:
    """The features that some rows have, and the rows with these as columns."""
    if rows.columns is None:
        return None, rows
    features, columns = np.unique(rows.columns, return_inverse=True)
    return features, Rows(rows.starts, columns.astype(np.int32), rows.values)


def _prior(problem: Problem, shares: Float64) -> Float64:
    """The logarithms of the frequencies of the outputs."""
    masses = np.bincount(problem.labels, shares, problem.size)
    found: Float64 = np.log(np.maximum(masses / masses.sum(), _LEAST_SHARE))
    return found


def _minimise(softmax: Softmax, X: Features, problem: Problem, how: Training) -> None:
    """Train one softmax by L-BFGS instead, in float64; it warns where it ends early."""
    full = SoftmaxRegression(tol=how.tol, fit_intercept=how.has_bias)
    full.classes_ = np.arange(problem.size)
    shares = how.shares[problem.rows]
    data = Data(X.astype(np.float64), problem.labels, shares)
    most = how.max_iter - softmax.passes
    full._minimise(data, None, how.l2 / float(shares.sum()), most, lambda iteration, value: None)
    weights = full.coef_.T if softmax.features is None else full.coef_.T[softmax.features]
    softmax.weights, softmax.bias = np.ascontiguousarray(weights), full.intercept_
    softmax.passes, softmax.excess = softmax.passes + full.n_iter_, 0.0


def together(found: list[Softmax]) -> kernel.Softmaxes:
    """All softmaxes as the kernels read them."""

    def bounds(sizes: list[int]) -> Int64:
        return np.concatenate([[0], np.cumsum(sizes)]).astype(np.int64)

    features = [softmax.features for softmax in found if softmax.features is not None]
    return kernel.Softmaxes(
        bounds([len(softmax.bias) for softmax in found]),
        bounds([len(softmax.weights) for softmax in found]),
        bounds([softmax.weights.size for softmax in found])[:-1],
        np.concatenate(features) if features else None,
        np.concatenate([softmax.weights.ravel() for softmax in found]),
        np.concatenate([softmax.bias for softmax in found]),
    )

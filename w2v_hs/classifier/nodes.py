"""The logistic regressions of a tree's nodes, trained by threads that take node after node.

Each node learns by itself from the rows below it, so nothing is shared and the weights do not
depend on the number of threads. Large nodes are taken first, small ones several at a time.

Dual coordinate descent takes few passes over text-like features, but thousands where features are
long or correlated, or the penalty is small. Nodes that it does not finish in `_PASSES` start again
with L-BFGS, as do all without a penalty.
"""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from queue import SimpleQueue

import numpy as np
import scipy.sparse

from w2v_hs.classifier.base import Features
from w2v_hs.classifier.lbfgs import Minimum, minimise
from w2v_hs.classifier.objective import rows_of
from w2v_hs.errors import OptionError
from w2v_hs.kernels import classifier as kernel
from w2v_hs.kernels import dual
from w2v_hs.kernels.classifier import Rows
from w2v_hs.types import Array, Float64, Int64

_ROWS = 1 << 13  # at least, of a task
_PASSES = 50  # of dual coordinate descent


@dataclass
class Training:
    """How nodes are trained.

    shares (n,): weights of the rows, whose sum is 1. l2, has_bias, tol: as `l2`, `fit_intercept`
    and `tol` of the estimators. max_iter: most passes of a node. seed: of the order of the rows.
    """

    shares: Float64
    l2: float
    has_bias: bool
    tol: float
    max_iter: int
    seed: int


@dataclass
class Nodes:
    """What is learned of l nodes."""

    weights: Features  # (l, d): CSR for sparse features, of those alone that occur below a node
    bias: Array  # (l,)
    passes: Int64  # (l,)
    excess: Float64  # (l,): estimates, in nats a row


def train(
    X: Features,
    problems: dual.Problems,
    how: Training,
    pool: ThreadPoolExecutor,
    threads: int,
    report: Callable[[int, float], None],
) -> Nodes:
    """Train all nodes; `report` gets the number of nodes done, and the largest recent excess."""
    rows, count = rows_of(X), len(problems.starts)
    squares = dual.squared_norms(rows)
    if not np.isfinite(squares).all():
        raise OptionError("the squares of X overflow: give features of a smaller scale")
    sizes = problems.ends - problems.starts
    room = np.full(count, X.shape[1])
    if rows.columns is not None:
        entries = np.concatenate([[0], np.cumsum(np.diff(rows.starts)[problems.members])])
        room = np.minimum(entries[problems.ends] - entries[problems.starts], room)
    seeds = np.random.Generator(np.random.PCG64(how.seed)).integers(2**64, size=count, dtype=np.uint64)
    passes = min(how.max_iter, _PASSES) if how.l2 > 0 else 0
    costs = how.shares / how.l2 if how.l2 > 0 else how.shares
    scratch: SimpleQueue[dual.DualScratch] = SimpleQueue()
    for _ in range(threads):
        scratch.put(dual.make_scratch(int(sizes.max()), X.shape[1], X.dtype))

    def work(task: Int64) -> tuple[Int64, Rows, Float64]:
        some = dual.Problems(problems.members, *(bounds[task] for bounds in problems[1:]))
        size = int(room[task].sum())
        columns = None if rows.columns is None else np.empty(size, np.int32)
        found = Rows(np.empty(len(task) + 1, np.int64), columns, np.empty(size, X.dtype))
        results, memory = np.empty((len(task), 3)), scratch.get()
        used = dual.train_nodes(
            rows, squares, costs, some, how.has_bias, how.tol, passes, seeds[task], memory, found, results
        )
        scratch.put(memory)
        if columns is not None and used < size:  # the room for features that several rows share
            found = Rows(found.starts, columns[:used].copy(), found.values[:used].copy())
        for i in np.flatnonzero(~(results[:, 2] <= how.tol)):
            if passes == how.max_iter:
                break
            place = slice(*found.starts[i : i + 2])
            columns = None if found.columns is None else found.columns[place]
            begin, middle, end = (int(bounds[task[i]]) for bounds in problems[1:])
            members = problems.members[begin:end]
            here = X[members] if columns is None else X[members][:, columns]
            minimum = _minimum(here, middle - begin, how.shares[members], how, how.max_iter - passes)
            found.values[place] = minimum.x[:-1]
            results[i] = minimum.x[-1], passes + minimum.iterations, minimum.excess
        return task, found, results

    done, results = 0, np.empty((count, 3))
    parts: list[tuple[Int64, Rows]] = []
    for task, found, figures in pool.map(work, _tasks(sizes)):
        parts.append((task, found))
        results[task] = figures
        done += len(task)
        report(done, float(figures[:, 2].max()))
    weights = _joined(parts, count, X)
    return Nodes(weights, results[:, 0].astype(X.dtype), results[:, 1].astype(np.int64), results[:, 2])


def _minimum(X: Features, positive: int, shares: Float64, how: Training, max_iter: int) -> Minimum:
    """The weights, and behind them the bias, of one node by L-BFGS; its first rows go left."""
    X = X.astype(np.float64)
    total = float(shares.sum())
    shares, l2 = shares / total, how.l2 / total
    signs = np.where(np.arange(len(shares)) < positive, 1.0, -1.0)
    left = min(max(float(shares[:positive].sum()), 1e-10), 1 - 1e-10)
    point = np.zeros(X.shape[1] + 1)
    if how.has_bias:
        point[-1] = np.log(left / (1 - left))

    def function(point: Array) -> tuple[float, Array]:
        w = point[:-1]
        t = signs * (X @ w + point[-1])
        e = np.exp(-np.abs(t))
        slopes = -signs * shares * np.where(t >= 0, e, 1) / (1 + e)
        value = float(shares @ (np.maximum(-t, 0) + np.log1p(e))) + l2 / 2 * float(w @ w)
        return value, np.append(X.T @ slopes + l2 * w, how.has_bias * slopes.sum())

    squares = (X * X).T @ shares if isinstance(X, np.ndarray) else X.multiply(X).T @ shares
    curvature = np.append(squares, 1) * max(left * (1 - left), 1e-6)
    curvature[:-1] += l2
    # No bound relative to the largest: a feature of a large scale must not hide the others.
    scale = 1 / np.sqrt(np.maximum(curvature, np.finfo(np.float32).tiny))
    return minimise(function, point, scale, how.tol, max_iter)


def _tasks(sizes: Int64) -> list[Int64]:
    """Nodes by tasks, the largest first; small ones share a task."""
    order = np.argsort(-sizes, kind="stable")
    begun = (np.cumsum(sizes[order]) - sizes[order]) // _ROWS
    return np.split(order, np.flatnonzero(np.diff(begun)) + 1)


def _joined(parts: list[tuple[Int64, Rows]], count: int, X: Features) -> Features:
    """The weights of all nodes as one matrix; empties `parts`."""
    if isinstance(X, np.ndarray):
        weights = np.empty((count, X.shape[1]), X.dtype)
        for task, found in parts:
            weights[task] = found.values.reshape(len(task), -1)
        return weights
    starts = np.zeros(count + 1, np.int64)
    for task, found in parts:
        starts[task + 1] = np.diff(found.starts)
    np.cumsum(starts, out=starts)
    index = np.int32 if starts[-1] < 2**31 else np.int64
    columns, values = np.empty(starts[-1], index), np.empty(starts[-1], X.dtype)
    while parts:
        task, found = parts.pop()
        for i, node in enumerate(task):
            here, there = slice(*starts[node : node + 2]), slice(*found.starts[i : i + 2])
            assert found.columns is not None  # as the features are sparse
            columns[here], values[here] = found.columns[there], found.values[there]
    return scipy.sparse.csr_array((values, columns, starts.astype(index)), shape=(count, X.shape[1]))


def node_scores(X: Features, weights: Features, bias: Array) -> Float64:
    """(n, l) float64: w . x + b of all nodes; X is sparse if the weights are."""
    if isinstance(weights, np.ndarray):
        scores: Float64 = X.astype(np.float64) @ weights.T.astype(np.float64) + bias
        return scores
    found: Float64 = kernel.node_scores(rows_of(X), rows_of(weights.T.tocsr()), bias)
    return found

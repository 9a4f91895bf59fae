"""Independent logistic regressions over the nodes of a tree, by dual coordinate descent.

The regression of a node takes the rows below it, y = 1 for those of its left branch and -1 for the
others. With the cost C_i of a row, it minimises over w and b

    1/2 ||w||^2 + sum_i C_i log(1 + exp(-t_i)),    t_i = y_i (w . x_i + b)

At the minimum w = sum_i a_i y_i x_i, where a_i = C_i sigmoid(-t_i), and sum_i a_i y_i = 0, since b
is not penalised. A step changes one a_i, and w with it, to what it should be if the others were
right (Yu, Huang and Lin 2011): the new t_i solves

    t - q C_i sigmoid(-t) = t_i - q a_i,    q = ||x_i||^2 + r

by Newton's method between bounds. The sum over a_i y_i is brought to 0 by the method of
multipliers: b = b' + r sum_i a_i y_i, as if each row had a feature sqrt(r), and b' takes that value
whenever a pass ends near enough to the minimum for its b', at first roughly, then more nearly.

A node is done when its excess over the minimum is below `tol` nats a row in a pass that began with
a new b'. The gap between primal and dual is sum_i C_i KL(a_i / C_i || sigmoid(-t_i)), and each
divergence is near 2 (a_i / C_i - sigmoid(-t_i))^2, which is what is summed, before each step.

Oracle: scikit-learn's LogisticRegression, in tests/classifier/test_nodes.py.
"""

import math
from typing import NamedTuple

import numpy as np

from w2v_hs.kernels.common import next_random
from w2v_hs.kernels.jit import inline, jit

NEWTON = 20  # most steps for one row
CLOSE = 0.05  # of the first residual, or of 1: where they end
NEAR, NEARER = 0.05, 0.25  # excess at which b' first changes, and its factor at each change


class Problems(NamedTuple):
    """The rows of each node: members[starts[l] : ends[l]], those of the left branch first."""

    members: np.ndarray  # int32: rows
    starts: np.ndarray  # (l,) int64
    middles: np.ndarray  # (l,) int64: where those of the right branch begin
    ends: np.ndarray  # (l,) int64


class DualScratch(NamedTuple):
    """Memory of one thread, for n rows of d features."""

    weights: np.ndarray  # (d,), of the dtype of the features: zeros
    shares: np.ndarray  # (n,) float64: a_i / C_i
    order: np.ndarray  # (n,) int64
    marks: np.ndarray  # (d,) bool: False
    features: np.ndarray  # (d,) int32


def make_scratch(rows: int, features: int, dtype: np.dtype) -> DualScratch:
    """Memory of one thread."""
    return DualScratch(
        np.zeros(features, dtype),
        np.empty(rows),
        np.empty(rows, np.int64),
        np.zeros(features, np.bool_),
        np.empty(features, np.int32),
    )


@inline
def dot(begin, end, columns, values, weights):
    """x . weights for the row x in values[begin:end]; columns as in `Rows`."""
    a, b = 0.0, 0.0
    if columns is None:
        whole = (end - begin) // 2 * 2
        for k in range(0, whole, 2):
            a += values[begin + k] * weights[k]
            b += values[begin + k + 1] * weights[k + 1]
        for k in range(whole, end - begin):
            a += values[begin + k] * weights[k]
    else:
        for k in range(begin, end):
            a += values[k] * weights[columns[k]]
    return a + b


@inline
def add(begin, end, columns, values, factor, weights):
    """weights += factor * x for the row x in values[begin:end]."""
    if columns is None:
        for k in range(end - begin):
            weights[k] += factor * values[begin + k]
    else:
        for k in range(begin, end):
            weights[columns[k]] += factor * values[k]


@inline
def sigmoid(z):
    """1 / (1 + exp(-z)), without overflow."""
    e = math.exp(-abs(z))
    return (1.0 if z >= 0.0 else e) / (1.0 + e)


@inline
def solve(t, share, q):
    """The new share s: s = sigmoid(-(t + q (s - share))), nearly; and sigmoid(-t).

    q is that of the module times the cost. The new t lies between t - q share and
    t + q (1 - share); where Newton's method leaves this interval, it is halved. The residual is by
    how much the row misses the new t, so it has to be small beside 1, where the sigmoid bends.
    """
    low, high = t - q * share, t + q * (1.0 - share)
    at, before = t, sigmoid(-t)
    s = before
    first = abs(q * (share - s))
    for _ in range(NEWTON):
        residual = at - t + q * (share - s)
        if abs(residual) <= CLOSE * min(first, 1.0):
            break
        if residual > 0.0:
            high = at
        else:
            low = at
        at -= residual / (1.0 + q * s * (1.0 - s))
        if not low < at < high:
            at = 0.5 * (low + high)
        s = sigmoid(-at)
    return s, before


@inline
def train_node(rows, squares, costs, members, positive, has_bias, tol, max_iter, random, scratch):
    """Train on some rows, of which the first `positive` go left, from weights of zero.

    Without rows nothing is learned, and both branches have the probability 1/2. Returns the bias,
    the passes made and the excess, in nats a row. Written: scratch.weights.
    """
    weights, shares, order = scratch.weights, scratch.shares, scratch.order
    count = len(members)
    total, left, spread = 0.0, 0.0, 0.0
    for i in range(count):
        cost = costs[members[i]]
        total += cost
        spread += squares[members[i]]
        if i < positive:
            left += cost
        shares[i], order[i] = 0.0, i
    if total == 0.0:
        return 0.0, 0, 0.0
    fixed, tilt, r, near, fresh = 0.0, 0.0, 0.0, NEAR, False
    if has_bias:
        # A branch may have no rows, when all those of its classes weigh 0.
        left = min(max(left, 1e-10 * total), (1.0 - 1e-10) * total)
        fixed, r = math.log(left / (total - left)), max(spread / count, 1e-12)
    excess = math.inf
    for epoch in range(max_iter):
        excess = 0.0
        for i in range(count - 1, 0, -1):
            j = np.int64(next_random(random) % np.uint64(i + 1))
            order[i], order[j] = order[j], order[i]
        for place in range(count):
            i = order[place]
            row = members[i]
            sign, cost = 1.0 if i < positive else -1.0, costs[row]
            begin, end = rows.starts[row], rows.starts[row + 1]
            f = dot(begin, end, rows.columns, rows.values, weights) + fixed + r * tilt
            share, before = solve(sign * f, shares[i], (squares[row] + r) * cost)
            excess += 2.0 * cost * (shares[i] - before) ** 2
            change = sign * cost * (share - shares[i])
            shares[i] = share
            tilt += change
            factor = weights.dtype.type(change)
            add(begin, end, rows.columns, rows.values, factor, weights)
        excess /= total
        if excess <= tol and (fresh or not has_bias):
            return fixed + r * tilt, epoch + 1, excess
        fresh = excess <= near
        if fresh:
            fixed += r * tilt
            near = max(tol, NEARER * near)
    return fixed + r * tilt, max_iter, excess


@jit
def train_nodes(rows, squares, costs, problems, has_bias, tol, max_iter, seeds, scratch, found, results):
    """Train the nodes of `problems`; returns how many weights were written to `found`.

    rows: n `Rows` of d features. squares, costs (n,) float64: ||x_i||^2 and C_i. seeds (l,) uint64:
    a state of the random generator for each node, changed. found: `Rows` with room for the weights
    of all nodes; for sparse rows those features alone that a row of the node has. results (l, 3)
    float64: bias, passes and excess of each node.
    """
    at = 0
    for node in range(len(problems.starts)):
        begin, end = problems.starts[node], problems.ends[node]
        members, positive = problems.members[begin:end], problems.middles[node] - begin
        bias, passes, excess = train_node(
            rows, squares, costs, members, positive, has_bias, tol, max_iter, seeds[node : node + 1], scratch
        )
        results[node, 0], results[node, 1], results[node, 2] = bias, passes, excess
        found.starts[node] = at
        at = take_weights(rows.starts, rows.columns, members, scratch, found.columns, found.values, at)
    found.starts[len(problems.starts)] = at
    return at


@inline
def take_weights(starts, columns, members, scratch, found_columns, found_values, at):
    """Move scratch.weights to `found_values` from `at` on; returns their end.

    Of sparse rows, those of the features that a row among `members` has, by feature.
    """
    weights, marks, features = scratch.weights, scratch.marks, scratch.features
    if columns is None:
        found_values[at : at + len(weights)] = weights
        weights[:] = 0
        return at + len(weights)
    count = 0
    for row in members:
        for k in range(starts[row], starts[row + 1]):
            j = columns[k]
            if not marks[j]:
                marks[j] = True
                features[count] = j
                count += 1
    if 8 * count > len(marks):
        count = 0
        for j in range(len(marks)):
            if marks[j]:
                features[count] = j
                count += 1
    else:
        features[:count].sort()
    for k in range(count):
        j = features[k]
        found_columns[at + k], found_values[at + k] = j, weights[j]
        marks[j], weights[j] = False, 0
    return at + count


@jit
def squared_norms(rows):
    """(n,) float64: ||x_i||^2."""
    found = np.zeros(len(rows.starts) - 1)
    for i in range(len(found)):
        for k in range(rows.starts[i], rows.starts[i + 1]):
            found[i] += np.float64(rows.values[k]) ** 2
    return found

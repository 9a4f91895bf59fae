"""Softmax regressions by dual coordinate descent, and search over classes in groups.

A softmax over K outputs with the cost C_i of a row minimises over W (d, K) and b (K,)

    1/2 ||W||^2 + sum_i C_i (logsumexp(z_i) - z_i[y_i]),    z_i = x_i W + b

At the minimum W = sum_i C_i x_i (e_{y_i} - a_i)^T with a_i = softmax(z_i), and sum_i C_i
(e_{y_i} - a_i) = 0, since b is not penalised. A step changes one a_i, and W with it, to what it
should be if the others were right: the new z_i is the minimum over z of

    ||z - z_i - q a_i||^2 / (2 q) + logsumexp(z),    q = C_i (||x_i||^2 + r)

which Newton's method finds, its Hessian being diagonal but for a term of rank one. For two outputs
this is the problem of `dual`, and as there r belongs to the method of multipliers for b, and the
excess is the gap between primal and dual, sum_i C_i KL(a_i || softmax(z_i)), with each divergence
taken as ||a_i - softmax(z_i)||_1^2 / 2 before the step.

Training is in float32, in vectors of 16 outputs; `stride` is K rounded up to a multiple of them.

Oracles: scikit-learn's LogisticRegression and `naive.grouped_probabilities`, in
tests/classifier/test_grouped.py.
"""

import math
from typing import NamedTuple

import numpy as np

from w2v_hs.kernels.common import next_random
from w2v_hs.kernels.dual import NEAR, NEARER
from w2v_hs.kernels.jit import inline, jit
from w2v_hs.kernels.simd import (
    LANES,
    add,
    broadcast,
    divide,
    exp_minus_abs,
    load,
    maximum,
    multiply,
    multiply_add,
    store,
    subtract,
)

NEWTON = 16  # most steps for one row
SMALL = 0.3  # the change of z up to which a Newton step is taken as exact
LARGE = 1.5  # and the most that one may change z
NEVER = -1e4  # the bias of what fills the last vector


class Softmaxes(NamedTuple):
    """The softmax over G groups, followed by that over the classes of each group.

    Softmax s has the outputs outputs[s] : outputs[s + 1] of `bias`, K of them, the features
    features[starts[s] : starts[s + 1]], and for each of these K weights, from weights[places[s]]
    on. Features are in order; without `features`, each softmax has all d.
    """

    outputs: np.ndarray  # (G + 2,) int64
    starts: np.ndarray  # (G + 2,) int64
    places: np.ndarray  # (G + 2,) int64
    features: np.ndarray | None  # int32
    weights: np.ndarray  # float32 or float64
    bias: np.ndarray  # float64: of the groups, then of the classes, group after group


@inline
def total_of(vector, lanes):
    """The sum of the lanes."""
    store(lanes, 0, vector)
    found = np.float32(0.0)
    for i in range(LANES):
        found += lanes[i]
    return found


@inline
def largest_of(vector, lanes):
    """The largest of the lanes."""
    store(lanes, 0, vector)
    found = lanes[0]
    for i in range(1, LANES):
        found = max(found, lanes[i])
    return found


@inline
def magnitude(vector):
    """|v|, lane by lane."""
    return maximum(vector, subtract(broadcast(np.float32(0.0)), vector))


@inline
def probabilities(z, p, lanes):
    """p = softmax(z)."""
    top = load(z, 0)
    for c in range(LANES, len(z), LANES):
        top = maximum(top, load(z, c))
    shift, total = broadcast(largest_of(top, lanes)), broadcast(np.float32(0.0))
    for c in range(0, len(z), LANES):
        e = exp_minus_abs(subtract(load(z, c), shift))
        store(p, c, e)
        total = add(total, e)
    scale = broadcast(np.float32(1.0) / total_of(total, lanes))
    for c in range(0, len(z), LANES):
        store(p, c, multiply(load(p, c), scale))


@inline
def newton_step(z, z0, p, shares, at, inverse, step, inverses, lanes):
    """Write Newton's step from z, where p = softmax(z); return its largest change of an output.

    shares[at:] are a_i; inverse is 1 / q. inverses: memory for the inverse of the diagonal.
    """
    near, along, whole = broadcast(inverse), broadcast(np.float32(0.0)), broadcast(np.float32(0.0))
    one = broadcast(np.float32(1.0))
    for c in range(0, len(z), LANES):
        some = load(p, c)
        gradient = multiply_add(subtract(load(z, c), load(z0, c)), near, subtract(some, load(shares, at + c)))
        diagonal = divide(one, add(near, some))
        weighted = multiply(some, diagonal)
        along = multiply_add(weighted, gradient, along)
        whole = add(whole, weighted)
        store(step, c, gradient)
        store(inverses, c, diagonal)
    ratio = broadcast(total_of(along, lanes) / (inverse * total_of(whole, lanes)))
    zero, most = broadcast(np.float32(0.0)), broadcast(np.float32(0.0))
    for c in range(0, len(z), LANES):
        change = multiply_add(load(p, c), ratio, load(step, c))
        change = subtract(zero, multiply(change, load(inverses, c)))
        store(step, c, change)
        most = maximum(most, magnitude(change))
    return largest_of(most, lanes)


@inline
def move(z, z0, p, shares, at, q, step, inverses, lanes):
    """Find the new z from z0, where p = softmax(z0); write q times the change of a_i to `step`."""
    inverse = np.float32(1.0) / q
    for c in range(len(z)):
        z[c] = z0[c]
    for _ in range(NEWTON):
        size = newton_step(z, z0, p, shares, at, inverse, step, inverses, lanes)
        if size <= SMALL:
            for c in range(len(z)):
                step[c] += z[c] - z0[c]
            return
        damping = min(np.float32(1.0), np.float32(LARGE) / size)
        for c in range(len(z)):
            z[c] += damping * step[c]
        probabilities(z, p, lanes)
    for c in range(len(z)):
        step[c] = q * (shares[at + c] - p[c])


@inline
def distance(p, shares, at, lanes):
    """||p - a_i||_1."""
    total = broadcast(np.float32(0.0))
    for c in range(0, len(p), LANES):
        total = add(total, magnitude(subtract(load(p, c), load(shares, at + c))))
    return total_of(total, lanes)


@inline
def add_multiple(factor, x, at, y, to, size):
    """y[to:] += factor * x[at:], `size` numbers."""
    factors = broadcast(factor)
    for c in range(0, size, LANES):
        store(y, to + c, multiply_add(factors, load(x, at + c), load(y, to + c)))


@inline
def add_scores(begin, end, columns, values, weights, z):
    """z += x W for the row x in values[begin:end]; columns as in `Rows`."""
    size = len(z)
    if columns is None:
        for k in range(end - begin):
            add_multiple(values[begin + k], weights, k * size, z, 0, size)
    else:
        for k in range(begin, end):
            add_multiple(values[k], weights, np.int64(columns[k]) * size, z, 0, size)


@inline
def add_outer(begin, end, columns, values, factor, step, weights):
    """W += factor * outer(x, step) for the row x in values[begin:end]."""
    size = len(step)
    if columns is None:
        for k in range(end - begin):
            add_multiple(factor * values[begin + k], step, 0, weights, k * size, size)
    else:
        for k in range(begin, end):
            add_multiple(factor * values[k], step, 0, weights, np.int64(columns[k]) * size, size)


@jit
def train_softmax(rows, labels, costs, squares, prior, has_bias, tol, max_iter, random, weights, bias):
    """Train one softmax from weights of zero; returns the passes and the excess, in nats a row.

    rows: n `Rows` of d features, of float32. labels (n,) int64: outputs. costs, squares (n,)
    float64: C_i and ||x_i||^2. prior (stride,) float32: the bias to begin with. random: (1,)
    uint64. Written: weights (d * stride,) float32, which are 0, and bias (stride,) float32.
    """
    count, stride = len(labels), len(bias)
    shares = np.zeros(count * stride, np.float32)
    order, tilt, fixed = np.arange(count), np.zeros(stride, np.float32), prior.copy()
    z0, z, p = np.empty(stride, np.float32), np.empty(stride, np.float32), np.empty(stride, np.float32)
    step, inverses, lanes = np.empty_like(z), np.empty_like(z), np.zeros(LANES, np.float32)
    total, spread = 0.0, 0.0
    for i in range(count):
        shares[i * stride + labels[i]] = 1.0
        total += costs[i]
        spread += squares[i]
    r = max(spread / count, 1e-12) if has_bias else 0.0
    near, fresh, excess, passes = NEAR, False, math.inf, 0
    while passes < max_iter and not (excess <= tol and (fresh or not has_bias)):
        if passes > 0:
            fresh = excess <= near
            if fresh:
                add_multiple(np.float32(r), tilt, 0, fixed, 0, stride)
                near = max(tol, NEARER * near)
        excess = 0.0
        passes += 1
        for i in range(count - 1, 0, -1):
            j = np.int64(next_random(random) % np.uint64(i + 1))
            order[i], order[j] = order[j], order[i]
        for i in order:
            q, at = np.float32(costs[i] * (squares[i] + r)), i * stride
            if not q > 0.0:  # a row of zeros, without a bias
                continue
            z0[:] = fixed
            add_multiple(np.float32(r), tilt, 0, z0, 0, stride)
            begin, end = rows.starts[i], rows.starts[i + 1]
            add_scores(begin, end, rows.columns, rows.values, weights, z0)
            probabilities(z0, p, lanes)
            excess += 0.5 * costs[i] * np.float64(distance(p, shares, at, lanes)) ** 2
            move(z, z0, p, shares, at, q, step, inverses, lanes)
            add_multiple(np.float32(-1.0) / q, step, 0, shares, at, stride)
            factor = np.float32(costs[i]) / q
            add_multiple(factor, step, 0, tilt, 0, stride)
            add_outer(begin, end, rows.columns, rows.values, factor, step, weights)
        excess /= total
    bias[:] = fixed
    add_multiple(np.float32(r), tilt, 0, bias, 0, stride)
    return passes, excess


# ---- predictions --------------------------------------------------------------------------------


@inline
def add_outputs(begin, end, columns, values, features, first, last, base, weights, found):
    """found += x W for the row x in values[begin:end]; its features and those of W are in order."""
    size = len(found)
    if columns is None:
        for k in range(end - begin):
            add_row(np.float64(values[begin + k]), weights, base + k * size, found)
        return
    at = first
    for k in range(begin, end):
        high = last
        while at < high:
            middle = (at + high) >> 1
            if features[middle] < columns[k]:
                at = middle + 1
            else:
                high = middle
        if at == last:
            break
        if features[at] == columns[k]:
            add_row(np.float64(values[k]), weights, base + (at - first) * size, found)


@inline
def add_row(x, weights, at, found):
    """found += x * weights[at:]."""
    for c in range(len(found)):
        found[c] += x * weights[at + c]


@inline
def output_log_probs(s, begin, end, columns, values, softmaxes, found):
    """log P of the outputs of softmax s for the row x in values[begin:end], written to `found`."""
    first, size = softmaxes.outputs[s], softmaxes.outputs[s + 1] - softmaxes.outputs[s]
    if size == 1:
        found[0] = 0.0
        return
    for c in range(size):
        found[c] = softmaxes.bias[first + c]
    features, at, last = softmaxes.features, softmaxes.starts[s], softmaxes.starts[s + 1]
    base, weights = softmaxes.places[s], softmaxes.weights
    add_outputs(begin, end, columns, values, features, at, last, base, weights, found[:size])
    top, total = found[0], 0.0
    for c in range(1, size):
        top = max(top, found[c])
    for c in range(size):
        total += math.exp(found[c] - top)
    top += math.log(total)
    for c in range(size):
        found[c] -= top


@jit
def all_log_probs(rows, first, last, softmaxes, order, found):
    """log P of all classes of some rows, written to found (n, m) from `first` to `last` - 1.

    rows: `Rows`, dense if `softmaxes` has no features. order (m,) int64: the classes, group after
    group.
    """
    groups = len(softmaxes.outputs) - 2
    reached, within = np.empty(groups), np.empty(len(order))
    for i in range(first, last):
        x = (rows.starts[i], rows.starts[i + 1], rows.columns, rows.values)
        output_log_probs(0, *x, softmaxes, reached)
        for group in range(groups):
            output_log_probs(group + 1, *x, softmaxes, within)
            begin, end = softmaxes.outputs[group + 1], softmaxes.outputs[group + 2]
            for c in range(begin, end):
                found[i, order[c - groups]] = reached[group] + within[c - begin]


@jit
def best_classes(rows, first, last, softmaxes, order, best, log_probs):
    """The k most probable classes of some rows, from `first` to `last` - 1.

    As `all_log_probs`, but groups are taken by their probability, which bounds that of their
    classes, until none is left that could have a class among the best. Of equally probable classes
    the first comes first. Written: best (n, k) int64 and log_probs (n, k) float64; NaN where the
    scores of a row overflow. Returns the number of groups whose classes were looked at.
    """
    groups, k, visited = len(softmaxes.outputs) - 2, best.shape[1], 0
    reached, within = np.empty(groups), np.empty(len(order))
    for i in range(first, last):
        x = (rows.starts[i], rows.starts[i + 1], rows.columns, rows.values)
        output_log_probs(0, *x, softmaxes, reached)
        here, keys, count = best[i], log_probs[i], 0
        for _ in range(groups):
            group = 0
            for g in range(1, groups):
                if reached[g] > reached[group]:
                    group = g
            if count == k and reached[group] < keys[k - 1]:
                break
            visited += 1
            output_log_probs(group + 1, *x, softmaxes, within)
            begin, end = softmaxes.outputs[group + 1], softmaxes.outputs[group + 2]
            for c in range(begin, end):
                key, item = reached[group] + within[c - begin], order[c - groups]
                at = min(count, k - 1)
                if count == k and not (key > keys[at] or (key == keys[at] and item < here[at])):
                    continue
                while at > 0 and (key > keys[at - 1] or (key == keys[at - 1] and item < here[at - 1])):
                    keys[at], here[at] = keys[at - 1], here[at - 1]
                    at -= 1
                keys[at], here[at] = key, item
                count = min(count + 1, k)
            if math.isnan(within[0]) or math.isnan(reached[group]):
                keys[:], here[:] = math.nan, 0
                break
            reached[group] = -math.inf
    return visited

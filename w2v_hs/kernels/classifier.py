"""Softmax regression over a tree of classes: training and search on fixed features.

A row x of features predicts class y as a hidden vector predicts a word (Morin and Bengio 2005):
node l on the path of y, with weights w_l, bias b_l and branch bit (0 is left), gives

    P(branch l | x) = sigmoid(s_l f),    f = x . w_l + b_l,    s_l = 1 - 2 bit
    loss            = -sum_l log sigmoid(s_l f)
    -d loss / d f   = s_l sigmoid(-s_l f)

The features stay as they are, so only nodes learn; all is float64. While training the weights are
scale * weights: the L2 penalty shrinks all nodes by one factor a step, and that factor is all that
has to be written (Bottou 2010, "Large-Scale Machine Learning with Stochastic Gradient Descent").
"""

import math
from typing import NamedTuple

import numpy as np

from w2v_hs.kernels.jit import inline, jit
from w2v_hs.kernels.probability import log_sigmoid, pop, push

# Below it `scale` is multiplied into all weights. Scaling loses no digits, so the only limit is
# the range of float64; that is once in some 300 / (rate * l2) steps.
LEAST_SCALE = 1e-130


class Rows(NamedTuple):
    """Features of n rows, dense or sparse.

    Row i has values[starts[i]:starts[i + 1]], float64, in the given columns; `columns` is None
    where each row holds all columns in their order.
    """

    starts: np.ndarray
    columns: np.ndarray | None
    values: np.ndarray


class Centre(NamedTuple):
    """A vector c that is taken off each row x without writing x - c, which would not be sparse.

    products (n,) float64: x . c of each row; square: c . c. sums (m - 1, 2) float64, written:
    weights[l] - sums[l, 0] * c are the weights of node l, and sums[l, 1] is weights[l] . c.
    """

    products: np.ndarray
    square: float
    sums: np.ndarray


@inline
def product(begin, end, columns, values, weights, node):
    """x . weights[node] for the row x that stands in values[begin:end]."""
    a, b, c, d = 0.0, 0.0, 0.0, 0.0
    if columns is None:
        # Four sums side by side, for each addition waits for the one before it.
        whole = (end - begin) // 4 * 4
        for k in range(0, whole, 4):
            a += values[begin + k] * weights[node, k]
            b += values[begin + k + 1] * weights[node, k + 1]
            c += values[begin + k + 2] * weights[node, k + 2]
            d += values[begin + k + 3] * weights[node, k + 3]
        for k in range(whole, end - begin):
            a += values[begin + k] * weights[node, k]
    else:
        for i in range(begin, end):
            a += values[i] * weights[node, columns[i]]
    return (a + b) + (c + d)


@inline
def add_multiple(begin, end, columns, values, factor, weights, node):
    """weights[node] += factor * x for the row x that stands in values[begin:end]."""
    if columns is None:
        for k in range(end - begin):
            weights[node, k] += factor * values[begin + k]
    else:
        for i in range(begin, end):
            weights[node, columns[i]] += factor * values[i]


@jit
def train(rows, order, bounds, labels, paths, centre, weights, bias, has_bias, rates, l2,
          scale, slopes):  # fmt: skip
    """Train on batches of rows; return the sum of their losses in nats, each before its step.

    Batch i is order[bounds[i]:bounds[i + 1]] and takes one step of rates[i] down the gradient of
    its mean loss + l2 / 2 * ||weights||^2. labels (n,) int64: the class of each row; paths:
    `common.Paths` over the classes. Written, all float64: weights (m - 1, d), bias (m - 1,), the
    sums of `centre`, and scale (1,), by which weights and sums are to be multiplied. slopes: room
    for one number for each row of a batch and node on its path.
    """
    offsets, nodes, bits = paths
    products, square, sums = centre
    loss = 0.0
    for batch in range(len(bounds) - 1):
        first, last = bounds[batch], bounds[batch + 1]
        at = 0
        # All rows of a batch see the same weights: all slopes come before the first change.
        for i in range(first, last):
            row = order[i]
            begin, end, label = rows.starts[row], rows.starts[row + 1], labels[row]
            for step in range(offsets[label], offsets[label + 1]):
                node = nodes[step]
                f = product(begin, end, rows.columns, rows.values, weights, node)
                f -= sums[node, 0] * (products[row] - square) + sums[node, 1]
                sign = 1.0 - 2.0 * bits[step]
                z = sign * (scale[0] * f + bias[node])
                e = math.exp(-abs(z))
                loss += max(-z, 0.0) + math.log1p(e)
                slopes[at] = sign * (e if z >= 0.0 else 1.0) / (1.0 + e)
                at += 1
        scale[0] *= 1.0 - rates[batch] * l2
        if scale[0] < LEAST_SCALE:
            weights *= scale[0]
            sums *= scale[0]
            scale[0] = 1.0
        share = rates[batch] / (last - first)
        at = 0
        for i in range(first, last):
            row = order[i]
            begin, end, label = rows.starts[row], rows.starts[row + 1], labels[row]
            for step in range(offsets[label], offsets[label + 1]):
                node, g = nodes[step], share * slopes[at]
                h = g / scale[0]
                add_multiple(begin, end, rows.columns, rows.values, h, weights, node)
                sums[node, 0] += h
                sums[node, 1] += h * products[row]
                if has_bias:
                    bias[node] += g
                at += 1
    return loss


@jit
def leaf_log_probs(scores, children, order):
    """(n, m) float64: log P of every class, by one sweep from the root down for each row.

    scores (n, m - 1) float64: f of each inner node. children, order: see `tree.Tree.children`.
    """
    classes = len(children) + 1
    result = np.empty((len(scores), classes))
    reached = np.zeros(2 * classes - 1)  # log P of each class and, behind them, inner node
    for i in range(len(scores)):
        for node in order:
            f, above = scores[i, node], reached[classes + node]
            reached[children[node, 0]] = above + log_sigmoid(f)
            reached[children[node, 1]] = above + log_sigmoid(-f)
        result[i] = reached[:classes]
    return result


@jit
def best_first(rows, weights, bias, children, root, k):
    """The k most probable classes of each row: (classes (n, k) int64, log P (n, k), visited (n,)).

    The queue holds prefixes of paths, the most probable first. No branch has a probability above
    1, so a prefix bounds all leaves below it: a leaf that leaves the queue is final. `visited`
    counts the inner nodes whose score was computed.
    """
    classes, count = len(children) + 1, len(rows.starts) - 1
    keys, items = np.empty(classes), np.empty(classes, np.int64)
    best, log_probs = np.empty((count, k), np.int64), np.empty((count, k))
    visited = np.zeros(count, np.int64)
    for i in range(count):
        keys[0], items[0] = 0.0, classes + root
        size, found = 1, 0
        while found < k:
            key, item = keys[0], items[0]
            pop(keys, items, size, classes)
            size -= 1
            if item < classes:
                best[i, found], log_probs[i, found] = item, key
                found += 1
                continue
            node = item - classes
            visited[i] += 1
            begin, end = rows.starts[i], rows.starts[i + 1]
            f = bias[node] + product(begin, end, rows.columns, rows.values, weights, node)
            push(keys, items, size, key + log_sigmoid(f), children[node, 0], classes)
            push(keys, items, size + 1, key + log_sigmoid(-f), children[node, 1], classes)
            size += 2
    return best, log_probs, visited

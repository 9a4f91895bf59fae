"""Softmax regression over a tree of classes: training and search on fixed features.

A row x of features predicts class y as a hidden vector predicts a word (Morin and Bengio 2005):
node l on the path of y, with weights w_l, bias b_l and branch bit (0 is left), gives

    P(branch l | x) = sigmoid(s_l f),    f = x . w_l + b_l,    s_l = 1 - 2 bit
    loss            = -sum_l log sigmoid(s_l f)
    -d loss / d f   = s_l sigmoid(-s_l f)

The features are fixed, so only nodes learn. Features and weights are float32 or float64, sums
float64. During training the weights
are scale * weights: a step of the L2 penalty shrinks all nodes by one factor, so it only changes
the scale (Bottou 2010, "Large-Scale Machine Learning with Stochastic Gradient Descent").

Oracles in tests/naive.py: `regression` for `train`, `tree_probabilities` for the rest.
"""

import math
from typing import NamedTuple

import numpy as np

from w2v_hs.kernels.jit import inline, jit
from w2v_hs.kernels.probability import log_sigmoid, search

# Below it `scale` is multiplied into all weights, once in some 60 / (rate * l2) steps. Scaling
# loses no digits, so the range of float32 is the only limit.
LEAST_SCALE = 1e-25


class Rows(NamedTuple):
    """Features of n rows, dense or sparse: row i has values[starts[i]:starts[i + 1]]."""

    starts: np.ndarray  # int64
    columns: np.ndarray | None  # int32, of each value; None: each row holds all columns in order
    values: np.ndarray  # float32 or float64


class Batches(NamedTuple):
    """The steps of an epoch: step i takes the rows order[bounds[i]:bounds[i + 1]]."""

    order: np.ndarray  # int64
    bounds: np.ndarray  # int64
    rates: np.ndarray  # float64: the learning rate of each step


class Nodes(NamedTuple):
    """What is learned of a tree of m classes: the weights of the nodes are scale * weights."""

    weights: np.ndarray  # (m - 1, d), of the dtype of the features
    bias: np.ndarray  # (m - 1,) float64
    scale: np.ndarray  # (1,) float64


class Centre(NamedTuple):
    """A vector c that is subtracted from each row x without writing x - c, which is not sparse.

    weights[l] - sums[l, 0] * c are the weights of node l, and sums[l, 1] is weights[l] . c.
    """

    products: np.ndarray  # (n,) float64: x . c of each row
    square: float  # c . c
    sums: np.ndarray  # (m - 1, 2) float64, written


@inline
def product(begin, end, columns, values, weights, node):
    """x . weights[node] for the row x in values[begin:end]."""
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
    """weights[node] += factor * x for the row x in values[begin:end]."""
    if columns is None:
        for k in range(end - begin):
            weights[node, k] += factor * values[begin + k]
    else:
        for i in range(begin, end):
            weights[node, columns[i]] += factor * values[i]


@jit
def train(rows, labels, shares, paths, batches, centre, nodes, l2, has_bias, slopes):
    """Train on batches of rows; return the sum of their losses in nats, each before its step.

    A batch takes one step down the gradient of its mean loss + l2 / 2 * ||weights||^2. labels (n,)
    int64: the class of each row. shares (n,) float64: by which its loss is multiplied. paths:
    `common.Paths` over the classes. slopes: memory for one float64 for each row of a batch and node
    on its path. Written: `nodes`, the bias only if `has_bias`, and the sums of `centre`, which
    `nodes.scale` multiplies too.
    """
    order, bounds, rates = batches
    weights, bias, scale = nodes
    products, square, sums = centre
    loss = 0.0
    for batch in range(len(bounds) - 1):
        first, last = bounds[batch], bounds[batch + 1]
        at = 0
        # All rows of a batch see the same weights: all slopes come before the first change.
        for i in range(first, last):
            row = order[i]
            begin, end, label = rows.starts[row], rows.starts[row + 1], labels[row]
            for step in range(paths.offsets[label], paths.offsets[label + 1]):
                node = paths.nodes[step]
                f = product(begin, end, rows.columns, rows.values, weights, node)
                f -= sums[node, 0] * (products[row] - square) + sums[node, 1]
                sign = 1.0 - 2.0 * paths.bits[step]
                z = sign * (scale[0] * f + bias[node])
                e = math.exp(-abs(z))
                loss += shares[row] * (max(-z, 0.0) + math.log1p(e))
                slopes[at] = shares[row] * sign * (e if z >= 0.0 else 1.0) / (1.0 + e)
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
            for step in range(paths.offsets[label], paths.offsets[label + 1]):
                node, g = paths.nodes[step], share * slopes[at]
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

    scores (n, m - 1) float64: f of each inner node. children, order: see `probability`.
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
def spans(children, order):
    """Where the classes below each inner node stand in the order of the leaves, left to right.

    Returns places (m,) int64 of the classes, and (m - 1, 3) int64: for each inner node the first
    place of its left branch, that of its right branch, and the end. children, order: see
    `probability`.
    """
    classes = len(children) + 1
    sizes = np.ones(2 * classes - 1, np.int64)
    for node in order[::-1]:
        sizes[classes + node] = sizes[children[node, 0]] + sizes[children[node, 1]]
    starts = np.zeros(2 * classes - 1, np.int64)
    found = np.empty((classes - 1, 3), np.int64)
    for node in order:
        left, right = children[node, 0], children[node, 1]
        starts[left] = starts[classes + node]
        starts[right] = starts[left] + sizes[left]
        found[node, 0], found[node, 1] = starts[left], starts[right]
        found[node, 2] = starts[left] + sizes[classes + node]
    return starts[:classes], found


@inline
def sparse_product(begin, end, columns, values, at, last, weight_columns, weights):
    """x . w for the sparse row x in values[begin:end] and the weights w in weights[at:last].

    The columns of both increase, so each is searched from where the one before was found.
    """
    total = 0.0
    if weight_columns is None:
        for k in range(begin, end):
            total += np.float64(values[k]) * weights[at + columns[k]]
        return total
    for k in range(begin, end):
        column, high = columns[k], last
        while at < high:
            middle = (at + high) >> 1
            if weight_columns[middle] < column:
                at = middle + 1
            else:
                high = middle
        if at == last:
            break
        if weight_columns[at] == column:
            total += np.float64(values[k]) * weights[at]
    return total


@inline
def dense_product(begin, end, values, at, weights):
    """x . w for the dense row x in values[begin:end] and the weights w from `at` on."""
    total = 0.0
    for k in range(end - begin):
        total += np.float64(values[begin + k]) * weights[at + k]
    return total


@inline
def node_score(node, begin, end, columns, values, starts, weight_columns, weights, bias):
    """f = x . w + b of a node for the row x in values[begin:end]; a dense one has dense weights."""
    if columns is None:
        return bias[node] + dense_product(begin, end, values, starts[node], weights)
    at, last = starts[node], starts[node + 1]
    return bias[node] + sparse_product(begin, end, columns, values, at, last, weight_columns, weights)


@jit
def node_scores(rows, by_feature, bias):
    """(n, l) float64: f of all nodes for sparse rows, from the weights of each feature.

    The transpose of the weights, `Rows` of d features, each with the weights of the nodes that have
    one. The same sums as those of `node_score`, in the same order.
    """
    scores = np.zeros((len(rows.starts) - 1, len(bias)))
    for i in range(len(scores)):
        for k in range(rows.starts[i], rows.starts[i + 1]):
            x, j = np.float64(rows.values[k]), rows.columns[k]
            for at in range(by_feature.starts[j], by_feature.starts[j + 1]):
                scores[i, by_feature.columns[at]] += x * by_feature.values[at]
        for node in range(len(bias)):
            scores[i, node] += bias[node]
    return scores


@jit
def best_first(rows, first, last, weights, bias, children, root, best, log_probs):
    """The k most probable classes of some rows, by `probability.search`.

    rows: `Rows`; weights: `Rows` of the m - 1 inner nodes, dense if `rows` is. children, root: see
    `probability`. Written: best (n, k) int64 and log_probs (n, k) float64, from `first` to `last`
    - 1. Returns the number of inner nodes visited.
    """
    classes, k = len(children) + 1, best.shape[1]
    keys, items = np.empty(classes), np.empty(classes, np.int64)
    visited = 0
    for i in range(first, last):
        begin, end = rows.starts[i], rows.starts[i + 1]
        score = (begin, end, rows.columns, rows.values, weights.starts, weights.columns, weights.values, bias)
        visited += search(k, children, root, node_score, score, keys, items, best[i], log_probs[i])
    return visited


@jit
def path_losses(rows, labels, paths, weights, bias):
    """(n,) float64: -log P(labels[i] | x_i); rows, weights, bias as in `best_first`."""
    losses = np.zeros(len(labels))
    for i in range(len(labels)):
        for step in range(paths.offsets[labels[i]], paths.offsets[labels[i] + 1]):
            begin, end, node = rows.starts[i], rows.starts[i + 1], paths.nodes[step]
            x = (begin, end, rows.columns, rows.values)
            f = node_score(node, *x, weights.starts, weights.columns, weights.values, bias)
            losses[i] -= log_sigmoid(f if paths.bits[step] == 0 else -f)
    return losses

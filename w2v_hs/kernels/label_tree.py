"""Probabilistic label trees: marginal probabilities of labels, of which a row may have several.

Each node of a binary tree over L labels has a classifier: given that a label below its parent is
on, sigmoid(f) is the probability that one below the node is on; at the root, that any is. The
marginal probability of a label is the product along its path (Jasinska et al. 2016). `children`
(L - 1, 2) int64 and `order` are as in `probability`; the classifier of label c is c, that of inner
node j is L + j.

Oracle: `naive.label_marginals`.
"""

import numpy as np

from w2v_hs.kernels.classifier import node_score
from w2v_hs.kernels.jit import inline, jit
from w2v_hs.kernels.probability import log_sigmoid, pop, push


@jit
def fill_members(starts, rows, parents, count, begins, middles, ends, members):
    """Write the rows of each node's problem: those with a label below it, then the others.

    starts (k + 1,) int64 and rows int32: the rows with a label below each node, in order. parents
    (k,) int64; -1 for the root, whose problem has all `count` rows. begins, middles, ends (k,)
    int64: where they are in `members`, int32, written.
    """
    for node in range(len(parents)):
        at, rest = begins[node], middles[node]
        parent = parents[node]
        own, last = starts[node], starts[node + 1]
        first = 0 if parent < 0 else starts[parent]
        size = count if parent < 0 else starts[parent + 1] - first
        for i in range(size):
            row = i if parent < 0 else rows[first + i]
            if own < last and rows[own] == row:
                members[at] = row
                at += 1
                own += 1
            else:
                members[rest] = row
                rest += 1


@jit
def marginals(scores, children, order):
    """(n, L) float64: log-probabilities of all labels; scores (n, 2L - 1) float64: f."""
    labels = len(children) + 1
    reached = np.empty(2 * labels - 1)
    found = np.empty((len(scores), labels))
    for i in range(len(scores)):
        root = labels + order[0]
        reached[root] = log_sigmoid(scores[i, root])
        for node in order:
            for side in range(2):
                child = children[node, side]
                reached[child] = reached[labels + node] + log_sigmoid(scores[i, child])
        found[i] = reached[:labels]
    return found


@inline
def best_labels(least, children, root, x, weights, keys, items, best, log_probs):
    """Best-first search for the labels of log-probability `least` or more, at most len(best).

    x: arguments of `node_score` for a row, weights: for the weights. keys (L,) float64 and items
    (L,) int64: memory. Written: best, most probable first, and log_probs. Returns their number.
    """
    labels, k = len(children) + 1, len(best)
    keys[0], items[0] = log_sigmoid(node_score(labels + root, *x, *weights)), labels + root
    size, found = 1, 0
    while found < k and size > 0:
        key, item = keys[0], items[0]
        if key < least:
            break
        pop(keys, items, size, labels)
        size -= 1
        if item < labels:
            best[found], log_probs[found] = item, key
            found += 1
            continue
        for side in range(2):
            child = children[item - labels, side]
            here = key + log_sigmoid(node_score(child, *x, *weights))
            if here >= least:
                push(keys, items, size, here, child, labels)
                size += 1
    return found


@jit
def search_rows(rows, first, last, weights, bias, children, root, least, best, log_probs, found):
    """`best_labels` of some rows.

    rows: `Rows`; weights: `Rows` of the 2L - 1 nodes, dense if `rows` is. Written: best (n, k)
    int64, log_probs (n, k) float64 and found (n,) int64, from `first` to `last` - 1.
    """
    labels = len(children) + 1
    keys, items = np.empty(labels), np.empty(labels, np.int64)
    learned = (weights.starts, weights.columns, weights.values, bias)
    for i in range(first, last):
        x = (rows.starts[i], rows.starts[i + 1], rows.columns, rows.values)
        found[i] = best_labels(least, children, root, x, learned, keys, items, best[i], log_probs[i])

"""CBOW against hierarchical softmax (Mikolov et al. 2013).

The mean h of the input vectors of the C context words predicts the centre word w. Node l on the
path of w, with vector n_l and bit b_l (0 is left), gives

    P(branch l | h) = sigmoid(s_l f),    f = h . n_l,    s_l = 1 - 2 b_l
    loss            = -sum_l log sigmoid(s_l f)
    g_l             = lr * s_l * sigmoid(-s_l f)
    x_c += sum_l g_l n_l for every c,    n_l += g_l h      (both from the old h and n)

The error is added undivided to each context vector, as in word2vec.c. (The exact gradient of the
mean would divide it by C; C then only scales the rate of the inputs.)
"""

import numpy as np

from w2v_hs.kernels.common import (
    collect_loss,
    draw_reach,
    gradients,
    start_loss,
    subsample,
)
from w2v_hs.kernels.copies import merge, merge_due
from w2v_hs.kernels.jit import inline, jit
from w2v_hs.kernels.paths import find_contexts, look_ahead
from w2v_hs.kernels.simd import (
    LANES,
    add,
    broadcast,
    fold,
    load,
    load_each,
    multiply,
    multiply_add,
    multiply_add_each,
    pointer,
    pointers,
    store,
    zeros_like_each,
)

NODES = (0,) * 8  # path nodes that are multiplied with the hidden vector at once


@inline
def mean_input(rows, count, vectors, stride, hidden):
    """hidden[:stride] = mean of the vectors at the offsets rows[:count]."""
    share = broadcast(np.float32(1.0 / count))
    for k in range(0, stride, LANES):
        total = broadcast(np.float32(0.0))
        for c in range(count):
            total = add(total, load(vectors, rows[c] + k))
        store(hidden, k, multiply(total, share))


@inline
def train_path(path, length, weights, stride, rate, hidden, scratch):
    """Train the nodes of scratch.path[path:] on hidden[:stride]; the error goes behind it."""
    scores = scratch.scores
    for j in range(0, length, LANES):
        low = zeros_like_each(NODES)
        high = zeros_like_each(NODES)
        for k in range(0, stride, LANES):
            low = multiply_add_each(
                load_each(NODES, weights, scratch.path, path + j, k), load(hidden, k), low
            )
        if j + len(NODES) < length:
            for k in range(0, stride, LANES):
                n = load_each(NODES, weights, scratch.path, path + j + len(NODES), k)
                high = multiply_add_each(n, load(hidden, k), high)
        store(scores, j, fold(low + high))
    store(scores, length, broadcast(np.float32(0.0)))
    gradients(length, scores, scratch.signs, path, rate, scratch)
    for k in range(0, stride, LANES):
        h = load(hidden, k)
        error = broadcast(np.float32(0.0))
        for j in range(length):
            n = load(weights, scratch.path[path + j] + k)
            g = broadcast(scores[j])
            error = multiply_add(g, n, error)
            store(weights, scratch.path[path + j] + k, multiply_add(g, h, n))
        store(hidden, stride + k, error)


@inline
def add_error(rows, count, vectors, stride, hidden):
    """Add hidden[stride:] to the vectors at the offsets rows[:count]."""
    for c in range(count):
        for k in range(0, stride, LANES):
            store(vectors, rows[c] + k, add(load(vectors, rows[c] + k), load(hidden, stride + k)))


@jit
def train(text, first, last, window, paths, vectors, weights, stride, rate, nodes, scratch):
    """Train on sentences first .. last - 1.

    vectors (V*stride,) and weights (rows*stride,) float32, flat; nodes: which rows of `weights`
    are private to this thread, see `copies`. They are merged every so many
    windows, and where there are no sentences. Adds to scratch.totals: loss in nats, predictions
    (centres), kept tokens.
    """
    centres, tokens = 0, 0
    path, ahead = 0, len(scratch.path) // 2
    # Only pointers from here on; see `pointer`.
    text, paths, scratch = pointers(text), pointers(paths), pointers(scratch)
    nodes, vectors, weights = pointers(nodes), pointer(vectors), pointer(weights)
    rows, hidden = scratch.rows, scratch.hidden
    start_loss(scratch)
    for sentence in range(first, last):
        length = subsample(text, sentence, scratch)
        tokens += length
        depth, next_depth = 0, 0
        for i in range(-1, length):
            depth, path, ahead = next_depth, ahead, path
            next_depth = look_ahead(
                i, length, window, paths, vectors, weights, stride, nodes, scratch, ahead
            )
            if i < 0:
                continue
            reach = draw_reach(window, scratch.random)
            begin, end = max(0, i - reach), min(length, i + reach + 1)
            contexts = find_contexts(scratch.kept, begin, i, end, stride, rows)
            if contexts == 0:
                continue
            mean_input(rows, contexts, vectors, stride, hidden)
            train_path(path, depth, weights, stride, rate, hidden, scratch)
            add_error(rows, contexts, vectors, stride, hidden)
            centres += 1
            merge_due(weights, stride, nodes)
    if first == last:
        merge(weights, stride, nodes)
    collect_loss(scratch)
    scratch.totals[1] += centres
    scratch.totals[2] += tokens

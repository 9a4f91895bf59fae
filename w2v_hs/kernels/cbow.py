"""CBOW against hierarchical softmax (Mikolov et al. 2013).

The mean h of the input vectors of the C context words predicts the centre word w. Node l on the
path of w, with vector n_l and bit b_l (0 is left), gives

    P(branch l | h) = sigmoid(s_l f),    f = h . n_l,    s_l = 1 - 2 b_l
    loss            = -sum_l log sigmoid(s_l f)
    g_l             = lr * s_l * sigmoid(-s_l f)
    x_c += sum_l g_l n_l for every c,    n_l += g_l h      (both from the old h and n)

The error is added undivided to each context vector, as in word2vec.c. (The exact gradient of the
mean divides it by C, which only scales the learning rate of the inputs.)

Oracle: `naive.train_cbow_tree`.
"""

import numpy as np

from w2v_hs.kernels.common import gradients
from w2v_hs.kernels.jit import inline, jit
from w2v_hs.kernels.simd import LANES, add, broadcast, load, multiply, multiply_add, store
from w2v_hs.kernels.tiles import fold, load_each, multiply_add_each, zeros_like_each
from w2v_hs.kernels.windows import train_windows

NODES = (0,) * 8  # path nodes that are multiplied with the hidden vector at once


@inline
def mean_input(rows, count, vectors, stride, hidden):
    """hidden[:stride] = the mean of the vectors at the offsets rows[:count]; all float32."""
    share = broadcast(np.float32(1.0 / count))
    for k in range(0, stride, LANES):
        total = broadcast(np.float32(0.0))
        for c in range(count):
            total = add(total, load(vectors, rows[c] + k))
        store(hidden, k, multiply(total, share))


@inline
def score_path(path, length, weights, stride, hidden, scratch):
    """Write the scores hidden[:stride] . n_l of the `length` nodes of scratch.path[path:].

    They go to scratch.scores, up to 15 more behind them.
    """
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
        store(scratch.scores, j, fold(low + high))


@inline
def apply_gradients(path, length, weights, stride, hidden, scratch, moves):
    """Train the nodes of a path, of which scratch.scores holds the gradients g_l.

    The error, sum_l g_l n_l, is written to hidden[stride:]. moves: whether `weights` learn, as in
    `skipgram.train_batch`.
    """
    for k in range(0, stride, LANES):
        h = load(hidden, k)
        error = broadcast(np.float32(0.0))
        for j in range(length):
            n = load(weights, scratch.path[path + j] + k)
            g = broadcast(scratch.scores[j])
            error = multiply_add(g, n, error)
            if moves:
                store(weights, scratch.path[path + j] + k, multiply_add(g, h, n))
        store(hidden, stride + k, error)


@inline
def train_path(path, length, weights, stride, rate, hidden, scratch, moves):
    """Train the `length` nodes of scratch.path[path:] on hidden[:stride], as `apply_gradients`."""
    score_path(path, length, weights, stride, hidden, scratch)
    store(scratch.scores, length, broadcast(np.float32(0.0)))
    gradients(length, scratch.scores, scratch.signs, path, rate, scratch)
    apply_gradients(path, length, weights, stride, hidden, scratch, moves)


@inline
def add_error(rows, count, vectors, stride, hidden):
    """Add hidden[stride:] to the vectors at the offsets rows[:count]."""
    for c in range(count):
        for k in range(0, stride, LANES):
            store(vectors, rows[c] + k, add(load(vectors, rows[c] + k), load(hidden, stride + k)))


@inline
def train_window(contexts, path, length, vectors, weights, stride, rate, scratch):
    """Train on one window; return the number of predictions, 1."""
    mean_input(scratch.rows, contexts, vectors, stride, scratch.hidden)
    train_path(path, length, weights, stride, rate, scratch.hidden, scratch, True)
    add_error(scratch.rows, contexts, vectors, stride, scratch.hidden)
    return 1


@inline
def train_contexts(contexts, path, length, vectors, weights, stride, rate, scratch):
    """As `train_window`, with `weights` that stay."""
    mean_input(scratch.rows, contexts, vectors, stride, scratch.hidden)
    train_path(path, length, weights, stride, rate, scratch.hidden, scratch, False)
    add_error(scratch.rows, contexts, vectors, stride, scratch.hidden)
    return 1


@jit
def train(text, first, last, window, paths, vectors, ring, weights, stride, rate, nodes, scratch):
    """Train as `windows.train_windows` describes; a prediction is a centre."""
    train_windows(
        train_window, text, first, last, window, paths, vectors, ring, weights, stride, rate, nodes, scratch
    )


@jit
def train_inputs(text, first, last, window, paths, vectors, ring, weights, stride, rate, nodes, scratch):
    """As `train`, with `weights` that stay; `nodes` must be no copies."""
    train_windows(
        train_contexts, text, first, last, window, paths, vectors, ring, weights, stride, rate, nodes, scratch
    )

"""Skip-gram against hierarchical softmax (Mikolov et al. 2013; Morin and Bengio 2005).

Each context word c of a centre word w, with input vector x_c, predicts w. The probability of w is
the product of the branches on its path, and node l with vector n_l and bit b_l (0 is left) gives

    P(branch l | c) = sigmoid(s_l f),    f = x_c . n_l,    s_l = 1 - 2 b_l
    loss            = -sum_l log sigmoid(s_l f)
    g_cl            = lr * -d loss / d f = lr * s_l * sigmoid(-s_l f)
    x_c += sum_l g_cl n_l,    n_l += sum_c g_cl x_c      (both from the old x and n)

All contexts of a centre share its path, so a window is three small matrix products. Up to `BATCH`
contexts make a batch, which sees the same node vectors; a wider window is cut into equal batches,
each of which sees what the one before it wrote.

Oracle: `naive.train_skipgram_tree`.
"""

import numpy as np

from w2v_hs.kernels.common import gradients
from w2v_hs.kernels.jit import inline, jit
from w2v_hs.kernels.simd import LANES, broadcast, load, store
from w2v_hs.kernels.tiles import (
    add_products,
    add_to_rows,
    broadcast_each,
    fold,
    load_each,
    multiply_add_each,
    outer_multiply_add,
    repeat_each,
    zeros_for_products,
    zeros_like_each,
)
from w2v_hs.kernels.windows import in_batches, train_windows


@inline
def train_batch(contexts, nodes, at, vectors, weights, stride, path, length, rate, scratch, moves):
    """Train a batch of len(contexts) contexts against a path of `length` nodes, len(nodes) at once.

    scratch.rows[at:] and scratch.path[path:] hold the offsets of the rows in the flat float32
    `vectors` and `weights`. Scores of the rows that follow the path are not used. moves: whether
    `weights` learn; a constant, so that the compiler drops what is not done.
    """
    rows, scores, spread, count = scratch.rows, scratch.scores, scratch.spread, len(contexts)
    for j in range(0, length, len(nodes)):
        f = zeros_for_products(nodes, contexts)
        for k in range(0, stride, LANES):
            x = load_each(contexts, vectors, rows, at, k)
            n = load_each(nodes, weights, scratch.path, path + j, k)
            f = outer_multiply_add(n, x, f)
        # scores[j * count + c] is the score of node j and context c. All lanes are stored; the
        # next step overwrites those left over.
        store(scores, j * count, fold(f))
        store(spread, j * count, repeat_each(contexts, scratch.signs, path + j))
    store(scores, length * count, broadcast(np.float32(0.0)))
    # All sigmoids together: each is a long chain of operations, but several run in parallel.
    gradients(length * count, scores, spread, 0, rate, scratch)
    for k in range(0, stride, LANES):
        x = load_each(contexts, vectors, rows, at, k)
        error = zeros_like_each(contexts)
        for j in range(length):
            n = load(weights, scratch.path[path + j] + k)
            g = broadcast_each(contexts, scores, j * count)
            error = multiply_add_each(g, n, error)
            if moves:
                store(weights, scratch.path[path + j] + k, add_products(g, x, n))
        add_to_rows(error, vectors, rows, at, k)


@inline
def train_window(contexts, path, length, vectors, weights, stride, rate, scratch):
    """Train on one window, in batches; return the number of predictions, one a context."""
    in_batches(train_batch, contexts, (vectors, weights, stride, path, length, rate, scratch, True))
    return contexts


@inline
def train_contexts(contexts, path, length, vectors, weights, stride, rate, scratch):
    """As `train_window`, with `weights` that stay."""
    in_batches(train_batch, contexts, (vectors, weights, stride, path, length, rate, scratch, False))
    return contexts


@jit
def train(text, first, last, window, paths, vectors, ring, weights, stride, rate, nodes, scratch):
    """Train as `windows.train_windows` describes; a prediction is a context and its centre."""
    train_windows(
        train_window, text, first, last, window, paths, vectors, ring, weights, stride, rate, nodes, scratch
    )


@jit
def train_inputs(text, first, last, window, paths, vectors, ring, weights, stride, rate, nodes, scratch):
    """As `train`, with `weights` that stay; `nodes` must be no copies."""
    train_windows(
        train_contexts, text, first, last, window, paths, vectors, ring, weights, stride, rate, nodes, scratch
    )

"""Skip-gram against hierarchical softmax (Mikolov et al. 2013; Morin and Bengio 2005).

Each context word c of a centre word w, with input vector x_c, predicts w. The probability of w is
the product of the branches on its path, and node l with vector n_l and bit b_l (0 is left) gives

    P(branch l | c) = sigmoid(s_l f),    f = x_c . n_l,    s_l = 1 - 2 b_l
    loss            = -sum_l log sigmoid(s_l f)
    g_cl            = lr * -d loss / d f = lr * s_l * sigmoid(-s_l f)
    x_c += sum_l g_cl n_l,    n_l += sum_c g_cl x_c      (both from the old x and n)

All contexts of a centre share its path, so the window is three small matrix products. Up to
`BATCH` contexts go at once and see the same node vectors; a wider window is cut into equal
batches, each of which sees what the batch before it wrote.
"""

import numpy as np

from w2v_hs.kernels.common import (
    BATCH,
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
    add_products,
    add_to_rows,
    broadcast,
    broadcast_each,
    fold,
    load,
    load_each,
    multiply_add_each,
    outer_multiply_add,
    pointer,
    pointers,
    repeat_each,
    store,
    zeros_for_products,
    zeros_like_each,
)


@inline
def train_batch(contexts, nodes, at, vectors, weights, stride, path, length, rate, scratch):
    """One batch of len(contexts) contexts against a path of `length` nodes, len(nodes) at once.

    scratch.rows[at:] and scratch.path[path:] hold the offsets of the rows; more rows follow
    the path, whose scores are not used.
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
    # Only now the sigmoids: each is a long chain of operations, but several run side by side.
    gradients(length * count, scores, spread, 0, rate, scratch)
    for k in range(0, stride, LANES):
        x = load_each(contexts, vectors, rows, at, k)
        error = zeros_like_each(contexts)
        for j in range(length):
            n = load(weights, scratch.path[path + j] + k)
            g = broadcast_each(contexts, scores, j * count)
            error = multiply_add_each(g, n, error)
            store(weights, scratch.path[path + j] + k, add_products(g, x, n))
        add_to_rows(error, vectors, rows, at, k)


@inline
def train_contexts(count, at, vectors, weights, stride, path, length, rate, scratch):
    """`train_batch` for a number of contexts known only at run time.

    16 sums of products fill the lanes of a vector: the fewer contexts, the more nodes at once.
    """
    # fmt: off
    if count == 1:
        train_batch((0,), (0,) * 8, at, vectors, weights, stride, path, length, rate, scratch)
    elif count == 2:
        train_batch((0,) * 2, (0,) * 8, at, vectors, weights, stride, path, length, rate, scratch)
    elif count == 3:
        train_batch((0,) * 3, (0,) * 5, at, vectors, weights, stride, path, length, rate, scratch)
    elif count == 4:
        train_batch((0,) * 4, (0,) * 4, at, vectors, weights, stride, path, length, rate, scratch)
    elif count == 5:
        train_batch((0,) * 5, (0,) * 3, at, vectors, weights, stride, path, length, rate, scratch)
    elif count == 6:
        train_batch((0,) * 6, (0,) * 2, at, vectors, weights, stride, path, length, rate, scratch)
    elif count == 7:
        train_batch((0,) * 7, (0,) * 2, at, vectors, weights, stride, path, length, rate, scratch)
    else:
        train_batch((0,) * 8, (0,) * 2, at, vectors, weights, stride, path, length, rate, scratch)
    # fmt: on


@jit
def train(text, first, last, window, paths, vectors, weights, stride, rate, nodes, scratch):
    """Train on sentences first .. last - 1.

    vectors (V*stride,) and weights (rows*stride,) float32, flat; nodes: which rows of `weights`
    are private to this thread, see `copies`. They are merged every so many
    windows, and where there are no sentences. Adds to scratch.totals: loss in nats, predictions
    (context-centre pairs), kept tokens.
    """
    pairs, tokens = 0, 0
    path, ahead = 0, len(scratch.path) // 2
    # Only pointers from here on; see `pointer`.
    text, paths, scratch = pointers(text), pointers(paths), pointers(scratch)
    nodes, vectors, weights = pointers(nodes), pointer(vectors), pointer(weights)
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
            contexts = find_contexts(scratch.kept, begin, i, end, stride, scratch.rows)
            if contexts == 0:
                continue
            batches = (contexts + BATCH - 1) // BATCH
            done = 0
            for batch in range(batches):
                count = (contexts - done) // (batches - batch)
                train_contexts(count, done, vectors, weights, stride, path, depth, rate, scratch)
                done += count
            pairs += contexts
            merge_due(weights, stride, nodes)
    if first == last:
        merge(weights, stride, nodes)
    collect_loss(scratch)
    scratch.totals[1] += pairs
    scratch.totals[2] += tokens

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
    LN2,
    STEPS,
    collect_loss,
    draw_reach,
    gradients,
    start_loss,
    subsample,
)
from w2v_hs.kernels.compile import inline, jit
from w2v_hs.kernels.top import find_path, merge_due, merge_top, prefetch_next
from w2v_hs.kernels.vector import (
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
    spread_each,
    store,
    zeros_for_products,
    zeros_like_each,
)


@inline
def train_batch(contexts, nodes, vectors, weights, stride, length, rate, scratch):
    """One batch of len(contexts) contexts against a path of `length` nodes, len(nodes) at once.

    scratch.rows and scratch.path hold the offsets of the rows; rows of zeros fill up the path.
    """
    rows, path, scores = scratch.rows, scratch.path, scratch.scores
    rates = broadcast(np.float32(rate))
    room = LANES // len(nodes)  # lanes of a node; the contexts take the first of them
    for j in range(0, length, len(nodes)):
        f = zeros_for_products(nodes, contexts)
        for k in range(0, stride, LANES):
            x = load_each(contexts, vectors, rows, k)
            n = load_each(nodes, weights, path[j:], k)
            f = outer_multiply_add(n, x, f)
        signs = spread_each(nodes, scratch.signs, j)
        store(scores, j * room, gradients(fold(f, nodes), signs, rates, scratch.lanes))
        if (j // len(nodes)) % STEPS == STEPS - 1:
            scratch.totals[0] += collect_loss(scratch.lanes)
    for k in range(0, stride, LANES):
        x = load_each(contexts, vectors, rows, k)
        error = zeros_like_each(contexts)
        for j in range(length):
            n = load(weights, path[j] + k)
            g = broadcast_each(contexts, scores, j * room)
            error = multiply_add_each(g, n, error)
            store(weights, path[j] + k, add_products(g, x, n))
        add_to_rows(error, vectors, rows, k)
    return (length + len(nodes) - 1) // len(nodes)


@inline
def train_contexts(count, vectors, weights, stride, length, rate, scratch):
    """`train_batch` for a number of contexts known only at run time; returns the steps it took.

    16 sums of products fill the lanes of a vector: the fewer contexts, the more nodes at once.
    """
    if count == 1:
        return train_batch((0,), (0,) * 8, vectors, weights, stride, length, rate, scratch)
    if count == 2:
        return train_batch((0,) * 2, (0,) * 8, vectors, weights, stride, length, rate, scratch)
    if count == 3:
        return train_batch((0,) * 3, (0,) * 4, vectors, weights, stride, length, rate, scratch)
    if count == 4:
        return train_batch((0,) * 4, (0,) * 4, vectors, weights, stride, length, rate, scratch)
    if count == 5:
        return train_batch((0,) * 5, (0,) * 2, vectors, weights, stride, length, rate, scratch)
    if count == 6:
        return train_batch((0,) * 6, (0,) * 2, vectors, weights, stride, length, rate, scratch)
    if count == 7:
        return train_batch((0,) * 7, (0,) * 2, vectors, weights, stride, length, rate, scratch)
    return train_batch((0,) * 8, (0,) * 2, vectors, weights, stride, length, rate, scratch)


@jit
def train(text, first, last, window, paths, vectors, weights, stride, rate, top, scratch):
    """Train on sentences first .. last - 1.

    vectors (V*stride,) and weights (rows*stride,) float32, flat; for the rows of `weights` see
    `top`. Adds to scratch.totals: loss in nats, predictions (context-centre pairs), kept tokens.
    """
    pairs, tokens, unused, steps, windows = 0, 0, 0, 0, 0
    kept = scratch.kept
    start_loss(scratch.lanes)
    for sentence in range(first, last):
        length = subsample(text, sentence, scratch)
        tokens += length
        for i in range(length):
            reach = draw_reach(window, scratch.random)
            begin, end = max(0, i - reach), min(length, i + reach + 1)
            contexts = end - begin - 1
            if contexts == 0:
                continue
            if i + 1 < length:
                ahead = i + 1 + window
                new = kept[ahead] if ahead < length else np.int32(-1)
                prefetch_next(paths, kept[i + 1], new, vectors, weights, stride, top)
            depth = find_path(paths, kept[i], stride, top, scratch)
            batches = (contexts + BATCH - 1) // BATCH
            at = begin
            for batch in range(batches):
                count = (contexts * (batch + 1)) // batches - (contexts * batch) // batches
                for c in range(count):
                    if at == i:
                        at += 1
                    scratch.rows[c] = np.int64(kept[at]) * stride
                    at += 1
                taken = train_contexts(count, vectors, weights, stride, depth, rate, scratch)
                # A lane without a pair has z = 0 and so a factor of 2.
                unused += taken * LANES - count * depth
                steps += taken
                if steps > STEPS:
                    scratch.totals[0] += collect_loss(scratch.lanes)
                    steps = 0
            pairs += contexts
            windows += 1
            merge_due(weights, stride, top, windows)
    merge_top(weights, stride, top, top.count)
    scratch.totals[0] += collect_loss(scratch.lanes) - unused * LN2
    scratch.totals[1] += pairs
    scratch.totals[2] += tokens

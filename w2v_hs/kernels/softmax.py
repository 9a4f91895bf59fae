"""Skip-gram and CBOW against the full softmax.

A hidden vector h, the input vector of one context word (skip-gram) or the mean over all of them
(CBOW), predicts the centre word w among V words with output vectors o_v:

    P(v | h) = exp(h . o_v) / sum_u exp(h . o_u),    loss = -log P(w | h)
    g_v      = lr * ((v = w) - P(v | h))
    x_c += sum_v g_v o_v for every context c,    o_v += g_v h      (both from the old h and o)

`ROWS` predictions make a batch, so that the work is three matrix products:

    Z = H O^T,    E = G O,    O += G^T H

Gradients are summed over the batch, not averaged, so a learning rate means the same as in training
one prediction at a time. The largest score of a row is subtracted before `exp`.

Oracle: `naive.train_softmax`.
"""

import math
from typing import NamedTuple

import numpy as np

from w2v_hs.kernels.common import Window, aligned_zeros, draw_window, padded, subsample
from w2v_hs.kernels.jit import inline, jit
from w2v_hs.kernels.simd import LANES, add, broadcast, exp_minus_abs, load, maximum, multiply, store, subtract
from w2v_hs.kernels.subwords import add_error, add_vector

ROWS = 64  # predictions in a batch


class TrainBatch(NamedTuple):
    """Memory for one batch of a thread; V' is V rounded up to a multiple of 16."""

    hidden: np.ndarray  # (ROWS, stride) float32
    error: np.ndarray  # (ROWS, stride) float32
    scores: np.ndarray  # (ROWS, V') float32
    change: np.ndarray  # (V', stride) float32
    members: np.ndarray  # (ROWS, left+right) int32: context words of each prediction
    sizes: np.ndarray  # (ROWS,) int32
    targets: np.ndarray  # (ROWS,) int32
    lanes: np.ndarray  # (16,) float32


def make_batch(words: int, window: Window, stride: int) -> TrainBatch:
    """Memory for batches over `words` words."""
    return TrainBatch(
        hidden=aligned_zeros(ROWS, stride),
        error=aligned_zeros(ROWS, stride),
        scores=aligned_zeros(ROWS, padded(words)),
        change=aligned_zeros(padded(words), stride),
        members=np.zeros((ROWS, window.left + window.right), np.int32),
        sizes=np.zeros(ROWS, np.int32),
        targets=np.zeros(ROWS, np.int32),
        lanes=np.zeros(LANES, np.float32),
    )


@inline
def largest(scores, words, lanes):
    """The largest of scores[:words]; the rest of `scores` (V',) float32 becomes -inf."""
    size = len(scores)
    for v in range(words, size):
        scores[v] = -np.inf
    best = load(scores, 0)
    for k in range(LANES, size, LANES):
        best = maximum(best, load(scores, k))
    store(lanes, 0, best)
    highest = lanes[0]
    for i in range(1, LANES):
        highest = max(highest, lanes[i])
    return highest


@inline
def softmax_gradient(scores, target, words, rate, lanes):
    """Turn the scores of one prediction into rate * ((v = target) - P(v)); return its loss in nats.

    scores (V',) float32, of which the first `words` are used; the rest become 0. lanes (16,)
    float32: memory. Oracle: `naive.softmax_gradient`.
    """
    size, highest = len(scores), largest(scores, words, lanes)
    loss = np.float64(highest) - np.float64(scores[target])
    shift = broadcast(highest)
    total = broadcast(np.float32(0.0))
    for k in range(0, size, LANES):
        p = exp_minus_abs(subtract(load(scores, k), shift))
        store(scores, k, p)
        total = add(total, p)
    store(lanes, 0, total)
    norm = 0.0
    for i in range(LANES):
        norm += lanes[i]
    factor = broadcast(np.float32(-rate / norm))
    for k in range(0, size, LANES):
        store(scores, k, multiply(load(scores, k), factor))
    for v in range(words, size):
        scores[v] = 0.0
    scores[target] += np.float32(rate)
    return loss + math.log(norm)


@inline
def train_batch(count, words, vectors, parts, outputs, rate, batch, moves):
    """Train the first `count` predictions of a batch; return their loss in nats."""
    hidden, error, scores = batch.hidden[:count], batch.error[:count], batch.scores[:count]
    for r in range(count):
        hidden[r] = 0
        for m in range(batch.sizes[r]):
            add_vector(parts, batch.members[r, m], vectors, hidden[r])
        if batch.sizes[r] > 1:
            hidden[r] /= np.float32(batch.sizes[r])
    np.dot(hidden, outputs.T, scores)
    loss = 0.0
    for r in range(count):
        loss += softmax_gradient(scores[r], batch.targets[r], words, rate, batch.lanes)
    np.dot(scores, outputs, error)
    if moves:
        np.dot(scores.T, hidden, batch.change)
        outputs += batch.change
    for r in range(count):
        for m in range(batch.sizes[r]):
            add_error(parts, batch.members[r, m], vectors, error[r])
    return loss


@jit
def train(text, first, last, window, cbow, words, vectors, parts, outputs, rate, batch, scratch, moves):
    """Train on sentences first .. last - 1.

    window: `common.Window`. cbow: one prediction a window instead of one a context word. vectors
    (rows, stride), outputs (V', stride) float32. parts: the rows of each word, as `subwords.Parts`.
    moves: whether `outputs` learn. Adds loss in nats, predictions and kept tokens to
    scratch.totals.
    """
    count, loss, predictions, tokens = 0, 0.0, 0, 0
    for sentence in range(first, last):
        length = subsample(text, sentence, scratch)
        tokens += length
        for i in range(length):
            begin, end = draw_window(i, length, window, scratch.random)
            size = 0
            for at in range(begin, end):
                if at == i:
                    continue
                batch.members[count, size] = scratch.kept[at]
                size += 1
                if not cbow:
                    batch.sizes[count], batch.targets[count] = 1, scratch.kept[i]
                    count, size = count + 1, 0
                    if count == ROWS:
                        loss += train_batch(count, words, vectors, parts, outputs, rate, batch, moves)
                        predictions, count = predictions + count, 0
            if size > 0:
                batch.sizes[count], batch.targets[count] = size, scratch.kept[i]
                count += 1
                if count == ROWS:
                    loss += train_batch(count, words, vectors, parts, outputs, rate, batch, moves)
                    predictions, count = predictions + count, 0
    if count > 0:
        loss += train_batch(count, words, vectors, parts, outputs, rate, batch, moves)
        predictions += count
    scratch.totals[0] += loss
    scratch.totals[1] += predictions
    scratch.totals[2] += tokens

"""The loss of text under a fixed model: forward passes only.

Every word is a centre, and every other word in its `common.Window` its context. The window has its
full width, so nothing is random. The probabilities are those of `skipgram`, `cbow` and `softmax`.
Each sentence gets one row of results:

    loss, predictions, and the losses of the unigram distribution, of the same after subsampling,
    and of an untrained model

summed over its predictions, in nats, float64. In an untrained model, output weights are 0, so the
probability of a word is 2^-L for a path of L branches, and 1 / V in the full softmax.

Scores and exponentials are float32; one logarithm is taken for many of them (see `add_losses`).

Oracle: `naive.sentence_losses`.
"""

from typing import NamedTuple

import numpy as np

from w2v_hs.kernels.cbow import mean_input
from w2v_hs.kernels.common import BATCH, LN2, STEPS, Window, aligned_zeros, collect_loss, start_loss
from w2v_hs.kernels.jit import inline, jit
from w2v_hs.kernels.paths import CACHED, find_contexts
from w2v_hs.kernels.simd import (
    LANES,
    add,
    broadcast,
    exp_minus_abs,
    load,
    multiply,
    negative_part,
    pointer,
    pointers,
    prefetch,
    store,
    subtract,
)
from w2v_hs.kernels.softmax import ROWS, largest
from w2v_hs.kernels.tiles import (
    fold,
    load_each,
    multiply_add_each,
    outer_multiply_add,
    repeat_each,
    zeros_for_products,
    zeros_like_each,
)
from w2v_hs.kernels.windows import in_batches


class Words(NamedTuple):
    """Encoded text and the loss of its words under a unigram distribution."""

    ids: np.ndarray  # (N,) int32: words
    sentences: np.ndarray  # (n + 1,) int64: offsets into ids
    unigram: np.ndarray  # (V,) float64: -log P of each word in the training text, in nats
    sampled: np.ndarray  # (V,) float64: the same after subsampling


class LossScratch(NamedTuple):
    """Memory of one thread, for paths of at most L branches."""

    rows: np.ndarray  # (left+right+1,) int64: offsets of context rows
    path: np.ndarray  # (L+16,) int64: the path of the centre
    signs: np.ndarray  # (L+16,) float32: the signs of its branches
    scores: np.ndarray  # (8L+144,) float32: scores of context-node pairs
    spread: np.ndarray  # (8L+144,) float32: the signs of these pairs
    hidden: np.ndarray  # (stride,) float32
    lanes: np.ndarray  # (32,) float32: the running loss, as in `common.TrainScratch`
    pending: np.ndarray  # (2,) int64: likewise
    totals: np.ndarray  # (1,) float64: likewise


def make_scratch(window: Window, longest_path: int, stride: int) -> LossScratch:
    """Memory of one thread for `tree_losses`."""
    pairs = (longest_path + LANES) * BATCH + LANES
    return LossScratch(
        rows=np.zeros(window.left + window.right + 1, np.int64),
        path=np.zeros(longest_path + LANES, np.int64),
        signs=np.ones(longest_path + LANES, np.float32),
        scores=np.zeros(pairs, np.float32),
        spread=np.ones(pairs, np.float32),
        hidden=aligned_zeros(1, stride).ravel(),
        lanes=np.zeros(2 * LANES, np.float32),
        pending=np.zeros(2, np.int64),
        totals=np.zeros(1),
    )


# ---- the tree -----------------------------------------------------------------------------------


@inline
def prefetch_word(paths, word, weights, stride):
    """Prefetch the rows on the path of a word, from the leaf up to those that are cached anyway."""
    for step in range(paths.offsets[word + 1] - 1, paths.offsets[word] - 1, -1):
        node = np.int64(paths.nodes[step])
        if node < CACHED:
            break
        for k in range(0, stride, LANES):
            prefetch(weights, node * stride + k)


@inline
def read_path(paths, word, stride, scratch):
    """Write the path of a word to `scratch`, as `find_path`, but without copies and prefetching."""
    start = paths.offsets[word]
    length = paths.offsets[word + 1] - start
    for j in range(length):
        scratch.path[j] = np.int64(paths.nodes[start + j]) * stride
        scratch.signs[j] = np.float32(1.0) - np.float32(2.0) * np.float32(paths.bits[start + j])
    for j in range(length, length + LANES):
        scratch.path[j] = 0
    return length


@inline
def add_losses(size, signs, scratch):
    """Add up the losses log(1 + exp(-z)), where z are scratch.scores[:size] times their signs.

    As in `common.gradients`, the terms max(-z, 0) are summed and the factors 1 + exp(-|z|)
    multiplied. The scores up to the next multiple of 16 must be 0.
    """
    one = broadcast(np.float32(1.0))
    for begin in range(0, size, STEPS * LANES):
        end = min(size, begin + STEPS * LANES)
        if scratch.pending[0] >= STEPS:
            collect_loss(scratch)
        factors, linear = load(scratch.lanes, 0), load(scratch.lanes, LANES)
        for i in range(begin, end, LANES):
            z = multiply(load(scratch.scores, i), load(signs, i))
            factors = multiply(factors, add(one, exp_minus_abs(z)))
            linear = add(linear, negative_part(z))
            scratch.pending[0] += 1
        store(scratch.lanes, 0, factors)
        store(scratch.lanes, LANES, linear)
    scratch.pending[1] += -size % LANES


@inline
def score_contexts(contexts, nodes, first, vectors, weights, stride, length, scratch):
    """Add the loss of contexts against a path, as the forward pass of `skipgram.train_batch`."""
    count = len(contexts)
    for j in range(0, length, len(nodes)):
        f = zeros_for_products(nodes, contexts)
        for k in range(0, stride, LANES):
            x = load_each(contexts, vectors, scratch.rows, first, k)
            n = load_each(nodes, weights, scratch.path, j, k)
            f = outer_multiply_add(n, x, f)
        # All lanes are stored; the next step overwrites those beyond the block.
        store(scratch.scores, j * count, fold(f))
        store(scratch.spread, j * count, repeat_each(contexts, scratch.signs, j))
    store(scratch.scores, length * count, broadcast(np.float32(0.0)))
    add_losses(length * count, scratch.spread, scratch)


@inline
def score_hidden(vectors, weights, stride, length, scratch):
    """Add the loss of scratch.hidden against a path, eight nodes at once."""
    nodes = (0,) * 8
    for j in range(0, length, len(nodes)):
        f = zeros_like_each(nodes)
        for k in range(0, stride, LANES):
            n = load_each(nodes, weights, scratch.path, j, k)
            f = multiply_add_each(n, load(scratch.hidden, k), f)
        store(scratch.scores, j, fold(f))
    store(scratch.scores, length, broadcast(np.float32(0.0)))
    add_losses(length, scratch.signs, scratch)


@jit
def tree_losses(words, first, last, window, cbow, paths, vectors, weights, stride, scratch, out):
    """Losses of sentences first .. last - 1, into out (last - first, 5) float64.

    vectors (V*stride,) and weights (rows*stride,) float32, flat. cbow: one prediction a window,
    from the mean, instead of one for each context word. scratch: `LossScratch`.
    """
    # Only pointers from here on; see `pointer`.
    words, paths, scratch = pointers(words), pointers(paths), pointers(scratch)
    vectors, weights = pointer(vectors), pointer(weights)
    ids = words.ids
    for sentence in range(first, last):
        start, stop = words.sentences[sentence], words.sentences[sentence + 1]
        start_loss(scratch)
        scratch.totals[0] = 0.0
        predictions, unigram, sampled, branches = 0, 0.0, 0.0, 0
        for i in range(start, stop):
            if i + 1 < stop:  # prefetch for the next window while this one is scored
                prefetch_word(paths, ids[i + 1], weights, stride)
            if i + 1 + window.right < stop:
                for k in range(0, stride, LANES):
                    prefetch(vectors, np.int64(ids[i + 1 + window.right]) * stride + k)
            begin, end = max(start, i - window.left), min(stop, i + window.right + 1)
            contexts = find_contexts(ids, begin, i, end, -1, stride, scratch.rows)
            if contexts == 0:
                continue
            length = read_path(paths, ids[i], stride, scratch)
            if cbow:
                mean_input(scratch.rows, contexts, vectors, stride, scratch.hidden)
                score_hidden(vectors, weights, stride, length, scratch)
                contexts = 1
            else:
                in_batches(score_contexts, contexts, (vectors, weights, stride, length, scratch))
            predictions += contexts
            unigram += contexts * words.unigram[ids[i]]
            sampled += contexts * words.sampled[ids[i]]
            branches += contexts * length
        collect_loss(scratch)
        row = sentence - first
        out[row, 0], out[row, 1] = scratch.totals[0], predictions
        out[row, 2], out[row, 3], out[row, 4] = unigram, sampled, branches * LN2


# ---- the full softmax ---------------------------------------------------------------------------


class LossBatch(NamedTuple):
    """Memory of one thread for `ROWS` predictions; V' is V rounded up to a multiple of 16."""

    rows: np.ndarray  # (left+right+1,) int64: offsets of context rows
    hidden: np.ndarray  # (ROWS, stride) float32
    scores: np.ndarray  # (ROWS, V') float32
    targets: np.ndarray  # (ROWS,) int32
    sentences: np.ndarray  # (ROWS,) int64
    lanes: np.ndarray  # (16,) float32


def make_batch(window: Window, rows: int, stride: int) -> LossBatch:
    """Memory of one thread for `softmax_losses` over `rows` rows, a multiple of 16."""
    return LossBatch(
        rows=np.zeros(window.left + window.right + 1, np.int64),
        hidden=aligned_zeros(ROWS, stride),
        scores=aligned_zeros(ROWS, rows),
        targets=np.zeros(ROWS, np.int32),
        sentences=np.zeros(ROWS, np.int64),
        lanes=np.zeros(LANES, np.float32),
    )


@inline
def log_sum_exp(scores, words, lanes):
    """log(sum(exp(scores[:words]))), float64; the rest of `scores` (V',) float32 is overwritten."""
    size, highest = len(scores), largest(scores, words, lanes)
    shift, total = broadcast(highest), 0.0
    for begin in range(0, size, 64 * LANES):  # short sums in float32, long ones in float64
        part = broadcast(np.float32(0.0))
        for k in range(begin, min(size, begin + 64 * LANES), LANES):
            part = add(part, exp_minus_abs(subtract(load(scores, k), shift)))
        store(lanes, 0, part)
        for i in range(LANES):
            total += np.float64(lanes[i])
    return np.float64(highest) + np.log(total)


@inline
def score_rows(count, words, outputs, batch, out):
    """Add the losses of the first `count` predictions of a batch to their sentences."""
    scores = batch.scores[:count]
    np.dot(batch.hidden[:count], outputs.T, scores)
    for r in range(count):
        target = np.float64(scores[r, batch.targets[r]])
        out[batch.sentences[r], 0] += log_sum_exp(scores[r], words, batch.lanes) - target


@jit
def softmax_losses(words, first, last, window, cbow, vectors, outputs, batch, out):
    """As `tree_losses`; vectors (V, stride), outputs (V', stride) float32."""
    out[:] = 0.0
    count, size, stride, flat = 0, len(words.unigram), vectors.shape[1], vectors.ravel()
    for sentence in range(first, last):
        start, stop = words.sentences[sentence], words.sentences[sentence + 1]
        row = sentence - first
        for i in range(start, stop):
            begin, end = max(start, i - window.left), min(stop, i + window.right + 1)
            contexts = find_contexts(words.ids, begin, i, end, -1, stride, batch.rows)
            predictions = min(1, contexts) if cbow else contexts
            for place in range(predictions):
                if cbow:
                    mean_input(batch.rows, contexts, flat, stride, batch.hidden[count])
                else:
                    at = batch.rows[place]
                    batch.hidden[count] = flat[at : at + stride]
                batch.targets[count], batch.sentences[count] = words.ids[i], row
                count += 1
                if count == ROWS:
                    score_rows(count, size, outputs, batch, out)
                    count = 0
            out[row, 1] += predictions
            out[row, 2] += predictions * words.unigram[words.ids[i]]
            out[row, 3] += predictions * words.sampled[words.ids[i]]
            out[row, 4] += predictions * np.log(size)
    if count > 0:
        score_rows(count, size, outputs, batch, out)

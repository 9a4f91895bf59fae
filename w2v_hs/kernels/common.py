"""What all training kernels share: memory, random numbers, subsampling, the running loss.

Rows of both weight matrices are padded with zeros to a multiple of 16 floats (`padded`), and the
kernels take the matrices flat: row r starts at r * stride. Padding stays zero in training, because
an update only adds multiples of padded rows. Oracles: `naive.Random` for `next_random`,
`naive.windows` for `subsample` and `draw_window`.
"""

import math
from typing import NamedTuple

import numpy as np

from w2v_hs.kernels.jit import inline
from w2v_hs.kernels.simd import (
    LANES,
    add,
    broadcast,
    complement,
    exp_minus_abs,
    load,
    multiply,
    negative_part,
    store,
)

BATCH = 8  # most contexts that are multiplied with a path at once
LN2 = math.log(2.0)
# Partial products grow by up to 2 a step and stay finite in float32 for 127 steps.
STEPS = 64


class Text(NamedTuple):
    """Encoded text."""

    ids: np.ndarray  # (N,) int32: words
    sentences: np.ndarray  # (n + 1,) int64: offsets into ids
    keep: np.ndarray  # (V,) float32: the probability with which subsampling keeps each word


class Paths(NamedTuple):
    """Paths from the root to each word w, offsets[w]:offsets[w + 1], in compressed sparse rows."""

    offsets: np.ndarray  # (V + 1,) int64
    nodes: np.ndarray  # int32: the nodes that w passes
    bits: np.ndarray  # uint8: the branches it takes there; 0 is left


class Window(NamedTuple):
    """Which words around a word are its context."""

    left: int  # how many before it
    right: int  # how many after it
    shrinks: bool  # whether its reach is drawn anew for each word


class TrainScratch(NamedTuple):
    """Memory of one thread, for sentences of up to S words and paths of up to L branches."""

    random: np.ndarray  # (1,) uint64: state of the generator
    kept: np.ndarray  # (S,) int32: a sentence after subsampling
    rows: np.ndarray  # (left+right+1,) int64: offsets of context rows
    path: np.ndarray  # (2*(L+16),) int64: the paths of this centre and the next
    signs: np.ndarray  # (2*(L+16),) float32: the signs of their branches
    scores: np.ndarray  # (8L+144,) float32: scores, then gradients, of context-node pairs
    spread: np.ndarray  # (8L+144,) float32: the signs of these pairs
    lanes: np.ndarray  # (32,) float32: partial losses (see `gradients`)
    pending: np.ndarray  # (2,) int64: the steps in `lanes`, and the lanes without a pair
    hidden: np.ndarray  # (2*stride,) float32: CBOW's hidden vector and its error
    totals: np.ndarray  # (3,) float64: loss in nats, predictions and kept tokens


def padded(dim: int) -> int:
    """Floats in a padded row: `dim` rounded up to a multiple of 16."""
    return -(-dim // LANES) * LANES


def aligned_zeros(rows: int, stride: int) -> np.ndarray:
    """A (rows, stride) float32 matrix of zeros, aligned to a cache line of 64 bytes."""
    memory = np.zeros(rows * stride + LANES, dtype=np.float32)
    shift = (-memory.ctypes.data % 64) // 4
    return memory[shift : shift + rows * stride].reshape(rows, stride)


def own_zeros(size: int, dtype) -> np.ndarray:
    """A (size,) array of zeros that shares no pair of cache lines with others: no false sharing."""
    room = -(-size * np.dtype(dtype).itemsize // 128) * 128
    memory = np.zeros(room + 128, np.uint8)
    shift = -memory.ctypes.data % 128
    return memory[shift : shift + room].view(dtype)[:size]


def make_scratch(longest_sentence: int, window: Window, longest_path: int, stride: int) -> TrainScratch:
    """Scratch memory of one thread."""
    path, pairs = longest_path + LANES, (longest_path + LANES) * BATCH + LANES
    return TrainScratch(
        random=own_zeros(1, np.uint64),
        kept=own_zeros(longest_sentence, np.int32),
        rows=own_zeros(window.left + window.right + 1, np.int64),
        path=own_zeros(2 * path, np.int64),
        signs=own_zeros(2 * path, np.float32),
        scores=own_zeros(pairs, np.float32),
        spread=own_zeros(pairs, np.float32),
        lanes=own_zeros(2 * LANES, np.float32),
        pending=own_zeros(2, np.int64),
        hidden=own_zeros(2 * stride, np.float32),
        totals=own_zeros(3, np.float64),
    )


@inline
def next_random(random):
    """64 random bits: SplitMix64 (Steele, Lea, Flood 2014), whose state is a counter."""
    random[0] += np.uint64(0x9E3779B97F4A7C15)
    z = random[0]
    z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return z ^ (z >> np.uint64(31))


@inline
def subsample(text, sentence, scratch):
    """Copy the kept words of a sentence to scratch.kept and return their number."""
    kept = 0
    for i in range(text.sentences[sentence], text.sentences[sentence + 1]):
        word = text.ids[i]
        draw = np.float32(next_random(scratch.random) >> np.uint64(40)) * np.float32(2.0**-24)
        # No branch, which a processor could not predict.
        scratch.kept[kept] = word
        kept += np.int64(draw < text.keep[word])
    return kept


@inline
def draw_window(i, length, window, random):
    """Where the window of word i of a sentence begins and ends.

    If it shrinks, its reach is uniform over 1 .. the larger side, as in word2vec.c.
    """
    reach = max(window.left, window.right)
    if window.shrinks:
        reach = 1 + np.int64(((next_random(random) >> np.uint64(32)) * np.uint64(reach)) >> np.uint64(32))
    return max(0, i - min(reach, window.left)), min(length, i + min(reach, window.right) + 1)


@inline
def gradients(size, scores, signs, at, rate, scratch):
    """Turn scores f = scores[:size] into gradients g = lr s sigmoid(-s f) and add up their loss.

    The signs s are signs[at : at + size]. Scores up to the next multiple of 16 must be 0. With
    z = s f, the loss log(1 + exp(-z)) is max(-z, 0) + log(1 + exp(-|z|)). scratch.lanes[16:] hold
    running sums of the first term, lanes[:16] running products of 1 + exp(-|z|), from which
    `collect_loss` takes one logarithm for many pairs. Oracles: `naive.tree_gradient` and
    `naive.tree_loss`.
    """
    one, rates = broadcast(np.float32(1.0)), broadcast(np.float32(rate))
    for begin in range(0, size, STEPS * LANES):  # twice for paths of hundreds of nodes
        end = min(size, begin + STEPS * LANES)
        if scratch.pending[0] >= STEPS:
            collect_loss(scratch)
        product, linear = load(scratch.lanes, 0), load(scratch.lanes, LANES)
        for i in range(begin, end, LANES):
            s = load(signs, at + i)
            z = multiply(load(scores, i), s)
            e = exp_minus_abs(z)
            product = multiply(product, add(one, e))
            linear = add(linear, negative_part(z))
            store(scores, i, multiply(multiply(complement(z, e), s), rates))
            scratch.pending[0] += 1
        store(scratch.lanes, 0, product)
        store(scratch.lanes, LANES, linear)
    scratch.pending[1] += -size % LANES


@inline
def start_loss(scratch):
    """Reset the partial losses: products to 1, sums to 0."""
    store(scratch.lanes, 0, broadcast(np.float32(1.0)))
    store(scratch.lanes, LANES, broadcast(np.float32(0.0)))
    scratch.pending[0] = scratch.pending[1] = 0


@inline
def collect_loss(scratch):
    """Move the partial losses to scratch.totals[0], in nats."""
    low, high, linear = 1.0, 1.0, 0.0
    for i in range(LANES // 2):  # 8 products of less than 2^127 stay finite in float64
        low *= np.float64(scratch.lanes[i])
        high *= np.float64(scratch.lanes[LANES // 2 + i])
    for i in range(LANES):
        linear += np.float64(scratch.lanes[LANES + i])
    # A lane without a pair had z = 0 and so a factor of 2.
    scratch.totals[0] += math.log(low) + math.log(high) + linear - scratch.pending[1] * LN2
    start_loss(scratch)

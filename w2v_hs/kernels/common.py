"""What all training kernels share: random numbers, subsampling, the running loss.

Rows of both weight matrices are padded with zeros to a multiple of 16 floats (`padded`), and the
matrices are handed to the kernels flat: row r of a matrix starts at r * stride. Zero padding
stays zero under every update, because an update only ever adds multiples of padded rows.
"""

import math
from typing import NamedTuple

import numpy as np

from w2v_hs.kernels.compile import inline
from w2v_hs.kernels.vector import (
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

BATCH = 8  # contexts that are multiplied with a path at once
LN2 = math.log(2.0)
# Partial products grow by up to 2 a step and stay finite in float32 for 127 steps: the loss is
# collected after 60 steps between batches, and every 60 within a long path.
STEPS = 60


class Text(NamedTuple):
    """Encoded text: `ids` (N,) int32, `sentences` (n + 1,) int64 offsets into it, and `keep`
    (V,) float32, the probability with which subsampling keeps each word."""

    ids: np.ndarray
    sentences: np.ndarray
    keep: np.ndarray


class Paths(NamedTuple):
    """Paths from the root to each word: word w passes nodes[offsets[w]:offsets[w + 1]], int32,
    and takes the branches bits[...], uint8, there (0 is left)."""

    offsets: np.ndarray
    nodes: np.ndarray
    bits: np.ndarray


class Scratch(NamedTuple):
    """Memory of one thread.

    random (1,) uint64: state of the generator. kept (S,) int32: a sentence after subsampling.
    rows (8,) int64: offsets of context rows. path (L+16,) int64 and signs (L+16,) float32: the
    path of the centre. scores (8L+144,) float32: gradients of context-node pairs. lanes (32,)
    float32: partial losses (see `gradients`). hidden (2*stride,) float32: CBOW's hidden vector
    and its error. totals (3,) float64: loss in nats, predictions and kept tokens.
    """

    random: np.ndarray
    kept: np.ndarray
    rows: np.ndarray
    path: np.ndarray
    signs: np.ndarray
    scores: np.ndarray
    lanes: np.ndarray
    hidden: np.ndarray
    totals: np.ndarray


def padded(dim: int) -> int:
    """Floats in a padded row."""
    return -(-dim // LANES) * LANES


def aligned_zeros(rows: int, stride: int) -> np.ndarray:
    """A (rows, stride) float32 matrix of zeros that starts on a cache line of 64 bytes."""
    memory = np.zeros(rows * stride + LANES, dtype=np.float32)
    shift = (-memory.ctypes.data % 64) // 4
    return memory[shift : shift + rows * stride].reshape(rows, stride)


def make_scratch(longest_sentence: int, longest_path: int, stride: int) -> Scratch:
    """Scratch memory of one thread."""
    return Scratch(
        random=np.zeros(1, np.uint64),
        kept=np.zeros(longest_sentence, np.int32),
        rows=np.zeros(BATCH, np.int64),
        path=np.zeros(longest_path + LANES, np.int64),
        signs=np.ones(longest_path + LANES, np.float32),
        scores=np.zeros((longest_path + LANES) * BATCH + LANES, np.float32),
        lanes=np.zeros(2 * LANES, np.float32),
        hidden=aligned_zeros(2, stride).ravel(),
        totals=np.zeros(3, np.float64),
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
        probability = text.keep[word]
        if probability < 1.0:
            draw = np.float32(next_random(scratch.random) >> np.uint64(40)) * np.float32(2.0**-24)
            if draw >= probability:
                continue
        scratch.kept[kept] = word
        kept += 1
    return kept


@inline
def draw_reach(window, random):
    """How far the window reaches to either side: uniform over 1 .. window."""
    return 1 + np.int64(next_random(random) % np.uint64(window))


@inline
def start_loss(lanes):
    """Empty the partial losses: products of 1, sums of 0."""
    store(lanes, 0, broadcast(np.float32(1.0)))
    store(lanes, LANES, broadcast(np.float32(0.0)))


@inline
def collect_loss(lanes):
    """The partial losses as one float64, in nats; they are emptied."""
    loss = 0.0
    for i in range(LANES):
        loss += math.log(lanes[i]) + lanes[LANES + i]
    start_loss(lanes)
    return loss


@inline
def gradients(f, signs, rate, lanes):
    """Turn scores into gradients g = lr s sigmoid(-s f) and add up the loss log(1 + exp(-s f)).

    With z = s f the loss is max(-z, 0) + log(1 + exp(-|z|)). The second term is not taken at once:
    lanes[:16] hold running products of 1 + exp(-|z|), lanes[16:] sums of the first term. That is
    exact, with one logarithm for many pairs; `collect_loss` takes it.
    """
    z = multiply(f, signs)
    e = exp_minus_abs(z)
    one = broadcast(np.float32(1.0))
    store(lanes, 0, multiply(load(lanes, 0), add(one, e)))
    store(lanes, LANES, add(load(lanes, LANES), negative_part(z)))
    return multiply(multiply(complement(z, e), signs), rate)

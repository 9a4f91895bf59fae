"""The weights of a model while it is trained: rows padded for the kernels."""

from dataclasses import dataclass, field

import numpy as np

from w2v_hs.kernels.common import aligned_zeros, padded
from w2v_hs.tree.tree import Tree
from w2v_hs.types import Float32


@dataclass
class Weights:
    """What training gives.

    vectors: (V, stride) float32 input vectors; outputs: (V - 1, stride) weights of the inner nodes
    of `tree` or, where that is None, (V, stride) output vectors of the full softmax; the first
    `dim` columns count, the others are 0. losses: mean nats a prediction, one for
    each epoch, None where there was nothing to predict. predictions: over all epochs.
    """

    vectors: Float32
    outputs: Float32
    tree: Tree | None
    losses: list[float | None] = field(default_factory=list)
    predictions: int = 0
    seconds: float = 0.0


def start_vectors(words: int, dim: int, seed: int) -> Float32:
    """(V, stride) float32: uniform in [-0.5, 0.5) / dim, as in word2vec.c."""
    vectors = aligned_zeros(words, padded(dim))
    generator = np.random.Generator(np.random.PCG64(seed))
    block = 1 << 16
    for first in range(0, words, block):
        rows = vectors[first : min(first + block, words), :dim]
        rows[:] = (generator.random(rows.shape, np.float32) - np.float32(0.5)) / np.float32(dim)
    return vectors

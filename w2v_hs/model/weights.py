"""The weights of a model during training: rows padded for the kernels."""

from dataclasses import dataclass, field

import numpy as np

from w2v_hs.kernels.common import aligned_zeros, padded
from w2v_hs.tree import Tree
from w2v_hs.types import Float32

_ROWS = 1 << 16  # drawn at once


@dataclass
class Weights:
    """What training changes, and its losses.

    Attributes
    ----------
    vectors
        Input vectors, (V, stride) float32. The first `dim` columns are in use, the others are 0.
    outputs
        Weights of the inner nodes of `tree`, (V - 1, stride) float32, or output vectors of the full
        softmax, (V, stride).
    tree
        None for the full softmax.
    losses
        Mean nats per prediction of each epoch; None if there was nothing to predict.
    predictions
        Over all epochs.
    seconds
        Duration of training.
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
    for first in range(0, words, _ROWS):
        rows = vectors[first : first + _ROWS, :dim]
        rows[:] = (generator.random(rows.shape, np.float32) - np.float32(0.5)) / np.float32(dim)
    return vectors

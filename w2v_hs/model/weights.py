"""The weights of a model during training: rows padded for the kernels."""

from dataclasses import dataclass, field

import numpy as np

from w2v_hs.kernels.common import aligned_zeros, padded
from w2v_hs.kernels.subwords import NO_PARTS, Parts, compose
from w2v_hs.tree import Tree
from w2v_hs.types import Float32, Int64
from w2v_hs.vectors.subwords import Ngrams, Subwords

_ROWS = 1 << 16  # drawn or copied at once


@dataclass
class Weights:
    """What training changes, and its losses.

    `losses` holds the mean nats per prediction of each epoch, None if there was nothing to predict.
    """

    vectors: Float32  # input vectors, (V, stride); the first `dim` columns are in use, the others 0
    outputs: Float32  # by inner node of `tree`, (V - 1, stride); full softmax: by word, (V, stride)
    tree: Tree | None  # None for the full softmax
    losses: list[float | None] = field(default_factory=list)
    predictions: int = 0  # over all epochs
    seconds: float = 0.0  # duration of training
    ngrams: Ngrams | None = None
    rows: Float32 | None = None  # with n-grams: (V + N, stride)
    parts: Parts = NO_PARTS  # the rows that compose `vectors`
    roots: Int64 | None = None  # (V + N,): the row as which each of them is trained
    trained: Parts = NO_PARTS  # those that compose `vectors` during training

    @property
    def inputs(self) -> Float32:
        """What the kernels train: `vectors`, or the rows that compose them."""
        return self.vectors if self.rows is None else self.rows

    def compose(self, words: Int64 | None = None) -> None:
        """Bring `vectors` up to date with what is trained of `rows`, and all rows with it, too.

        words: only their vectors, and no other rows.
        """
        if self.rows is None or self.roots is None:
            return
        rows, vectors, stride = self.rows.ravel(), self.vectors.ravel(), self.rows.shape[1]
        if words is not None:
            compose(self.trained, words, rows, stride, vectors)
            return
        tied = np.flatnonzero(self.roots != np.arange(len(self.roots)))
        for first in range(0, len(tied), _ROWS):
            some = tied[first : first + _ROWS]
            self.rows[some] = self.rows[self.roots[some]]
        compose(self.parts, np.arange(len(self.vectors)), rows, stride, vectors)

    def subwords(self, dim: int) -> Subwords | None:
        """The rows that compose the vectors, without their padding."""
        if self.ngrams is None or self.rows is None:
            return None
        return Subwords(self.ngrams, self.rows[:, :dim])


def start_vectors(words: int, dim: int, seed: int) -> Float32:
    """(V, stride) float32: uniform in [-0.5, 0.5) / dim, as in word2vec.c."""
    vectors = aligned_zeros(words, padded(dim))
    generator = np.random.Generator(np.random.PCG64(seed))
    for first in range(0, words, _ROWS):
        rows = vectors[first : first + _ROWS, :dim]
        rows[:] = (generator.random(rows.shape, np.float32) - np.float32(0.5)) / np.float32(dim)
    return vectors

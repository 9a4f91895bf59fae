"""Vectors of different runs or texts, rotated into one space."""

import numpy as np
from scipy.linalg import orthogonal_procrustes

from w2v_hs.types import Float32


def rotation(source: Float32, target: Float32) -> Float32:
    """The orthogonal matrix R for which the directions of source @ R are nearest to target's.

    Orthogonal Procrustes (Schönemann 1966). source, target: (V, dim) float32, vectors of the same
    words. Returns (dim, dim) float32.
    """
    matrix, _ = orthogonal_procrustes(_directions(source), _directions(target))
    return np.asarray(matrix, np.float32)


def _directions(vectors: Float32) -> Float32:
    """Rows of length 1; rows of zeros stay zeros."""
    norms = np.linalg.norm(vectors, axis=1, keepdims=True)
    directions: Float32 = np.divide(vectors, norms, out=np.zeros_like(vectors), where=norms > 0)
    return directions

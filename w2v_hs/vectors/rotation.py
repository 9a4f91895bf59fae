"""The rotation that brings vectors closest to other vectors of the same words."""

import numpy as np

from w2v_hs.types import Array, Float32, Float64


def rotation(
    source: Float32, target: Float32, weights: Float64 | None = None, centre: bool = False
) -> Float32:
    """The orthogonal matrix R for which the rows of source @ R are nearest to those of target.

    Orthogonal Procrustes (Schönemann 1966): R minimises the sum of the squared distances of rows,
    each times its weight. It is the same to the bit on any number of cores.

    source, target: (n, dim), usually `directions` of the vectors of the same words. weights: (n,),
    by default all 1. centre: subtract the (weighted) means first. Returns (dim, dim) float32.
    """
    from scipy.linalg import orthogonal_procrustes
    from threadpoolctl import threadpool_limits

    pair: list[Array] = [source, target]
    if centre:
        pair = [rows - np.average(rows, axis=0, weights=weights) for rows in pair]
    if weights is not None:
        pair = [rows * np.sqrt(weights)[:, np.newaxis] for rows in pair]
    with threadpool_limits(1):
        matrix, _ = orthogonal_procrustes(*pair)
    return np.asarray(matrix, np.float32)


def directions(vectors: Float32) -> Float32:
    """Rows of length 1; zeros for rows without a direction, which are zero, NaN or Inf."""
    # In float64: the squares of some float32 overflow or underflow float32.
    norms = np.sqrt(np.einsum("ij,ij->i", vectors, vectors, dtype=np.float64))[:, np.newaxis]
    rows: Float32 = np.zeros_like(vectors)
    np.divide(vectors, norms, out=rows, where=np.isfinite(norms) & (norms > 0))
    return rows

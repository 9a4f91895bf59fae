"""Words are halved by meaning: a principal direction, a sort along it, a cut at half the mass.

A part of the vocabulary is a range of `rows`, the offsets of its unit vectors in a flat matrix.
It is ordered along the direction in which its vectors differ most, the first principal component
weighted by `weights`, which power iteration finds; the cut is where both sides hold most nearly
the same `mass`. (Mnih and Hinton 2009 fit a mixture of two Gaussians to each part; a direction and
a cut that balances cost less, and keep the expected code length near the entropy.)
"""

from typing import NamedTuple

import numpy as np

from w2v_hs.kernels.jit import inline, jit
from w2v_hs.kernels.simd import (
    LANES,
    broadcast,
    fold,
    load,
    load_each,
    multiply_add,
    multiply_add_each,
    store,
    zeros_like_each,
)

BLOCK = (0,) * 8  # rows that are multiplied with a direction at once


class Scratch(NamedTuple):
    """Memory of one thread for V words.

    mean, direction and sums (stride,) float32; along (V+16,) float32: places along the direction;
    moved (V,) int64.
    """

    mean: np.ndarray
    direction: np.ndarray
    sums: np.ndarray
    along: np.ndarray
    moved: np.ndarray


def make_scratch(words: int, stride: int) -> Scratch:
    """Memory of one thread."""
    return Scratch(
        mean=np.zeros(stride, np.float32),
        direction=np.zeros(stride, np.float32),
        sums=np.zeros(stride, np.float32),
        along=np.zeros(words + LANES, np.float32),
        moved=np.zeros(words, np.int64),
    )


@inline
def project(rows, first, last, vectors, stride, direction, along):
    """along[i] = the vector at rows[first + i] times `direction`. Writes up to 15 more numbers."""
    for i in range(first, last, len(BLOCK)):
        f = zeros_like_each(BLOCK)
        for k in range(0, stride, LANES):
            f = multiply_add_each(load_each(BLOCK, vectors, rows, i, k), load(direction, k), f)
        store(along, i - first, fold(f))


@inline
def add_multiple(factor, vectors, row, stride, sums):
    """sums += factor * the vector at `row`."""
    factors = broadcast(np.float32(factor))
    for k in range(0, stride, LANES):
        store(sums, k, multiply_add(factors, load(vectors, row + k), load(sums, k)))


@inline
def normalise(vector):
    """Make a vector 1 long; False where it is 0."""
    square = np.float32(0.0)
    for k in range(len(vector)):
        square += vector[k] * vector[k]
    if square == 0:
        return False
    vector *= np.float32(1 / np.sqrt(square))
    return True


@inline
def find_direction(rows, first, last, vectors, stride, weights, steps, scratch):
    """scratch.along = places of the part's words along its principal direction."""
    mean, direction, sums, along = scratch.mean, scratch.direction, scratch.sums, scratch.along
    mean[:] = 0
    total = 0.0
    for i in range(first, last):
        weight = weights[rows[i] // stride]
        add_multiple(weight, vectors, rows[i], stride, mean)
        total += weight
    mean *= np.float32(1 / total)
    # The word farthest from the mean shows roughly where the part is long. (Unit vectors: it is
    # the one of the least product with the mean.)
    project(rows, first, last, vectors, stride, mean, along)
    farthest = rows[first + np.argmin(along[: last - first])]
    for k in range(stride):
        direction[k] = vectors[farthest + k] - mean[k]
    if not normalise(direction):
        along[: last - first] = 0
        return
    for _ in range(steps):
        project(rows, first, last, vectors, stride, direction, along)
        middle = np.float32(np.dot(mean, direction))
        sums[:] = 0
        rest = 0.0
        for i in range(first, last):
            pull = weights[rows[i] // stride] * (along[i - first] - middle)
            add_multiple(pull, vectors, rows[i], stride, sums)
            rest += pull
        sums -= np.float32(rest) * mean
        if not normalise(sums):
            break
        direction[:] = sums
    project(rows, first, last, vectors, stride, direction, along)


@inline
def sort_and_cut(rows, first, last, stride, mass, scratch):
    """Order the part along its direction; return where its second half begins."""
    size = last - first
    order = np.argsort(scratch.along[:size], kind="mergesort")
    for i in range(size):
        scratch.moved[i] = rows[first + order[i]]
    total = 0.0
    for i in range(size):
        rows[first + i] = scratch.moved[i]
        total += mass[scratch.moved[i] // stride]
    below, cut, least = 0.0, 1, np.inf
    for i in range(1, size):
        below += mass[rows[first + i - 1] // stride]
        if abs(2 * below - total) < least:
            cut, least = i, abs(2 * below - total)
    return first + cut


@jit
def halve(rows, firsts, lasts, vectors, stride, weights, mass, steps, scratch, cuts):
    """Order and cut each of the parts rows[firsts[i]:lasts[i]], of 2 words or more.

    rows (V + 16,) int64: offsets of vectors, of which the last 16 are any. vectors (V*stride,)
    float32, of length 1 or 0. weights and mass (V,) float64, above 0. steps: of power iteration.
    Written: `rows` in their new order, and cuts (n,) int64, where each second half begins.
    """
    for part in range(len(firsts)):
        first, last = firsts[part], lasts[part]
        if last - first > 2:
            find_direction(rows, first, last, vectors, stride, weights, steps, scratch)
            cuts[part] = sort_and_cut(rows, first, last, stride, mass, scratch)
        else:
            cuts[part] = first + 1

"""Words bisected by meaning: parted along a principal direction at half the mass.

A part of the vocabulary is a range of `rows`, the offsets of its unit vectors x_w in a flat matrix.
Power iteration finds the direction in which they differ most, the first principal component

    argmax over |u| = 1 of sum_w weights_w ((x_w - m) . u)^2,    m = their weighted mean

The part is cut along it where both sides have most nearly the same `mass`. (Mnih and
Hinton 2009 fit a mixture of two Gaussians to each part; this costs less, and the balanced cut keeps
the expected code length near the entropy.)

Oracle: the principal component by NumPy's SVD, in tests/tree/test_learned.py.
"""

from typing import NamedTuple

import numpy as np

from w2v_hs.kernels.jit import inline, jit
from w2v_hs.kernels.simd import LANES, broadcast, load, multiply_add, store
from w2v_hs.kernels.tiles import fold, load_each, multiply_add_each, zeros_like_each

BLOCK = (0,) * 8  # rows that are multiplied with a direction at once


class BisectScratch(NamedTuple):
    """Memory of one thread for V words."""

    mean: np.ndarray  # (stride,) float32
    direction: np.ndarray  # (stride,) float32
    sums: np.ndarray  # (stride,) float32
    along: np.ndarray  # (V+16,) float32: coordinates along the direction
    weights: np.ndarray  # (V,) float64: of the words of a part
    mass: np.ndarray  # (V,) float64: likewise


def make_scratch(words: int, stride: int) -> BisectScratch:
    """Memory of one thread."""
    return BisectScratch(
        mean=np.zeros(stride, np.float32),
        direction=np.zeros(stride, np.float32),
        sums=np.zeros(stride, np.float32),
        along=np.zeros(words + LANES, np.float32),
        weights=np.zeros(words),
        mass=np.zeros(words),
    )


@inline
def project(rows, first, last, vectors, stride, direction, along):
    """along[i] = direction . the vector at rows[first + i]; writes up to 15 more numbers."""
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
    """Scale a vector to length 1; False if it is 0."""
    square = np.float32(0.0)
    for k in range(len(vector)):
        square += vector[k] * vector[k]
    if square == 0:
        return False
    vector *= np.float32(1 / np.sqrt(square))
    return True


@inline
def find_direction(rows, first, last, vectors, stride, steps, scratch):
    """scratch.along = coordinates of the words of a part along its principal direction."""
    weights, along = scratch.weights, scratch.along
    mean, direction, sums = scratch.mean, scratch.direction, scratch.sums
    mean[:] = 0
    total = 0.0
    for i in range(first, last):
        weight = weights[i - first]
        add_multiple(weight, vectors, rows[i], stride, mean)
        total += weight
    mean *= np.float32(1 / total)
    # Start towards the word farthest from the mean; of unit vectors that is the one with the
    # smallest product with the mean.
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
            pull = weights[i - first] * (along[i - first] - middle)
            add_multiple(pull, vectors, rows[i], stride, sums)
            rest += pull
        sums -= np.float32(rest) * mean
        if not normalise(sums):
            break
        direction[:] = sums
    project(rows, first, last, vectors, stride, direction, along)


@inline
def swap(rows, along, mass, first, i, j):
    """Exchange words i and j of a part."""
    rows[first + i], rows[first + j] = rows[first + j], rows[first + i]
    along[i], along[j] = along[j], along[i]
    mass[i], mass[j] = mass[j], mass[i]


@inline
def cut_at_half(rows, first, last, mass, along):
    """Part the words of a range along their direction; return where its second half begins.

    Quickselect by mass: only the side of a pivot in which half of the mass is reached is parted
    further, until all its words lie at the same place.
    """
    size, total = last - first, 0.0
    for i in range(size):
        total += mass[i]
    begin, end, below = 0, size, 0.0  # below: the mass before `begin`
    while end - begin > 1:
        a, b, c = along[begin], along[(begin + end) // 2], along[end - 1]
        pivot = max(min(a, b), min(max(a, b), c))  # their median
        less, i, more, here, same = begin, begin, end, 0.0, 0.0
        while i < more:
            if along[i] < pivot:
                here += mass[i]
                swap(rows, along, mass, first, less, i)
                less += 1
                i += 1
            elif along[i] > pivot:
                more -= 1
                swap(rows, along, mass, first, i, more)
            else:
                same += mass[i]
                i += 1
        if 2 * (below + here) >= total and less > begin:
            end = less
        elif 2 * (below + here + same) < total and more < end:
            begin, below = more, below + here + same
        else:
            begin, end, below = less, more, below + here
            break
    cut, least = 1, np.inf
    for i in range(begin, min(end, size - 1) + 1):
        if i > 0 and abs(2 * below - total) < least:
            cut, least = i, abs(2 * below - total)
        if i < size:
            below += mass[i]
    return first + cut


@jit
def halve(rows, firsts, lasts, vectors, stride, weights, mass, steps, scratch, cuts):
    """Cut each of the parts rows[firsts[i]:lasts[i]], of 2 words or more.

    rows (V + 16,) int64: offsets of vectors; the last 16 are padding, any valid offsets. vectors
    (V*stride,) float32, flat, of length 1 or 0. weights and mass (V,) float64, positive. steps: of
    power iteration. Written: `rows`, reordered; cuts (n,) int64, where each second half begins.
    """
    for part in range(len(firsts)):
        first, last = firsts[part], lasts[part]
        if last - first > 2:
            for i in range(first, last):  # once: the division is slow
                word = rows[i] // stride
                scratch.weights[i - first], scratch.mass[i - first] = weights[word], mass[word]
            find_direction(rows, first, last, vectors, stride, steps, scratch)
            cuts[part] = cut_at_half(rows, first, last, scratch.mass, scratch.along)
        else:
            cuts[part] = first + 1

"""Classes bisected by their centroids: two means of equal mass, again and again.

The centroids z_c are rows of length 1 (or 0). A part of the classes is cut into halves A and B of
about equal mass such that sum_A z_c . u_A + sum_B z_c . u_B is large, where u is the normalised sum
of a half: balanced spherical 2-means (Prabhu et al. 2018, "Parabel"). From two random classes on,
the part is alternately sorted along u_A - u_B and cut at half its mass, until that no longer
improves it. Callers take the best of some such attempts.

Tested on classes that fall into groups, in tests/classifier/test_solvers.py.
"""

from typing import NamedTuple

import numpy as np

from w2v_hs.kernels.bisect import cut_at_half
from w2v_hs.kernels.common import next_random
from w2v_hs.kernels.dual import add, dot
from w2v_hs.kernels.jit import inline, jit

ROUNDS = 20  # at most
BETTER = 1e-4  # the relative improvement that is worth another round


class MeansScratch(NamedTuple):
    """Memory of one thread for m classes and d features."""

    total: np.ndarray  # (d,) float64: zeros
    along: np.ndarray  # (m,) float64
    mass: np.ndarray  # (m,) float64


def make_scratch(classes: int, features: int) -> MeansScratch:
    """Memory of one thread."""
    return MeansScratch(np.zeros(features), np.empty(classes), np.empty(classes))


@inline
def clear(begin, end, columns, total):
    """Set the features of a row to 0."""
    if columns is None:
        total[:] = 0.0
    else:
        for k in range(begin, end):
            total[columns[k]] = 0.0


@inline
def project(centroids, order, begin, end, first, last, sign, scratch):
    """along[i] += sign * z . u for all classes of a part; u is the direction of order[begin:end].

    Returns the length of the sum of which u is the direction.
    """
    starts, columns, values = centroids
    total, along = scratch.total, scratch.along
    for i in range(begin, end):
        add(starts[order[i]], starts[order[i] + 1], columns, values, 1.0, total)
    square = 0.0
    for i in range(begin, end):  # total . total, reading only features that are not 0
        square += dot(starts[order[i]], starts[order[i] + 1], columns, values, total)
    length = np.sqrt(max(square, 0.0))
    if length > 0.0:
        for i in range(first, last):
            z = dot(starts[order[i]], starts[order[i] + 1], columns, values, total)
            along[i - first] += sign * z / length
    for i in range(begin, end):
        clear(starts[order[i]], starts[order[i] + 1], columns, total)
    return length


@inline
def improve(centroids, order, first, last, mass, a, b, scratch):
    """Part some classes from classes first + a and first + b on.

    Returns where the second half begins, and |sum of A| + |sum of B|.
    """
    size, along = last - first, scratch.along
    best, middle = -1.0, first
    for attempt in range(ROUNDS):
        along[:size] = 0.0
        if attempt == 0:
            project(centroids, order, first + a, first + a + 1, first, last, 1.0, scratch)
            project(centroids, order, first + b, first + b + 1, first, last, -1.0, scratch)
        else:
            length = project(centroids, order, first, middle, first, last, 1.0, scratch)
            length += project(centroids, order, middle, last, first, last, -1.0, scratch)
            if length <= best * (1.0 + BETTER):
                break
            best = length
        for i in range(size):
            scratch.mass[i] = mass[order[first + i]]
        middle = cut_at_half(order, first, last, scratch.mass, along)
    return middle, best


@jit
def cut_parts(centroids, order, firsts, lasts, mass, seeds, scratch, cuts, lengths):
    """Cut each of the parts order[firsts[i]:lasts[i]], of 2 classes or more.

    centroids: `Rows` of m classes; of float64. order (m,) int64: the classes, reordered within each
    part. mass (m,) float64, positive. seeds (n,) uint64: a state of the random generator for each
    part. Written: cuts (n,) int64, where each second half begins, and lengths (n,) float64, the
    larger the better.
    """
    for part in range(len(firsts)):
        first, last, random = firsts[part], lasts[part], seeds[part : part + 1]
        size = last - first
        if size == 2:
            cuts[part], lengths[part] = first + 1, 0.0
            continue
        a = np.int64(next_random(random) % np.uint64(size))
        b = np.int64(next_random(random) % np.uint64(size - 1))
        b += np.int64(b >= a)
        cuts[part], lengths[part] = improve(centroids, order, first, last, mass, a, b, scratch)

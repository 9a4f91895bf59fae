"""Minimisation of smooth convex functions of many variables: L-BFGS (Liu and Nocedal 1989).

SciPy's L-BFGS-B is for bounds, works in float64 on one thread, and with millions of weights takes
several times as long as the function itself. Here the products among the last steps, changes of the
gradient and the gradient are kept as a small matrix (Chen, Wang and Zhou 2014, "Large-scale L-BFGS
using MapReduce"), so that an iteration reads the history twice, in blocks that BLAS multiplies, on
several threads where there are some.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np

from w2v_hs.types import Array, Float64

MEMORY = 10  # pairs of steps and changes of the gradient
BLOCK = 1 << 15  # variables that are multiplied at once
TRIES = 40  # of a step length
# Half the Newton decrement would be the excess if the history held the Hessian. It holds little of
# directions that were not gone yet, so the true excess is up to some ten times as large.
CAUTION = 10
ROUNDING = 10  # roundings of the value: an excess of as many cannot be told from none
ARMIJO, WOLFE = 1e-4, 0.9

# (value, gradient) at a point.
Function = Callable[[Array], tuple[float, Array]]
# A function of each block of variables, on one thread or, as a pool's `map`, on several.
Each = Callable[[Callable[[slice], Any], Iterable[slice]], Iterable[Any]]


@dataclass
class Minimum:
    """Where the minimisation ended."""

    x: Array
    value: float
    excess: float  # estimate of how far the value is above the minimum
    iterations: int
    converged: bool


def minimise(
    function: Function,
    x: Array,
    scale: Array,
    tol: float,
    max_iter: int,
    report: Callable[[int, float], Any] = lambda iteration, value: None,
    each: Each = map,
) -> Minimum:
    """Minimise a convex function from x.

    scale, of the shape of x: the variables are x / scale; roots of the inverse of the diagonal of
    the Hessian let the first steps be of the right length. The end is reached when the value is
    estimated to be within `tol` of the minimum. `report` is called after each iteration. Arrays
    keep the dtype of x. `each` does not change the result.
    """
    value, gradient = function(x)
    slope = scale * gradient
    history = _History(len(x), x.dtype, each)
    cleared = 0
    for iteration in range(max_iter + 1):
        direction, decrement = history.direction(slope)
        if not decrement > 0:
            return Minimum(x, value, 0.0, iteration, bool(np.isfinite(value)))
        excess = CAUTION * decrement / 2
        if excess <= max(tol, ROUNDING * np.finfo(x.dtype).eps * abs(value)):
            return Minimum(x, value, excess, iteration, True)
        if iteration == max_iter:
            break
        found = _search(function, x, scale * direction, value, -decrement)
        if found is None:
            # Rounding hides any further decrease, or old curvature misleads: once more without it.
            if cleared == iteration + 1 or not history.pairs:
                break
            history.clear()
            cleared = iteration + 1
            direction = -slope
            found = _search(function, x, scale * direction, value, -float(slope @ slope))
            if found is None:
                break
        step, x, value, gradient = found
        new_slope = scale * gradient
        history.add(x.dtype.type(step) * direction, new_slope - slope, new_slope)
        slope = new_slope
        report(iteration + 1, value)
    return Minimum(x, value, excess, iteration, False)


def _search(
    function: Function, x: Array, direction: Array, value: float, descent: float
) -> tuple[float, Array, float, Array] | None:
    """A step along a direction that meets the weak Wolfe conditions, by bisection.

    descent: the derivative along the direction, negative. Returns the step, the point, its value
    and gradient; None if no step decreases the value. Lewis and Overton 2013.
    """
    step, low, high = 1.0, 0.0, np.inf
    best = None
    for _ in range(TRIES):
        point = x + x.dtype.type(step) * direction
        with np.errstate(over="ignore", invalid="ignore"):
            here, gradient = function(point)
        if not here <= value + ARMIJO * step * descent:
            high = step
        elif float(gradient @ direction) < WOLFE * descent:
            low, best = step, (step, point, here, gradient)
        else:
            return step, point, here, gradient
        step = 2 * low if high == np.inf else (low + high) / 2
    return best


class _History:
    """The last steps and changes of the gradient, and their products with each other."""

    def __init__(self, size: int, dtype: Any, each: Each):
        self._each, self._parts = each, [slice(i, i + BLOCK) for i in range(0, size, BLOCK)]
        self._rows = np.zeros((2 * MEMORY, size), dtype)  # steps, then changes
        self._products = np.zeros((2 * MEMORY, 2 * MEMORY))
        self._along = np.zeros(2 * MEMORY)  # products with the slope
        self._next = 0
        self.pairs: list[int] = []  # their places, oldest first

    def clear(self) -> None:
        """Forget all pairs."""
        self.pairs = []

    def add(self, step: Array, change: Array, slope: Array) -> None:
        """Keep a pair, unless rounding has made its curvature useless, and the new slope."""
        useful = float(step @ change) > 1e-10 * float(change @ change)
        if useful:
            place, self._next = self._next, (self._next + 1) % MEMORY
            self.pairs = [*(old for old in self.pairs if old != place), place]
            self._rows[place], self._rows[MEMORY + place] = step, change
        products = self._times((step, change, slope))
        if useful:
            for row, column in ((place, 0), (MEMORY + place, 1)):
                self._products[row], self._products[:, row] = products[:, column], products[:, column]
        self._along = products[:, 2]

    def direction(self, slope: Array) -> tuple[Array, float]:
        """-H slope, where H approximates the inverse Hessian, and the decrement slope . H slope.

        The slope is the one last added; before that, any.
        """
        along = self._along
        on_rows, alphas = np.zeros(2 * MEMORY), np.zeros(MEMORY)
        for place in reversed(self.pairs):  # q -= alpha * change, where q begins as the slope
            change = MEMORY + place
            alphas[place] = (along[place] + self._products[place] @ on_rows) / self._products[place, change]
            on_rows[change] -= alphas[place]
        shrink = 1.0
        if self.pairs:
            change = MEMORY + self.pairs[-1]
            shrink = float(self._products[self.pairs[-1], change] / self._products[change, change])
        on_rows *= shrink
        for place in self.pairs:
            change = MEMORY + place
            beta = shrink * along[change] + self._products[change] @ on_rows
            on_rows[place] += alphas[place] - beta / self._products[place, change]
        decrement = shrink * float(slope @ slope) + float(on_rows @ along)
        direction, used = np.empty_like(slope), self._used()
        factors = -on_rows[used].astype(slope.dtype)

        def combine(part: slice) -> None:
            np.multiply(slope[part], -shrink, out=direction[part])
            if len(used):
                direction[part] += factors @ self._block(used, part)

        list(self._each(combine, self._parts))
        return direction, decrement

    def _times(self, vectors: tuple[Array, ...]) -> Float64:
        """(2 * MEMORY, v): the products of all rows with v vectors (n,), summed in float64."""
        products, used = np.zeros((2 * MEMORY, len(vectors))), self._used()

        def multiply(part: slice) -> Array:
            rows = self._block(used, part)
            return np.stack([rows @ v[part] for v in vectors], 1)  # quicker than one thin product

        if len(used):
            for found in self._each(multiply, self._parts):
                products[used] += found
        return products

    def _used(self) -> Any:
        places = sorted(self.pairs)
        return np.array(places + [MEMORY + place for place in places], np.int64)

    def _block(self, used: Any, part: slice) -> Array:
        """Some variables of the rows in use; a view once all are."""
        return self._rows[:, part] if len(used) == 2 * MEMORY else self._rows[used, part]

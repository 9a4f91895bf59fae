"""Weights in blocks, and how the changes of several workers are merged.

Workers train from the same weights. Let d_k be the change of a row by worker k, the result of c_k
steps. Near the optimum of a row, c steps of rate lr against a curvature q leave exp(-lr q c) of the
distance to it:

    d_k                   = (1 - exp(-lr q c_k)) (distance)
    one worker, all steps = (1 - exp(-lr q sum c_k)) (distance)
    hence merged          = sum d_k (1 - exp(-lr q sum c_k)) / sum (1 - exp(-lr q c_k))

For a rare word all c_k are small, and the merged change is the sum of the changes, as if the steps
had been taken one after the other. For the root all are large: each worker has reached the optimum
by itself, and the merged change is their mean. A row that one worker has changed keeps its full
step. `kernels.copies` merges the copies of threads by the same rule.
"""

from typing import NamedTuple

import numpy as np

from w2v_hs.kernels import row_changes
from w2v_hs.model.weights import start_vectors
from w2v_hs.options import Options
from w2v_hs.types import Float32


class WeightBlock(NamedTuple):
    """Block b of B: rows b, b + B, b + 2B ... of both matrices, (rows, dim) float32.

    So every block has its share of the rows that are used most.
    """

    vectors: Float32
    outputs: Float32


class RowChanges(NamedTuple):
    """What has changed in t rows of a block of one matrix."""

    rows: np.ndarray  # (t,) int64, within the block
    sums: np.ndarray  # (t, dim) float32 or bfloat16 (`kernels.row_changes`), summed over workers
    steps: np.ndarray  # (t,) float32, the predictions that the changes come from
    ways: np.ndarray  # (t,) float32, the sum of 1 - exp(-lr q steps) over the workers


class BlockChanges(NamedTuple):
    """Changes of a block of both matrices; curvatures: lr q of the steps of each."""

    vectors: RowChanges
    outputs: RowChanges
    curvatures: tuple[float, float]


def start_blocks(words: int, options: Options, count: int) -> list[WeightBlock]:
    """The weights that training begins with, as `count` blocks."""
    vectors = start_vectors(words, options.dim, options.seed)[:, : options.dim]
    return cut_weights(vectors, np.zeros((words - 1, options.dim), np.float32), count)


def cut_weights(vectors: Float32, outputs: Float32, count: int) -> list[WeightBlock]:
    """Two matrices as `count` blocks."""
    return [
        WeightBlock(np.ascontiguousarray(vectors[b::count]), np.ascontiguousarray(outputs[b::count]))
        for b in range(count)
    ]


def join_weights(blocks: list[WeightBlock], vectors: Float32, outputs: Float32) -> None:
    """Write blocks to the two matrices that they are cut from, whose rows may be padded."""
    for b, block in enumerate(blocks):
        dim, count = block.vectors.shape[1], len(blocks)
        vectors[b::count, :dim], outputs[b::count, :dim] = block


def merge_changes(changes: list[BlockChanges]) -> BlockChanges:
    """The changes of a block by several workers, or groups of them, as those of one group."""
    return BlockChanges(
        _merge([change.vectors for change in changes]),
        _merge([change.outputs for change in changes]),
        changes[0].curvatures,
    )


def apply_changes(block: WeightBlock, changes: list[BlockChanges]) -> WeightBlock:
    """A block after the changes of all workers, by the rule at the top of this module."""
    curvatures = changes[0].curvatures
    return WeightBlock(
        _apply(block.vectors, [change.vectors for change in changes], curvatures[0]),
        _apply(block.outputs, [change.outputs for change in changes], curvatures[1]),
    )


def _merge(parts: list[RowChanges]) -> RowChanges:
    steps, ways = _totals(parts)
    sums = np.zeros((len(steps), parts[0].sums.shape[1]), np.float32)
    for part in parts:
        _add(sums, part, np.ones_like(steps))
    rows = np.flatnonzero(steps)
    return RowChanges(rows, sums[rows], steps[rows], ways[rows])


def _apply(matrix: Float32, parts: list[RowChanges], curvature: float) -> Float32:
    steps, ways = _totals(parts)
    scale = np.zeros_like(steps)
    np.divide(-np.expm1(-curvature * steps), ways, out=scale, where=steps > 0)
    matrix = matrix.copy()
    for part in parts:
        _add(matrix, part, scale)
    return matrix


def _add(total: Float32, change: RowChanges, scale: Float32) -> None:
    """Add a change to the rows of a block, each times its number in scale."""
    rounded = change.sums.dtype == np.uint16
    add = row_changes.add_rounded_rows if rounded else row_changes.add_rows
    add(total, change.rows, change.sums, scale)


def _totals(parts: list[RowChanges]) -> tuple[Float32, Float32]:
    """Steps and ways of all parts together, for each row up to the last that one has changed."""
    size = 1 + max(int(part.rows.max(initial=-1)) for part in parts)
    steps, ways = np.zeros(size, np.float32), np.zeros(size, np.float32)
    for part in parts:
        steps[part.rows] += part.steps
        ways[part.rows] += part.ways
    return steps, ways

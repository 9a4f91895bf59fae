"""What a model file contains: the arrays of its weights, and what they have to look like."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import numpy.typing as npt

from w2v_hs.checks import shown
from w2v_hs.errors import FormatError
from w2v_hs.files.container import pack_words
from w2v_hs.model.new_words import Parameters
from w2v_hs.tree import Tree
from w2v_hs.types import Array
from w2v_hs.vectors import first_nonfinite_row
from w2v_hs.vectors.subwords import subword_arrays

FORMAT = 1


def parameter_arrays(parameters: Parameters) -> dict[str, Array]:
    """The arrays of a model file by name."""
    arrays: dict[str, Array] = {
        "vectors": parameters.vectors,
        "outputs": parameters.outputs,
        "counts": parameters.vocabulary.counts,
        **pack_words(parameters.vocabulary.as_given),
    }
    if parameters.tree is not None:
        arrays |= tree_arrays(parameters.tree)
    if (subwords := parameters.subwords) is not None:
        arrays |= subword_arrays(subwords)
    return arrays


def tree_arrays(tree: Tree, prefix: str = "tree") -> dict[str, Array]:
    """The arrays of a tree by their names in a file."""
    return {f"{prefix}.offsets": tree.offsets, f"{prefix}.nodes": tree.nodes, f"{prefix}.bits": tree.bits}


def check_finite(parameters: Parameters, where: object) -> None:
    """Raise `FormatError`, which begins with `where`, if the weights contain NaN or Inf."""
    matrices = {"vectors": parameters.vectors, "outputs": parameters.outputs}
    if parameters.subwords is not None:
        matrices["subwords"] = parameters.subwords.rows
    for name, matrix in matrices.items():
        if (row := first_nonfinite_row(matrix)) is not None:
            raise FormatError(
                f"{shown(where)}: row {row} of the model's {name} holds NaN or Inf; expected "
                "finite numbers: load the model again, or train anew"
            )


def check_weights(
    path: str | Path,
    prefix: str,
    vectors: Array,
    outputs: Array,
    tree: Tree | None,
    words: int,
    dim: int,
    rows: int | None = None,
) -> None:
    """Check weights read from a file; `FormatError` for a wrong dtype, shape or impossible value.

    vectors (rows, dim), by default (words, dim), and outputs (words - 1, dim), or (words, dim)
    without a tree, are to be float32. The paths of the tree must stay within its nodes. The names
    of these arrays in the file begin with `prefix`.
    """

    def expect(
        name: str,
        array: Array,
        dtype: npt.DTypeLike,
        shape: tuple[int, ...],
        is_valid: Callable[[Array], bool | np.bool],
    ) -> None:
        if array.dtype != dtype or array.shape != shape:
            raise FormatError(
                f"{shown(path)}: {prefix}{name} is {array.dtype} of shape {array.shape}, expected "
                f"{np.dtype(dtype)} of shape {shape}"
            )
        if not is_valid(array):
            raise FormatError(f"{shown(path)}: {prefix}{name} holds values that no model has")

    def is_finite(array: Array) -> bool:
        return bool(np.isfinite(array).all())

    expect("vectors", vectors, np.float32, (words if rows is None else rows, dim), is_finite)
    expect("outputs", outputs, np.float32, (words - (tree is not None), dim), is_finite)
    if tree is not None:
        steps, inner = tree.nodes.size, tree.inner

        def is_ascending(offsets: Array) -> bool:
            ends = offsets[0] == 0 and offsets[-1] == steps
            return bool(ends and (np.diff(offsets) > 0).all())

        expect("tree.offsets", tree.offsets, np.int64, (words + 1,), is_ascending)
        expect("tree.nodes", tree.nodes, np.int32, (steps,), lambda n: n.min() >= 0 and n.max() < inner)
        expect("tree.bits", tree.bits, np.uint8, (steps,), lambda bits: bits.max() <= 1)

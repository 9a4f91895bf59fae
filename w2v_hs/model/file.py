"""The model file: a `.safetensors` file of the weights, and a description as JSON.

Nothing read from a file is used before it is checked.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

import numpy as np
import numpy.typing as npt

from w2v_hs.checks import shown
from w2v_hs.errors import FormatError
from w2v_hs.files.container import VECTORS, load_arrays, pack_words, save_arrays, unpack_words
from w2v_hs.model.model import Model
from w2v_hs.options import Options, Resolved
from w2v_hs.text import Vocabulary
from w2v_hs.tree import Tree
from w2v_hs.types import Array
from w2v_hs.vectors import Vectors, first_nonfinite_row

FORMAT = 1

# ---- writing ------------------------------------------------------------------------------------


def save_model(model: Model, path: str | Path) -> None:
    """Write a model; see `Model.save`."""
    check_finite(model, path)
    save_arrays(path, *model_parts(model))


def check_finite(model: Model, where: object) -> None:
    """Raise `FormatError`, which begins with `where`, if the weights contain NaN or Inf."""
    for name, matrix in (("vectors", model.vectors.matrix), ("outputs", model.outputs)):
        if (row := first_nonfinite_row(matrix)) is not None:
            raise FormatError(
                f"{shown(where)}: row {row} of the model's {name} holds NaN or Inf; expected "
                "finite numbers: load the model again, or train anew"
            )


def model_parts(model: Model) -> tuple[dict[str, Array], dict[str, Any]]:
    """The contents of a model file: arrays by name, and a description that fits into JSON."""
    arrays: dict[str, Array] = {
        "vectors": model.vectors.matrix,
        "outputs": model.outputs,
        "counts": model.vocabulary.counts,
        **pack_words(model.vocabulary.words),
    }
    if model.tree is not None:
        arrays |= tree_arrays(model.tree)
    return arrays, {
        "format": FORMAT,
        "options": model.options.as_dict(),
        "losses": model.losses,
        "holdout_losses": model.holdout_losses,
        "provenance": model.provenance,
    }


def tree_arrays(tree: Tree, prefix: str = "tree") -> dict[str, Array]:
    """The arrays of a tree by their names in a file."""
    return {f"{prefix}.offsets": tree.offsets, f"{prefix}.nodes": tree.nodes, f"{prefix}.bits": tree.bits}


# ---- reading ------------------------------------------------------------------------------------


def load(path: str | Path) -> Model:
    """Read a model written by `Model.save`, or the model in a checkpoint.

    Parameters
    ----------
    path
        The file.

    Raises
    ------
    FormatError
        The file is missing, damaged, or not a model.
    """
    return model_from(path, *load_arrays(path))


def model_from(path: str | Path, arrays: dict[str, Array], description: dict[str, Any]) -> Model:
    """The model of arrays and a description read from `path`; raises as `load`."""
    if isinstance(description, dict) and description.get("kind") == VECTORS:
        raise FormatError(
            f"{shown(path)}: contains vectors without the model; train a model, or read it with load_vectors"
        )
    try:
        model = _build(path, arrays, description)
    except FormatError:
        raise
    except (KeyError, TypeError, ValueError, OverflowError) as error:
        raise FormatError(f"{shown(path)}: incomplete or inconsistent model: {shown(error)}") from None
    words, dim = len(model.vocabulary), model.options.dim
    check_weights(path, "", arrays["vectors"], model.outputs, model.tree, words, dim)
    _check_description(path, model)
    return model


def _build(path: str | Path, arrays: dict[str, Array], description: dict[str, Any]) -> Model:
    """The model, unchecked; `KeyError` and the like if a part is missing or has a wrong type."""
    if description["format"] != FORMAT:
        raise FormatError(
            f"{shown(path)}: model format {description['format']!r}, this version reads "
            f"{FORMAT}; install the version that wrote it"
        )
    options = Options(**description["options"])
    if options.lr is None or options.threads is None:  # of a model that was built by hand
        options = options.resolved()
    words = unpack_words(arrays, path)
    tree = None
    if options.loss == "hs":
        tree = Tree(arrays["tree.offsets"], arrays["tree.nodes"], arrays["tree.bits"])
    return Model(
        vectors=Vectors(words, arrays["vectors"]),
        outputs=arrays["outputs"],
        tree=tree,
        vocabulary=Vocabulary(words, arrays["counts"]),
        options=cast(Resolved, options),
        losses=description["losses"],
        provenance=description["provenance"],
        holdout_losses=description.get("holdout_losses", []),
    )


def check_weights(
    path: str | Path, prefix: str, vectors: Array, outputs: Array, tree: Tree | None, words: int, dim: int
) -> None:
    """Check weights read from a file; `FormatError` for a wrong dtype, shape or impossible value.

    vectors (words, dim) and outputs (words - 1, dim), or (words, dim) without a tree, are to be
    float32. The paths of the tree must stay within its nodes. The names of these arrays in the file
    begin with `prefix`.
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

    expect("vectors", vectors, np.float32, (words, dim), is_finite)
    expect("outputs", outputs, np.float32, (words - (tree is not None), dim), is_finite)
    if tree is not None:
        steps, inner = tree.nodes.size, tree.inner

        def is_ascending(offsets: Array) -> bool:
            ends = offsets[0] == 0 and offsets[-1] == steps
            return bool(ends and (np.diff(offsets) > 0).all())

        expect("tree.offsets", tree.offsets, np.int64, (words + 1,), is_ascending)
        expect("tree.nodes", tree.nodes, np.int32, (steps,), lambda n: n.min() >= 0 and n.max() < inner)
        expect("tree.bits", tree.bits, np.uint8, (steps,), lambda bits: bits.max() <= 1)


def _check_description(path: str | Path, model: Model) -> None:
    """Raise `FormatError` unless words, counts, losses and provenance are those of a model."""
    words, counts = len(model.vocabulary), model.vocabulary.counts
    if counts.dtype != np.int64 or counts.shape != (words,):
        raise FormatError(
            f"{shown(path)}: counts is {counts.dtype} of shape {counts.shape}, expected int64 of "
            f"shape {(words,)}"
        )
    if counts.min() < 1 or counts.sum(dtype=np.float64) >= 2**62:
        raise FormatError(f"{shown(path)}: counts holds values that no model has")
    if "" in model.vocabulary.words:
        raise FormatError(f"{shown(path)}: one of the words is empty")
    for losses in (model.losses, model.holdout_losses):
        if not isinstance(losses, list) or not all(
            loss is None or (isinstance(loss, float) and np.isfinite(loss)) for loss in losses
        ):
            raise FormatError(f"{shown(path)}: losses are not finite numbers")
    facts = model.provenance
    if not isinstance(facts, dict) or not isinstance(facts.get("corpus"), dict):
        raise FormatError(f"{shown(path)}: provenance names no corpus")

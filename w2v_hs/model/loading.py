"""A model read from a file: nothing in it is believed before it is checked."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

import numpy as np
import numpy.typing as npt

from w2v_hs.checks import shown
from w2v_hs.errors import FormatError
from w2v_hs.files import container as storage
from w2v_hs.model.model import FORMAT, Model
from w2v_hs.options import Options, Resolved
from w2v_hs.text.vocabulary import Vocabulary
from w2v_hs.tree.tree import Tree
from w2v_hs.types import Array
from w2v_hs.vectors.vectors import Vectors


def load(path: str | Path) -> Model:
    """Read a model that `Model.save` wrote, or the model in a checkpoint.

    Raises
    ------
    FormatError
        The file is missing, damaged, or not a model.
    """
    return model_from(path, *storage.load_arrays(path))


def model_from(path: str | Path, arrays: dict[str, Array], description: dict[str, Any]) -> Model:
    """The model of arrays and a description that were read from `path`; raises as `load`."""
    if isinstance(description, dict) and description.get("kind") == storage.VECTORS:
        raise FormatError(
            f"{shown(path)}: holds vectors without the model; train a model, or read it with "
            "load_vectors"
        )
    try:
        if description["format"] != FORMAT:
            raise FormatError(
                f"{shown(path)}: model format {description['format']!r}, this version reads "
                f"{FORMAT}; install the version that wrote it"
            )
        options = Options(**description["options"])
        if options.lr is None or options.threads is None:  # of a model that was put together
            options = options.resolved()
        words = storage.unpack_words(arrays, path)
        tree = None
        if options.loss == "hs":
            tree = Tree(arrays["tree.offsets"], arrays["tree.nodes"], arrays["tree.bits"])
        model = Model(
            vectors=Vectors(words, arrays["vectors"]),
            outputs=arrays["outputs"],
            tree=tree,
            vocabulary=Vocabulary(words, arrays["counts"]),
            options=cast(Resolved, options),
            losses=description["losses"],
            provenance=description["provenance"],
            holdout_losses=description.get("holdout_losses", []),
        )
    except (KeyError, TypeError, ValueError, OverflowError) as error:
        if isinstance(error, FormatError):
            raise
        raise FormatError(
            f"{shown(path)}: incomplete or inconsistent model: {shown(error)}"
        ) from None
    _check(model, arrays["vectors"], path)
    return model


def check_weights(
    path: str | Path, part: str, vectors: Array, outputs: Array, tree: Tree | None,
    words: int, dim: int,
) -> None:  # fmt: skip
    """Raise `FormatError` unless arrays read from `path` are weights of `words` words and the paths
    of a tree stay within it; part: what their names begin with there."""

    def expect(
        name: str,
        array: Array,
        dtype: npt.DTypeLike,
        shape: tuple[int, ...],
        holds: Callable[[Array], bool | np.bool],
    ) -> None:
        if array.dtype != dtype or array.shape != shape:
            raise FormatError(
                f"{shown(path)}: {part}{name} is {array.dtype} of shape {array.shape}, expected "
                f"{np.dtype(dtype)} of shape {shape}"
            )
        if not holds(array):
            raise FormatError(f"{shown(path)}: {part}{name} holds values that no model has")

    def finite(array: Array) -> bool:
        return bool(np.isfinite(array).all())

    expect("vectors", vectors, np.float32, (words, dim), finite)
    expect("outputs", outputs, np.float32, (words - (tree is not None), dim), finite)
    if tree is not None:
        steps = tree.nodes.size
        expect("tree.offsets", tree.offsets, np.int64, (words + 1,), lambda o: o[0] == 0
               and o[-1] == steps and (np.diff(o) > 0).all())  # fmt: skip
        expect("tree.nodes", tree.nodes, np.int32, (steps,), lambda n: n.min() >= 0
               and n.max() < tree.inner)  # fmt: skip
        expect("tree.bits", tree.bits, np.uint8, (steps,), lambda b: b.max() <= 1)


def _check(model: Model, vectors: Array, path: str | Path) -> None:
    """Raise `FormatError` unless all parts of a loaded model fit together."""
    words, counts = len(model.vocabulary), model.vocabulary.counts
    check_weights(path, "", vectors, model.outputs, model.tree, words, model.options.dim)
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

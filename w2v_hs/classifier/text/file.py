"""The file of a text classifier: a `.safetensors` file of weights, and a description as JSON.

The vectors of the words stand in it as in a file of vectors, so `load_vectors` reads them. Nothing
read from a file is used before it is checked.
"""

from dataclasses import asdict
from pathlib import Path
from typing import Any, TypedDict

import numpy as np

from w2v_hs.checks import short, shown, whole
from w2v_hs.classifier.text.features import Features
from w2v_hs.classifier.text.model import TextModel
from w2v_hs.classifier.text.options import TextOptions
from w2v_hs.errors import FormatError, OptionError
from w2v_hs.files.container import TEXT_CLASSIFIER, load_arrays, pack_words, save_arrays, unpack_words
from w2v_hs.files.typed_json import as_type
from w2v_hs.model.contents import check_weights, tree_arrays
from w2v_hs.tree.tree import Tree
from w2v_hs.types import Array
from w2v_hs.vectors.subwords import LINE_END

FORMAT = 1


class _Facts(TypedDict):
    texts: int
    tokens: int
    losses: list[float]
    seconds: float
    training_seconds: float
    threads: int


def save(model: TextModel, path: str | Path) -> None:
    """Write a classifier; on failure an existing file stays as it is.

    `OptionError` if its labels are neither all str nor all int, or one is empty; `OutputError` if
    the file cannot be written.
    """
    if model.labels.dtype.kind not in "Uiu":
        raise OptionError(f"labels of type {model.labels.dtype} cannot be saved; make them str or int")
    labels = model.labels.tolist()
    if "" in labels:
        raise OptionError("an empty label cannot be saved; name it")
    words = len(model.features.words)
    arrays: dict[str, Array] = {
        "vectors": model.vectors[:words],
        "ngrams.vectors": model.vectors[words:],
        "ngrams.buckets": model.features.buckets,
        "outputs": model.outputs,
        **pack_words(model.features.words),
        **{f"labels.{name}": array for name, array in pack_words(labels).items()},
    }
    if model.tree is not None:
        arrays |= tree_arrays(model.tree)
    facts = {"kind": TEXT_CLASSIFIER, "format": FORMAT}
    save_arrays(path, arrays, facts | {"options": asdict(model.options), "facts": model.facts})


def load(path: str | Path) -> TextModel:
    """Read a classifier; `FormatError` if the file is missing, damaged, or holds something else."""
    arrays, description = load_arrays(path)
    if not isinstance(description, dict) or description.get("kind") != TEXT_CLASSIFIER:
        raise FormatError(f"{shown(path)}: holds no text classifier; write one with 'w2v-hs classify train'")
    if description.get("format") != FORMAT:
        raise FormatError(
            f"{shown(path)}: classifier format {short(description.get('format'))}, this version reads "
            f"{FORMAT}; install the version that wrote it"
        )
    try:
        return _build(path, arrays, description)
    except FormatError:
        raise
    except (KeyError, TypeError, ValueError, OverflowError) as error:
        raise FormatError(f"{shown(path)}: incomplete or inconsistent classifier: {shown(error)}") from None


def _build(path: str | Path, arrays: dict[str, Array], description: dict[str, Any]) -> TextModel:
    """The classifier, checked; `KeyError` and the like if a part is missing or has a wrong type."""
    options = TextOptions(**description["options"])
    dim = whole("dim", options.dim, 1)  # no longer None
    words = unpack_words(arrays, path)
    prefix = "labels."
    packed = {name.removeprefix(prefix): a for name, a in arrays.items() if name.startswith(prefix)}
    labels = np.array(unpack_words(packed, path))
    if labels.dtype.kind not in "Uiu" or len(labels) < 2 or not np.array_equal(np.unique(labels), labels):
        raise FormatError(f"{shown(path)}: its labels are not two or more, distinct and sorted")
    if words[0] != LINE_END or not all(isinstance(word, str) for word in words):
        raise FormatError(f"{shown(path)}: its words do not begin with {LINE_END}")
    tree = None
    if options.loss == "hs":
        tree = Tree(arrays["tree.offsets"], arrays["tree.nodes"], arrays["tree.bits"])
    buckets = _checked_buckets(path, arrays["ngrams.buckets"], options)
    parts = arrays["vectors"], arrays["ngrams.vectors"]
    for rows, count in zip(parts, (len(words), len(buckets)), strict=True):
        if rows.dtype != np.float32 or rows.shape != (count, dim):
            raise FormatError(
                f"{shown(path)}: vectors are {rows.dtype} of shape {rows.shape}, expected float32 of shape "
                f"{(count, dim)}"
            )
    vectors, outputs = np.concatenate(parts), arrays["outputs"]
    check_weights(path, "", vectors, outputs, tree, len(labels), dim, len(words) + len(buckets))
    if tree is not None:
        try:
            tree.children()
        except FormatError as error:
            raise FormatError(f"{shown(path)}: {error}") from None
    features = Features(words, buckets, options)
    features.check(path)
    facts = as_type(_Facts, description["facts"], "facts")
    return TextModel(features, vectors, outputs, labels, tree, options, facts)


def _checked_buckets(path: str | Path, buckets: Array, options: TextOptions) -> Array:
    """The buckets of n-grams in use; `FormatError` unless they are distinct ones."""
    most = options.buckets if options.has_ngrams else 0
    distinct = buckets.ndim == 1 and len(np.unique(buckets)) == len(buckets)
    if not distinct or buckets.dtype != np.int32 or buckets.min(initial=0) < 0 or (buckets >= most).any():
        raise FormatError(f"{shown(path)}: its n-grams are not distinct buckets of {most:,}")
    return buckets

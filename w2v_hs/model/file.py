"""Reading a model file: a `.safetensors` file of the weights, and a description as JSON.

Nothing read from a file is used before it is checked.
"""

from pathlib import Path
from typing import Any, NotRequired, TypedDict, cast

import numpy as np

from w2v_hs.checks import shown
from w2v_hs.errors import FormatError
from w2v_hs.files.container import TEXT_CLASSIFIER, VECTORS, load_arrays, unpack_words
from w2v_hs.files.typed_json import as_type
from w2v_hs.model.contents import FORMAT, check_weights
from w2v_hs.model.model import Model
from w2v_hs.options import Options, Resolved
from w2v_hs.text import Vocabulary
from w2v_hs.text.vocabulary import MOST_TOKENS
from w2v_hs.tree import Tree
from w2v_hs.types import Array
from w2v_hs.vectors import Vectors
from w2v_hs.vectors.subwords import read_subwords


class _CorpusFacts(TypedDict, total=False):
    names: list[str]
    sha256: str
    tokens: int
    types: int
    retained_tokens: int
    decoding_errors: int


class _UpdateFacts(TypedDict):
    corpus: _CorpusFacts
    losses: list[float | None]


class _InitFacts(TypedDict):
    name: str
    words: int
    words_found: int
    words_frozen: int
    words_to_freeze: int | None


class _CompassFacts(TypedDict):
    name: str
    words: int
    words_absent: int
    tokens_left_out: int


class _Provenance(TypedDict):
    """What is read of the provenance in a model file; it may hold more."""

    corpus: _CorpusFacts
    init: NotRequired[_InitFacts]
    compass: NotRequired[_CompassFacts]
    updates: NotRequired[list[_UpdateFacts]]


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
    if isinstance(description, dict) and description.get("kind") == TEXT_CLASSIFIER:
        raise FormatError(
            f"{shown(path)}: contains a text classifier; 'w2v-hs classify' and TextClassifier.load read it"
        )
    try:
        model = _build(path, arrays, description)
        words, dim = len(model.vocabulary), model.options.dim
        check_weights(path, "", arrays["vectors"], model.outputs, model.tree, words, dim)
        _check_description(path, model)
    except FormatError:
        raise
    except (KeyError, TypeError, ValueError, OverflowError) as error:
        raise FormatError(f"{shown(path)}: incomplete or inconsistent model: {shown(error)}") from None
    return model


def _build(path: str | Path, arrays: dict[str, Array], description: dict[str, Any]) -> Model:
    """The model, unchecked; `KeyError` and the like if a part is missing or has a wrong type."""
    if description["format"] != FORMAT:
        raise FormatError(
            f"{shown(path)}: model format {description['format']!r}, this version reads "
            f"{FORMAT}; install the version that wrote it"
        )
    options = Options(**description["options"])
    words = unpack_words(arrays, path)
    names = list(map(str, words))
    integers = frozenset(str(word) for word in words if not isinstance(word, str))
    tree = None
    if options.loss == "hs":
        tree = Tree(arrays["tree.offsets"], arrays["tree.nodes"], arrays["tree.bits"])
    subwords = read_subwords(shown(path), arrays, (len(words), options.dim))
    if subwords is not None and not np.isfinite(subwords.rows).all():
        raise FormatError(f"{shown(path)}: subwords.rows holds values that no model has")
    ngrams = None if subwords is None else (subwords.ngrams.shortest, subwords.ngrams.longest)
    if ngrams != options.subwords:
        raise FormatError(f"{shown(path)}: n-grams {ngrams}, expected {options.subwords} as in its options")
    return Model(
        vectors=Vectors(words, arrays["vectors"], subwords),
        outputs=arrays["outputs"],
        tree=tree,
        vocabulary=Vocabulary(names, arrays["counts"], integers),
        options=cast(Resolved, options),
        losses=as_type(list[float | None], description["losses"], "losses"),
        provenance=as_type(_Provenance, description["provenance"], "provenance"),
        holdout_losses=as_type(list[float], description.get("holdout_losses", []), "holdout_losses"),
    )


def _check_description(path: str | Path, model: Model) -> None:
    """Raise `FormatError` unless words, counts and preprocessing are those of a model."""
    words, counts = len(model.vocabulary), model.vocabulary.counts
    if counts.dtype != np.int64 or counts.shape != (words,):
        raise FormatError(
            f"{shown(path)}: counts is {counts.dtype} of shape {counts.shape}, expected int64 of "
            f"shape {(words,)}"
        )
    if counts.min() < 1 or counts.sum(dtype=np.float64) > MOST_TOKENS:
        raise FormatError(f"{shown(path)}: counts holds values that no model has")
    if "" in model.vocabulary.words:
        raise FormatError(f"{shown(path)}: one of the words is empty")
    try:
        model.preprocessing_of()
    except (TypeError, ValueError) as error:
        raise FormatError(f"{shown(path)}: provenance holds no preprocessing: {shown(error)}") from None

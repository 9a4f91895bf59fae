"""sentence-transformers: the folder of a model with one module, StaticEmbedding.

Such a model encodes a text as the mean of the vectors of its words.
"""

import json
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
import safetensors.numpy

from w2v_hs.checks import shown
from w2v_hs.errors import FormatError
from w2v_hs.files import container
from w2v_hs.files.atomic import new_folder
from w2v_hs.files.memory import check_json, check_memory
from w2v_hs.types import Array
from w2v_hs.vectors.contents import Contents, as_float32, check_words, regular_file, row_place, whole_file

UNKNOWN = "[UNK]"


def save_sentence_transformers(path: Path, words: list[str], matrix: Array) -> None:
    """Write a StaticEmbedding whose tokenizer splits at white space.

    The tokenizer lowercases text if no word of the vocabulary has an upper-case letter: a word
    that has one could not be found anyway. Unknown words share one more row, of zeros.
    """
    unknown = UNKNOWN
    taken = set(words)
    while unknown in taken:
        unknown = f"[{unknown}]"
    lowercase = all(word == word.lower() for word in words)
    tokenizer = _tokenizer([*words, unknown], unknown, lowercase)
    kind = "sentence_transformers.models.StaticEmbedding"
    modules = [{"idx": 0, "name": "0", "path": "", "type": kind}]
    rows = np.concatenate([matrix, np.zeros((1, matrix.shape[1]), matrix.dtype)])
    with new_folder(path) as folder:
        files = {
            "model.safetensors": safetensors.numpy.save({"embedding.weight": rows}),
            "tokenizer.json": json.dumps(tokenizer, ensure_ascii=False).encode(),
            "modules.json": json.dumps(modules).encode(),
        }
        for name, content in files.items():
            (folder / name).write_bytes(content)


def _tokenizer(words: list[str], unknown: str, lowercase: bool) -> dict[str, Any]:
    """The tokenizer of a vocabulary, as the library `tokenizers` stores it."""
    return {
        "version": "1.0",
        "truncation": None,
        "padding": None,
        "added_tokens": [],
        "normalizer": {"type": "Lowercase"} if lowercase else None,
        "pre_tokenizer": {"type": "WhitespaceSplit"},
        "post_processor": None,
        "decoder": None,
        "model": {
            "type": "WordLevel",
            "vocab": {word: row for row, word in enumerate(words)},
            "unk_token": unknown,
        },
    }


def read_sentence_transformers(path: Path) -> Contents:
    """Read the tokens and rows of a StaticEmbedding, without an unknown token whose row is 0."""
    place = row_place(shown(path))
    folder = path / _static_embedding_folder(path)
    ids, unknown = _vocabulary(folder / "tokenizer.json")
    matrix = _embedding_matrix(folder / "model.safetensors")
    if len(ids) != len(matrix) or sorted(ids.values()) != list(range(len(matrix))):
        raise FormatError(
            f"{shown(path)}: the tokenizer numbers {len(ids)} tokens, the matrix has "
            f"{len(matrix)} rows; expected each number from 0 to {len(matrix) - 1} once"
        )
    words = sorted(ids, key=ids.__getitem__)
    check_memory(shown(path), matrix.nbytes)
    row = None if unknown is None else ids.get(unknown)
    if row is not None and len(words) > 1 and not matrix[row].any():
        del words[row]
        matrix = np.delete(matrix, row, axis=0)
    check_words(words, place)
    return Contents(words, as_float32(matrix, copy=True), place)


def _embedding_matrix(path: Path) -> Array:
    """The matrix of a StaticEmbedding; model2vec names it `embeddings`."""
    arrays, _ = container.map_tensors(regular_file(path))
    matrix = arrays.get("embedding.weight", arrays.get("embeddings"))
    if matrix is None or matrix.ndim != 2 or matrix.dtype.kind != "f" or not matrix.size:
        raise FormatError(f"{shown(path)}: holds no matrix 'embedding.weight' of floats")
    return matrix


def _static_embedding_folder(path: Path) -> str:
    """Where in a model its StaticEmbedding lies; only Normalize may follow it."""
    name = shown(path / "modules.json")
    modules = _json(path / "modules.json")
    try:
        kinds = [module["type"].rpartition(".")[2] for module in modules]
        inside = PurePosixPath(modules[0]["path"])
    except (TypeError, KeyError, IndexError, AttributeError):
        raise FormatError(f"{name}: is not a list of modules") from None
    if kinds not in (["StaticEmbedding"], ["StaticEmbedding", "Normalize"]):
        found = shown(", ".join(kinds), 200)
        raise FormatError(f"{name}: has the modules {found}; expected StaticEmbedding")
    if inside.is_absolute() or ".." in inside.parts or "\0" in str(inside):
        raise FormatError(f"{name}: the path {shown(inside, 200)!r} leads out of the folder")
    return str(inside)


def _vocabulary(path: Path) -> tuple[dict[str, int], str | None]:
    """The number of each token of a tokenizer, and its token for unknown words."""
    name, tokenizer = shown(path), _json(path)
    try:
        model = tokenizer["model"]
        ids = dict(model["vocab"])
        ids |= {token["content"]: token["id"] for token in tokenizer.get("added_tokens") or ()}
        unknown = model.get("unk_token")
        if not all(type(number) is int for number in ids.values()):
            raise TypeError
        if not (unknown is None or isinstance(unknown, str)):
            raise TypeError
    except (TypeError, KeyError, ValueError, AttributeError):
        raise FormatError(
            f"{name}: has no vocabulary of tokens with their numbers, as the models WordLevel, "
            "WordPiece and BPE have it"
        ) from None
    if not all(isinstance(word, str) for word in ids):
        raise FormatError(f"{name}: a token is not text")
    return ids, unknown


def _json(path: Path) -> Any:
    content = whole_file(path)
    check_json(shown(path), len(content))
    try:
        return json.loads(content)
    except (ValueError, RecursionError) as error:
        raise FormatError(f"{shown(path)}: is not JSON: {shown(error, 200)}") from None

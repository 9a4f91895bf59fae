"""Formats that are folders: TensorBoard's projector, and a model of sentence-transformers.

A folder appears whole or not at all, so nothing is written over one that is there already.
"""

import codecs
import json
import os
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np

from w2v_hs.checks import shown
from w2v_hs.errors import FormatError
from w2v_hs.files import container as storage
from w2v_hs.files.atomic import new_folder
from w2v_hs.vectors.readers import Place, check_words, parse_values, regular_file
from w2v_hs.vectors.writers import write_projector

CONFIG = """embeddings {
  tensor_name: "vectors"
  tensor_path: "vectors.tsv"
  metadata_path: "metadata.tsv"
}
"""
UNKNOWN = "[UNK]"
KINDS = {"modules.json": "sentence-transformers", "vectors.tsv": "projector"}


def is_folder(path: Path) -> bool:
    """Whether a folder is there; a name that no file can have is none."""
    try:
        return path.is_dir()
    except OSError:
        return False


def kind_of(folder: Path) -> str | None:
    """The format of a folder, by the files in it; None for one of neither format."""
    return next((kind for name, kind in KINDS.items() if (folder / name).exists()), None)


# The projector


def save_projector(path: Path, words: list[str], matrix: np.ndarray) -> None:
    """Write vectors.tsv and metadata.tsv, and a configuration that names them: `tensorboard
    --logdir` and the page of the projector both take them."""
    with new_folder(path) as folder:
        (folder / "projector_config.pbtxt").write_text(CONFIG)
        with (
            (folder / "vectors.tsv").open("wb") as vectors,
            (folder / "metadata.tsv").open("wb") as metadata,
        ):
            write_projector(vectors, metadata, words, matrix)


def read_projector(path: Path) -> tuple[list[str], np.ndarray, Place]:
    """Read vectors.tsv, and the words from metadata.tsv: its only column, or of several with a
    header the one of the name `word` or `label`."""
    rows_name, words_name = shown(path / "vectors.tsv"), shown(path / "metadata.tsv")

    def place(row: int) -> str:
        return f"{rows_name}:{row + 1}"

    words = _projector_words(words_name, regular_file(path / "metadata.tsv").read_bytes())
    matrix = None
    row = 0
    with regular_file(path / "vectors.tsv").open("rb") as stream:
        size = os.fstat(stream.fileno()).st_size
        for line in stream:
            values = parse_values(line.rstrip(b"\r\n").replace(b"\t", b" "))
            if not line.endswith(b"\n"):
                raise FormatError(
                    f"{place(row)}: the file ends in the middle of this line, it is truncated; "
                    "expected a newline after every line, the last one too"
                )
            if not values or (matrix is not None and len(values) != matrix.shape[1]):
                expected = "numbers" if matrix is None else f"{matrix.shape[1]} numbers"
                raise FormatError(f"{place(row)}: expected {expected} with tabs between them")
            if row == len(words):
                raise FormatError(f"{place(row)}: {words_name} has words for {row} rows only")
            if matrix is None:  # a value takes two bytes at least
                matrix = np.empty((min(len(words), size // (2 * len(values))), len(values)), "f4")
            with np.errstate(over="ignore"):  # found as Inf, with its line, by the caller
                matrix[row] = values
            row += 1
    if row < len(words) or matrix is None:
        raise FormatError(f"{rows_name}: {row} rows, {words_name} has {len(words)} words")
    return words, matrix, place


def _projector_words(name: str, content: bytes) -> list[str]:
    try:
        lines = content.removeprefix(codecs.BOM_UTF8).decode().split("\n")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise FormatError(f"{name}:{line}: byte {error.start} is not UTF-8") from None
    if lines.pop():
        raise FormatError(f"{name}:{len(lines) + 1}: the file ends without a newline; is it cut?")
    first = 1
    if lines and "\t" in lines[0]:
        header = lines.pop(0).rstrip("\r").split("\t")
        first = 2
        titles = [title.lower() for title in header]
        column = next((titles.index(t) for t in ("word", "label") if t in titles), 0)
        table = [line.split("\t") for line in lines]
        short = next((row for row, cells in enumerate(table) if len(cells) != len(header)), None)
        if short is not None:
            raise FormatError(
                f"{name}:{first + short}: {len(table[short])} columns, the header has {len(header)}"
            )
        lines = [cells[column] for cells in table]
    words = [line.removesuffix("\r") for line in lines]
    for row, word in enumerate(words):
        if not word or word.isspace() or "\0" in word:
            raise FormatError(
                f"{name}:{first + row}: the word '{shown(word, 60)}' is blank or holds NUL"
            )
    return words


# sentence-transformers


def save_sentence_transformers(path: Path, words: list[str], matrix: np.ndarray) -> None:
    """Write a model of one module, StaticEmbedding: the mean of the vectors of all words.

    The tokenizer splits at white space. It turns text to lower case where no word of the
    vocabulary has an upper-case letter, and so none could be found that has one in the text.
    Words that it does not know are one more row, of zeros.
    """
    unknown = UNKNOWN
    taken = set(words)
    while unknown in taken:
        unknown = f"[{unknown}]"
    lower = all(word == word.lower() for word in words)
    tokenizer: dict[str, Any] = {
        "version": "1.0",
        "truncation": None,
        "padding": None,
        "added_tokens": [],
        "normalizer": {"type": "Lowercase"} if lower else None,
        "pre_tokenizer": {"type": "WhitespaceSplit"},
        "post_processor": None,
        "decoder": None,
        "model": {
            "type": "WordLevel",
            "vocab": {word: row for row, word in enumerate([*words, unknown])},
            "unk_token": unknown,
        },
    }
    kind = "sentence_transformers.models.StaticEmbedding"
    modules = [{"idx": 0, "name": "0", "path": "", "type": kind}]
    import safetensors.numpy

    rows = np.concatenate([matrix, np.zeros((1, matrix.shape[1]), matrix.dtype)])
    with new_folder(path) as folder:
        files = {
            "model.safetensors": safetensors.numpy.save({"embedding.weight": rows}),
            "tokenizer.json": json.dumps(tokenizer, ensure_ascii=False).encode(),
            "modules.json": json.dumps(modules).encode(),
        }
        for name, content in files.items():
            with (folder / name).open("wb") as stream:
                stream.write(content)


def read_sentence_transformers(path: Path) -> tuple[list[str], np.ndarray, Place]:
    """Read the words (or other tokens) and rows of a StaticEmbedding. The row of the unknown token
    is left out where it is zero."""
    name = shown(path)

    def place(row: int) -> str:
        return f"{name}: row {row + 1}"

    folder = path / _static_embedding(path)
    tokenizer = _json(folder / "tokenizer.json")
    arrays, _ = storage.load_tensors(regular_file(folder / "model.safetensors"))
    matrix = arrays.get("embedding.weight", arrays.get("embeddings"))  # the latter: model2vec
    if matrix is None or matrix.ndim != 2 or matrix.dtype.kind != "f" or not matrix.size:
        raise FormatError(
            f"{shown(folder / 'model.safetensors')}: holds no matrix 'embedding.weight' of floats"
        )
    ids, unknown = _vocabulary(shown(folder / "tokenizer.json"), tokenizer)
    if sorted(ids.values()) != list(range(len(matrix))):
        raise FormatError(
            f"{name}: the tokenizer numbers {len(ids)} tokens, the matrix has {len(matrix)} rows; "
            f"expected each number from 0 to {len(matrix) - 1} once"
        )
    words = sorted(ids, key=ids.__getitem__)
    row = None if unknown is None else ids.get(unknown)
    if row is not None and len(words) > 1 and not matrix[row].any():
        del words[row]
        matrix = np.delete(matrix, row, axis=0)
    check_words(words, place)
    with np.errstate(over="ignore"):
        return words, matrix.astype(np.float32, copy=False), place


def _static_embedding(path: Path) -> str:
    """The folder of the StaticEmbedding in a model, which may be followed by Normalize alone."""
    name = shown(path / "modules.json")
    modules = _json(path / "modules.json")
    try:
        kinds = [module["type"].rpartition(".")[2] for module in modules]
        inside = PurePosixPath(modules[0]["path"])
    except (TypeError, KeyError, IndexError, AttributeError):
        raise FormatError(f"{name}: is no list of modules") from None
    if kinds not in (["StaticEmbedding"], ["StaticEmbedding", "Normalize"]):
        found = shown(", ".join(kinds), 200)
        raise FormatError(f"{name}: has the modules {found}; expected StaticEmbedding")
    if inside.is_absolute() or ".." in inside.parts or "\0" in str(inside):
        raise FormatError(f"{name}: the path {shown(inside, 200)!r} leads out of the folder")
    return str(inside)


def _vocabulary(name: str, tokenizer: Any) -> tuple[dict[str, int], str | None]:
    """The number of each token, and the token that stands for those which are unknown."""
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
    content = regular_file(path).read_bytes()
    try:
        return json.loads(content)
    except (ValueError, RecursionError) as error:
        raise FormatError(f"{shown(path)}: is not JSON: {shown(error, 200)}") from None

"""Arrays and a description in one `.safetensors` file, with a checksum of all contents.

The file has the safetensors format (a JSON header, then the bytes of the arrays), so every reader
of that format opens it, and nothing in it can run code. The header contains a SHA-256 of the
description and of the name, dtype, shape and bytes of each array.
"""

import hashlib
import itertools
import json
import os
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from w2v_hs.checks import shown
from w2v_hs.errors import FormatError, MissingFileError
from w2v_hs.files.atomic import replacing
from w2v_hs.files.memory import check_json, check_memory
from w2v_hs.types import Array, Word

_DTYPES = {
    "float64": "F64",
    "float32": "F32",
    "float16": "F16",
    "int64": "I64",
    "int32": "I32",
    "uint8": "U8",
}
_ROWS = 1 << 14  # rows of a matrix hashed or written at a time
DESCRIPTION = "description"
LONGEST_DESCRIPTION = 1 << 24  # characters in the header, which may have 100 MB; a longer one is an array
CHECKPOINT = "checkpoint"  # the part of a description that says where a run stands
UNFINISHED = "chunks.loss"  # an array of those that have not ended alone
# The kinds, in their descriptions, of files that contain no model of words.
VECTORS = "vectors"
TEXT_CLASSIFIER = "text classifier"


def is_container(path: Path) -> bool:
    """Whether a file begins as `save_arrays` begins it. Text does not: it holds no NUL."""
    if not path.is_file():  # a pipe would block
        return False
    try:
        with path.open("rb") as file:
            return file.read(9)[4:] == b"\0\0\0\0{"  # the length of the header, and its first byte
    except OSError:
        return False


def holds_array(path: Path, name: str) -> bool:
    """Whether a file of `save_arrays` holds an array of that name; False for any other file."""
    from safetensors import safe_open

    if not is_container(path):
        return False
    try:
        with safe_open(path, framework="numpy") as file:
            return name in file.keys()  # noqa: SIM118
    except Exception:  # untrusted bytes can make the reader raise anything; who reads it reports it
        return False


def holds_unfinished_run(path: Path) -> bool:
    """Whether a file is the checkpoint of a run that has not ended; False for any other file."""
    return holds_array(path, UNFINISHED)


def save_arrays(path: str | Path, arrays: dict[str, Array], description: dict[str, Any]) -> None:
    """Write arrays and a description, which is anything that JSON can represent.

    Arrays are float16, float32, float64, int32, int64 or uint8, of any shape, contiguous or not.
    They are written in blocks of rows, so a matrix is never copied as a whole; the safetensors
    package copies it twice. `OutputError` if that fails, which leaves an existing file intact.
    """
    path = Path(path)
    text = json.dumps(description, sort_keys=True)
    if len(text) > LONGEST_DESCRIPTION:  # as of a text of a million files
        arrays, text = arrays | {DESCRIPTION: np.frombuffer(text.encode(), np.uint8)}, ""
    header: dict[str, Any] = {"__metadata__": {DESCRIPTION: text, "sha256": _digest(arrays, text)}}
    position = 0
    for name, array in arrays.items():
        size = array.dtype.itemsize * array.size
        header[name] = {
            "dtype": _DTYPES[array.dtype.name],
            "shape": list(array.shape),
            "data_offsets": [position, position + size],
        }
        position += size
    encoded = json.dumps(header).encode()
    encoded += b" " * (-len(encoded) % 8)  # arrays start on a multiple of 8 bytes
    head = len(encoded).to_bytes(8, "little") + encoded

    with (
        replacing(path, len(head) + position, checkpoint=CHECKPOINT in description) as temporary,
        temporary.open("wb") as out,
    ):
        out.write(head)
        for array in arrays.values():
            for block in _blocks(array):
                out.write(block)


def load_arrays(path: str | Path) -> tuple[dict[str, Array], dict[str, Any]]:
    """Read the arrays and the description that `save_arrays` wrote.

    `FormatError` if the file is missing, truncated, damaged, or was not written by this package.
    """
    try:
        arrays, metadata = map_tensors(path)
    except FormatError as error:
        if Path(path).suffix == ".safetensors" or not os.path.isfile(path):  # noqa: PTH113
            raise
        advice = "a model was expected: files of vectors are read by load_vectors"
        raise FormatError(f"{error}; {advice}") from None
    if DESCRIPTION not in metadata or "sha256" not in metadata:
        raise FormatError(f"{shown(path)}: a .safetensors file, but not a model of w2v_hs")
    packed = arrays.pop(DESCRIPTION, None)
    text = metadata[DESCRIPTION] if packed is None else packed.tobytes()
    check_json(shown(path), len(text))
    try:
        description = json.loads(text, parse_constant=_no_number)
    except (ValueError, RecursionError):
        raise FormatError(f"{shown(path)}: its description is not JSON") from None
    check_memory(shown(path), sum(array.nbytes for array in arrays.values()))
    return {name: array.copy() for name, array in arrays.items()}, description


def _no_number(name: str) -> Any:
    """Refuse NaN and Infinity: they are not JSON, but Python's reader accepts them."""
    raise ValueError(name)


def map_tensors(path: str | Path) -> tuple[dict[str, Array], dict[str, str]]:
    """The arrays of any `.safetensors` file, and the text fields of its header, if it has any.

    The arrays are views of the file, which take no memory: copy those that are to stay.
    `FormatError` if the file is missing, truncated, of a dtype that NumPy lacks, or differs from
    the checksum that `save_arrays` stored in it.
    """
    from safetensors import safe_open

    path = Path(path)
    if os.path.isdir(path):  # noqa: PTH112 (never raises, as the next two)
        raise FormatError(f"{shown(path)}: is a folder; give the name of a model file")
    if os.path.exists(path) and not os.path.isfile(path):  # noqa: PTH110, PTH113 (opening a pipe waits for its writer)
        raise FormatError(f"{shown(path)}: is a pipe or a device; give the name of a model file")
    try:
        with safe_open(path, framework="numpy") as file:
            metadata = file.metadata() or {}
            names = file.keys()
        arrays = _views(path, names)
    except FileNotFoundError:
        raise MissingFileError(f"{shown(path)}: no such file") from None
    except Exception as error:  # untrusted bytes can make the reader raise anything
        raise FormatError(f"{shown(path)}: not a readable .safetensors file: {shown(error)}") from None
    if DESCRIPTION in metadata and "sha256" in metadata:
        found = _digest(arrays, metadata[DESCRIPTION])
        if found != metadata["sha256"]:
            raise FormatError(
                f"{shown(path)}: damaged: its contents have the checksum {found[:16]}..., the file "
                f"declares {shown(metadata['sha256'], 16)}; take a copy from a backup"
            )
    return arrays, metadata


def _views(path: Path, names: list[str]) -> dict[str, Array]:
    """Views of the arrays in a file whose header the safetensors package has checked."""
    data = np.memmap(path, np.uint8, "r").view(np.ndarray)
    begin = 8 + int.from_bytes(data[:8].tobytes(), "little")
    header = json.loads(data[8:begin].tobytes())
    arrays = {}
    for name in names:
        kind, (first, end) = header[name]["dtype"], header[name]["data_offsets"]
        dtype = "?" if kind == "BOOL" else f"<{kind[0].lower()}{int(kind[1:]) // 8}"  # or ValueError
        arrays[name] = data[begin + first : begin + end].view(dtype).reshape(header[name]["shape"])
    return arrays


def pack_words(words: Sequence[Word]) -> dict[str, Array]:
    """Pack V words into two arrays that `unpack_words` reads, or three.

    ``words.bytes`` (bytes,) uint8 is the UTF-8 of all words, concatenated; ``words.ends`` (V,)
    int64 says where each word ends in it. If some words are ints, ``words.integers`` (V,) uint8 is
    1 for these.
    """
    encoded = [str(word).encode(errors="surrogatepass") for word in words]
    ends = np.cumsum([len(word) for word in encoded], dtype=np.int64)
    arrays: dict[str, Array] = {"words.bytes": np.frombuffer(b"".join(encoded), np.uint8), "words.ends": ends}
    integers = np.array([not isinstance(word, str) for word in words], np.uint8)
    return arrays | ({"words.integers": integers} if integers.any() else {})


def unpack_words(arrays: dict[str, Array], path: str | Path) -> list[Any]:
    """The words of `pack_words`; `FormatError` if the arrays do not match or are not UTF-8."""
    size, ends = arrays["words.bytes"].nbytes, arrays["words.ends"]
    if (
        ends.ndim != 1
        or ends.dtype != np.int64
        or not 0 < len(ends) <= size
        or ends[0] < 0
        or ends[-1] != size
        or np.any(np.diff(ends) < 0)
    ):
        raise FormatError(f"{shown(path)}: the words do not fill their {size} bytes")
    data = arrays["words.bytes"].tobytes()
    bounds = [0, *ends.tolist()]
    try:
        words = [data[begin:end].decode(errors="surrogatepass") for begin, end in itertools.pairwise(bounds)]
    except UnicodeDecodeError:
        raise FormatError(f"{shown(path)}: a word is not UTF-8") from None
    integers = arrays.get("words.integers")
    return words if integers is None else _as_integers(words, integers, path)


def _as_integers(words: list[str], which: Array, path: str | Path) -> list[Word]:
    """The words, those of which are ints as such; `FormatError` where one is none."""
    if which.shape != (len(words),) or which.dtype != np.uint8:
        raise FormatError(f"{shown(path)}: words.integers does not say of each word whether it is an int")
    mixed: list[Word] = list(words)
    for row in np.flatnonzero(which).tolist():
        word = words[row]
        if not re.fullmatch(r"0|-?[1-9][0-9]{0,4000}", word):
            raise FormatError(f"{shown(path)}: the word {shown(repr(word), 60)} is said to be an int")
        mixed[row] = int(word)
    return mixed


def _blocks(array: Array) -> Iterator[memoryview]:
    """The bytes of an array in C order, in blocks of rows."""
    if array.size == 0:
        return
    array = np.atleast_1d(array)
    for first in range(0, len(array), _ROWS):
        rows = np.ascontiguousarray(array[first : first + _ROWS])
        yield rows.view(np.uint8).data.cast("B")


def _digest(arrays: dict[str, Array], text: str) -> str:
    """SHA-256 of a description and of arrays, whatever their order, as hexadecimal digits."""
    digest = hashlib.sha256(text.encode())
    for name in sorted(arrays):
        array = arrays[name]
        digest.update(f"\n{name} {array.dtype.name} {array.shape}\n".encode())
        for block in _blocks(array):
            digest.update(block)
    return digest.hexdigest()

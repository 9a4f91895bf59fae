"""safetensors: the arrays `vectors`, `words.bytes` and `words.ends`; model files have them, too."""

from dataclasses import replace
from pathlib import Path
from typing import Any

from w2v_hs.checks import shown
from w2v_hs.errors import FormatError
from w2v_hs.files import container
from w2v_hs.files.memory import check_memory
from w2v_hs.types import Array
from w2v_hs.vectors.contents import Contents, as_float32, check_lengths, check_words, row_place
from w2v_hs.vectors.subwords import read_subwords


def save_safetensors(path: Path, words: list[Any], matrix: Array) -> None:
    """Write vectors, words and a description with a checksum."""
    arrays = {"vectors": matrix, **container.pack_words(words)}
    container.save_arrays(path, arrays, {"kind": container.VECTORS})


def read_safetensors(path: Path) -> Contents:
    """Read the arrays `vectors`, `words.bytes` and `words.ends`; model files have them, too."""
    name = shown(path)
    place = row_place(name)
    arrays, _ = container.map_tensors(path)
    for array in ("vectors", "words.bytes", "words.ends"):
        if array not in arrays:
            found = shown(", ".join(map(repr, arrays)), 200)
            raise FormatError(
                f"{name}: holds no array {array!r} but {found or 'none'}; expected 'vectors', "
                "'words.bytes' and 'words.ends'"
            )
    matrix = arrays["vectors"]
    if matrix.dtype.kind != "f" or matrix.ndim != 2 or not matrix.size:
        raise FormatError(
            f"{name}: 'vectors' is {matrix.dtype} of shape {matrix.shape}; expected float32 of shape (V, dim)"
        )
    words = container.unpack_words(arrays, path)
    check_lengths(name, len(words), len(matrix))
    check_words(list(map(str, words)), place)
    subwords = read_subwords(name, arrays, matrix.shape)
    check_memory(name, sum(array.nbytes for array in arrays.values()))
    if subwords is not None:
        subwords = replace(subwords, rows=subwords.rows.copy())
    return Contents(words, as_float32(matrix, copy=True), place, subwords)

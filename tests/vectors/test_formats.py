"""Files of vectors: round trips, gensim as the other side, and damage of every kind."""

import io
import os
import pickle
import resource
import shutil
import struct
import tracemalloc
import zipfile

import numpy as np
import pytest
from hypothesis import HealthCheck, assume, example, given, settings
from hypothesis import strategies as st
from vector_cases import AWKWARD_VALUES, AWKWARD_WORDS, same, words_and_matrix

from w2v_hs.cli.parameters import FORMAT_NAMES
from w2v_hs.errors import FormatError, OptionError, OutputError
from w2v_hs.vectors import formats
from w2v_hs.vectors.contents import BLOCK_VALUES
from w2v_hs.vectors.formats import FILE_FORMATS, FOLDER_FORMATS, FORMATS, load_vectors, save_vectors
from w2v_hs.vectors.vectors import Vectors

SUFFIX = {
    "word2vec-text": ".txt",
    "word2vec-binary": ".bin",
    "glove": ".glove",
    "npz": ".npz",
    "safetensors": ".safetensors",
    "parquet": ".parquet",
    "arrow": ".arrow",
}
GENSIM = {"word2vec-text": {}, "word2vec-binary": {"binary": True}, "glove": {"no_header": True}}
# Round trips


@pytest.mark.parametrize("format", FOLDER_FORMATS)
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=30)
@given(case=words_and_matrix())
@example(case=(AWKWARD_WORDS, AWKWARD_VALUES))
@example(case=(["[UNK]", "[[UNK]]", "A"], np.ones((3, 2), np.float32)))
@example(case=(["a", "b"], np.zeros((2, 2), np.float32)))
def test_folders_read_back_bit_for_bit(tmp_path, format, case):
    assume(format != "projector" or case[1].shape[1] > 1)
    path = tmp_path / "folder"
    shutil.rmtree(path, ignore_errors=True)
    save_vectors(Vectors(*case), path, format=format)
    same(load_vectors(path), *case)


@pytest.mark.parametrize("format", FILE_FORMATS)
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(case=words_and_matrix())
@example(case=(AWKWARD_WORDS, AWKWARD_VALUES))
@example(case=(["\u200b", "\ufeff", "\ufeffa"], np.ones((3, 1), np.float32)))
def test_what_is_written_reads_back_bit_for_bit(tmp_path, format, case):
    path = tmp_path / f"v{SUFFIX[format]}"
    save_vectors(Vectors(*case), path)
    same(load_vectors(path), *case)


@pytest.mark.parametrize("format", GENSIM)
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(case=words_and_matrix())
@example(case=(AWKWARD_WORDS, AWKWARD_VALUES))
def test_gensim_reads_what_is_written(gensim, tmp_path, format, case):
    path = tmp_path / f"v{SUFFIX[format]}"
    save_vectors(Vectors(*case), path)
    keyed = gensim.models.KeyedVectors.load_word2vec_format(path, **GENSIM[format])
    same(Vectors(keyed.index_to_key, keyed.vectors), *case)


@pytest.mark.parametrize("format", ["word2vec-text", "word2vec-binary"])
def test_files_of_gensim_are_read(gensim, tmp_path, format):
    path = tmp_path / f"v{SUFFIX[format]}"
    keyed = gensim.models.KeyedVectors(4)
    keyed.add_vectors(AWKWARD_WORDS, AWKWARD_VALUES)
    keyed.save_word2vec_format(path, binary=format == "word2vec-binary")
    same(load_vectors(path), AWKWARD_WORDS, AWKWARD_VALUES)


@pytest.mark.parametrize("format", FILE_FORMATS)
def test_rows_of_a_padded_matrix_over_several_blocks(tmp_path, format):
    """Four rows are more than one block, and the last block is not full."""
    dim = BLOCK_VALUES // 3
    padded = np.random.default_rng(3).integers(0, 9, (4, dim + 6)).astype(np.float32)
    words = ["a", "b", "c", "d"]
    path = tmp_path / f"v{SUFFIX[format]}"
    save_vectors(Vectors(words, padded[:, :dim]), path)
    same(load_vectors(path), words, padded[:, :dim])


@pytest.mark.parametrize("sign", [0, 0x80000000])
def test_the_float32_whose_shortest_decimal_readers_round_twice(tmp_path, sign):
    matrix = np.array([[0x15AE43FD ^ sign, 0x15AE43FE ^ sign]], dtype=np.uint32).view(np.float32)
    save_vectors(Vectors(["a"], matrix), tmp_path / "v.txt")
    same(load_vectors(tmp_path / "v.txt"), ["a"], matrix)
    assert len((tmp_path / "v.txt").read_bytes().split()[3]) <= 14


def test_the_bytes_of_each_format(tmp_path):
    vectors = Vectors(["of", "ä"], np.array([[0.5, -2], [1e-7, 3]], dtype=np.float32))
    for format in ("word2vec-text", "word2vec-binary", "glove", "npz"):
        save_vectors(vectors, tmp_path / format, format=format)
    assert (tmp_path / "word2vec-text").read_text("utf-8") == "2 2\nof 0.5 -2.0\nä 1e-7 3.0\n"
    assert (tmp_path / "glove").read_text("utf-8") == "of 0.5 -2.0\nä 1e-7 3.0\n"
    assert (tmp_path / "word2vec-binary").read_bytes() == (
        b"2 2\nof " + struct.pack("<2f", 0.5, -2) + b"\n\xc3\xa4 " + struct.pack("<2f", 1e-7, 3)
    ) + b"\n"
    with np.load(tmp_path / "npz", allow_pickle=False) as arrays:
        assert arrays["words"].tolist() == ["of", "ä"]
        np.testing.assert_array_equal(arrays["vectors"], vectors.matrix)


# What other programs write


@pytest.mark.parametrize(
    "text",
    [
        "2 3\na 1 2 3\nb 4 5 6\n",
        "2 3\na 1 2 3 \nb 4 5 6 \n",  # word2vec.c
        "2 3\r\na 1 2 3\r\nb 4 5 6\r\n",
        "\ufeff2 3\na 1 2 3\nb 4 5 6\n",
        "a 1 2 3\nb 4 5 6\n",  # GloVe
        "\ufeffa 1 2 3\nb 4 5 6\n",
        "a  1.  2.00 +3\nb 4e0 .5e1 0006\n",
    ],
)
@pytest.mark.parametrize("suffix", [".txt", ".vec"])
def test_text_with_and_without_a_header(tmp_path, text, suffix):
    path = tmp_path / f"v{suffix}"
    path.write_bytes(text.encode())
    same(load_vectors(path), ["a", "b"], np.array([[1, 2, 3], [4, 5, 6]], np.float32))


@pytest.mark.parametrize("end", [b"", b"\n"])
def test_binary_with_and_without_newlines(tmp_path, end):
    matrix = np.array([[1, 2], [3, 4]], dtype="<f4")
    rows = b"".join(word + b" " + row.tobytes() + end for word, row in zip([b"a", b"b"], matrix, strict=True))
    path = tmp_path / "v.bin"
    path.write_bytes(b"2 2\n" + rows)
    same(load_vectors(path), ["a", "b"], matrix)


@pytest.mark.parametrize("words", [np.array(["ä", "b c"]), np.array(["ä".encode(), b"b c"])])
@pytest.mark.parametrize("dtype", ["<f4", ">f4", "<f8"])
@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
def test_npz_of_other_programs(tmp_path, words, dtype, save):
    matrix = np.array([[1, 0.5, 3], [4, 5, 6]])
    save(tmp_path / "v.npz", words=words, vectors=np.asfortranarray(matrix, dtype=dtype))
    same(load_vectors(tmp_path / "v.npz"), ["ä", "b c"], matrix.astype(np.float32))


@pytest.mark.parametrize("text", ["1 2\nnew york city 1 2\n", "new york city 1 2\n"])
def test_spaces_in_words_when_asked_for(tmp_path, text):
    path = tmp_path / "v.txt"
    path.write_text(text)
    same(load_vectors(path, spaces_in_words=True), ["new york city"], np.float32([[1, 2]]))
    with pytest.raises(FormatError, match=r"v.txt:[12]: .*'city'.*spaces_in_words"):
        load_vectors(path)


def test_spaces_in_words_of_a_binary_file_cannot_be_told(tmp_path):
    with pytest.raises(OptionError, match="a space ends the word"):
        load_vectors(tmp_path / "v.bin", spaces_in_words=True)


@pytest.mark.parametrize("format", FILE_FORMATS)
@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_nonfinite_values_are_an_error_unless_allowed(tmp_path, format, value):
    matrix = np.array([[1, 2], [3, value]], dtype=np.float32)
    path = tmp_path / f"v{SUFFIX[format]}"
    if format in ("word2vec-text", "glove"):
        header = "2 2\n" * (format == "word2vec-text")
        path.write_text(f"{header}a 1 2\nb 3 {value}\n")
    else:
        save_vectors(Vectors(["a", "b"], matrix), path)
    line = {"word2vec-text": "v.txt:3", "glove": "v.glove:2"}.get(format, "row 2")
    with pytest.raises(FormatError, match=f"{line}: the vector of 'b' holds NaN or Inf"):
        load_vectors(path)
    same(load_vectors(path, allow_nonfinite=True), ["a", "b"], matrix)


def test_the_row_of_a_nonfinite_value_is_right_beyond_the_first_block(tmp_path):
    matrix = np.zeros((5, BLOCK_VALUES // 2), np.float32)  # two rows are one block
    matrix[3, 7] = np.nan
    save_vectors(Vectors(["a", "b", "c", "d", "e"], matrix), tmp_path / "v.npz")
    with pytest.raises(FormatError, match=r"v.npz: row 4: the vector of 'd'"):
        load_vectors(tmp_path / "v.npz")


# Damage. What comes first is the file, then what the message has to say.

TEXT_FAULTS = {
    "short row": ("1 3\na 1\n", "v.txt:2: 1 value where the header says 3"),
    "short second row": ("2 3\na 1 2 3\nb 1\n", "v.txt:3: 1 value where the header says 3"),
    "long row": ("1 3\na 1 2 3 4\n", "v.txt:2: 4 values where the header says 3"),
    "word alone": ("1 3\na\n", "v.txt:2: 0 values where the header says 3"),
    "cut in the last number": (
        "2 2\na 1 2\nb 3 41",
        "v.txt:3: the file ends in the middle of this line, it is truncated; expected a newline",
    ),
    "cut in a row": ("2 2\na 1 2\nb 3", "v.txt:3: the file ends in the middle of this line"),
    "cut in a word": ("2 2\na 1 2\nb", "v.txt:3: the file ends in the middle of this line"),
    "GloVe cut in the last number": ("a 1 2\nb 3 41", "v.txt:2: the file ends in the middle"),
    "GloVe cut in the only row": ("a 1 2", "v.txt:1: the file ends in the middle of this line"),
    "a mark in place of the first word": ("\ufeff 1.5 2\n", "v.txt:1: ' 1.5 2' where a word"),
    "NUL in a word": ("2 1\na 1\nb\0c 1\n", "v.txt:3: NUL in the word"),
    "GloVe, NUL in a word": ("a\0b 1\n", "v.txt:1: NUL in the word"),
    "GloVe, underscores": ("a 1 2\nb 1_0 2\n", "v.txt:2: '1_0' is not a number"),
    "other digits": ("1 2\na １ 2\n", "v.txt:2: '１' is not a number"),
    "GloVe short row": ("a 1 2 3\nb 1\n", "v.txt:2: 1 value where line 1 has 3"),
    "GloVe long row": ("a 1 2\nb 1 2 3\n", "v.txt:2: 3 values where line 1 has 2"),
    "GloVe without values": ("a\nb 1\n", "v.txt:1: 0 values"),
    "empty line": ("2 1\na 1\n\nb 1\n", "v.txt:3: '' where a word"),
    "no word": ("1 2\n 1 2\n", "v.txt:2: ' 1 2' where a word"),
    "no number": ("1 2\na 1 x\n", "v.txt:2: 'x' is not a number"),
    "decimal commas": ("1 2\na 0,5 1\n", "v.txt:2: '0,5' is not a number"),
    "JSON": ("1 2\na null true\n", "v.txt:2: 'null' is not a number"),
    "underscores": ("1 2\na 1_0 1\n", "v.txt:2: '1_0' is not a number"),
    "too large for float32": ("1 2\na 1e39 1\n", "v.txt:2: the vector of 'a' holds NaN or Inf"),
    "too large for float64": ("1 2\na 1e999 1\n", "v.txt:2: the vector of 'a' holds NaN or Inf"),
    "a word twice": ("3 1\na 1\nb 1\na 2\n", "v.txt:4: the word 'a' again, first at .*v.txt:2"),
    "GloVe, a word twice": ("a 1.5\na 2\n", "v.txt:2: the word 'a' again, first at .*v.txt:1"),
    "header declares fewer": ("1 1\na 1\nb 1\nc 1\n", "header declares 1 rows, file holds 3"),
    "header declares more": ("3 1\na 1\nb 1\n", "declares 3 rows, file ends after 2"),
    "enormous header": (
        f"{10**12} 300\na" + " 1" * 300 + "\n",
        "declares 1000000000000 rows, file ends after 1",
    ),
    "enormous rows": (f"1 {10**12}\na 1\n", "v.txt:2: 1 value where the header says 1000000000000"),
    "nothing after the header": ("3 1\n", "declares 3 rows, file ends after 0"),
    "empty file": ("", "v.txt: the file is empty"),
    "negative words": ("-1 3\na 1 2 3\n", "v.txt:1: header declares -1 words of 3 values"),
    "negative dimensions": ("1 -3\na 1 2 3\n", "v.txt:1: header declares 1 words of -3 values"),
    "no dimensions": ("1 0\na\n", "v.txt:1: header declares 1 words of 0 values"),
    "no words": ("0 3\n", "v.txt:1: header declares 0 words of 3 values"),
    "a space in a word": (
        "2 2\na 1 2\nnew york 1 2\n",
        "v.txt:3: 'york' where the header says 2: a space inside the word",
    ),
    "not UTF-8": (b"2 1\na 1\nab\xe9 2\n", "v.txt:3: byte 3 of the word, 0xe9, is not UTF-8"),
    "binary": (
        b"1 2\na " + struct.pack("<2f", 0.5, -0.3) + b"\n",
        "v.txt:2: .*is not UTF-8 text; is it word2vec-binary?",
    ),
}


@pytest.mark.parametrize("content, message", TEXT_FAULTS.values(), ids=TEXT_FAULTS.keys())
def test_damaged_text(tmp_path, content, message):
    path = tmp_path / "v.txt"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(FormatError, match=message) as caught:
        load_vectors(path)
    assert "\n" not in str(caught.value)


ROW = struct.pack("<3f", 0.5, -0.3, 2)
BINARY_FAULTS = {
    "truncated in a vector": (
        b"3 3\na " + ROW + b"\nb " + ROW + b"\nc " + ROW[:-1],
        "declares 3 rows, file ends after 2",
    ),
    "truncated in a word": (b"2 3\na " + ROW + b"\nb", "declares 2 rows, file ends after 1"),
    "header declares more": (b"3 3\na " + ROW + b"b " + ROW, "declares 3 rows, file ends after 2"),
    "header declares fewer": (
        b"1 3\na " + ROW + b"\nb " + ROW,
        "declares 1 rows, 14 bytes follow after them",
    ),
    "enormous header": (b"%d 300\na " % 10**12 + ROW * 100, "declares 1000000000000 rows, file ends after 1"),
    "enormous rows": (b"1 %d\na " % 10**25 + ROW, "declares 1 rows, file ends after 0"),
    "a word twice": (b"2 3\na " + ROW + b"\na " + ROW + b"\n", "row 2: the word 'a' again, first at .*row 1"),
    "not UTF-8": (
        b"2 3\na " + ROW + b"\nab\xff " + ROW + b"\n",
        "row 2: byte 3 of the word, 0xff, is not UTF-8",
    ),
    "a newline in a word": (
        b"2 3\na " + ROW + b"\nb\nc " + ROW,
        r"row 2: a newline in the word 'b\\nc'; expected 3 values",
    ),
    "NUL in a word": (b"1 3\na\0b " + ROW, "row 1: NUL in the word"),
    "no word": (b"1 3\n " + ROW, "row 1: a space where a word is expected"),
    "empty file": (b"", "v.bin: the file is empty"),
    "negative header": (b"-1 3\na " + ROW, "v.bin:1: header declares -1 words of 3 values"),
    "no dimensions": (b"1 0\na \n", "v.bin:1: header declares 1 words of 0 values"),
    "no header": (b"a " + ROW, "v.bin:1: .*where a header 'V D'"),
    "text": (b"1 3\na 0.5 1 2\n", "v.bin:2: holds decimals; read it as word2vec-text"),
    "GloVe text": (b"a 0.5 1\nb 1 2\n", "v.bin:1: 'a 0.5 1' where a header .*glove"),
}


@pytest.mark.parametrize("content, message", BINARY_FAULTS.values(), ids=BINARY_FAULTS.keys())
def test_damaged_binary(tmp_path, content, message):
    path = tmp_path / "v.bin"
    path.write_bytes(content)
    with pytest.raises(FormatError, match=message) as caught:
        load_vectors(path)
    assert "\n" not in str(caught.value)


def test_enormous_rows_with_spaces_in_words(tmp_path):
    (tmp_path / "v.txt").write_text(f"1 {10**25}\nnew york 1\n")
    with pytest.raises(FormatError, match=r"v.txt:2: "):
        load_vectors(tmp_path / "v.txt", spaces_in_words=True)


@pytest.mark.parametrize("suffix", [".txt", ".bin"])
def test_an_enormous_header_allocates_nothing(tmp_path, suffix):
    path = tmp_path / f"v{suffix}"
    row = b" 1" * 300 + b"\n" if suffix == ".txt" else b" " + b"\0" * 1200
    path.write_bytes(b"%d 300\na" % 10**12 + row)
    tracemalloc.start()
    try:
        with pytest.raises(FormatError, match="declares 1000000000000 rows, file ends after 1"):
            load_vectors(path)
        assert tracemalloc.get_traced_memory()[1] < 2**20
    finally:
        tracemalloc.stop()


def npy(array: np.ndarray) -> bytes:
    stream = io.BytesIO()
    np.lib.format.write_array(stream, array)
    return stream.getvalue()


def npy_header(shape: tuple, descr: str) -> bytes:
    stream = io.BytesIO()
    header = {"shape": shape, "fortran_order": False, "descr": descr}
    np.lib.format.write_array_header_1_0(stream, header)
    return stream.getvalue()


WORDS, MATRIX = npy(np.array(["a", "b"])), npy(np.ones((2, 3), np.float32))
HUGE = npy_header((10**6, 10**6), "<f4")
NPZ_FAULTS = {
    "no words": ({"vectors.npy": MATRIX}, "holds no array 'words'"),
    "no vectors": ({"words.npy": WORDS}, "holds no array 'vectors'"),
    "words fewer than vectors": (
        {"words.npy": npy(np.array(["a"])), "vectors.npy": MATRIX},
        "1 words and 2 vectors",
    ),
    "vectors of one dimension": (
        {"words.npy": WORDS, "vectors.npy": npy(np.ones(2, np.float32))},
        r"'vectors' is float32 of shape \(2,\); expected float32 of shape \(V, dim\)",
    ),
    "whole numbers": (
        {"words.npy": WORDS, "vectors.npy": npy(np.ones((2, 3), np.int64))},
        "'vectors' is int64",
    ),
    "no dimensions": (
        {"words.npy": WORDS, "vectors.npy": npy(np.ones((2, 0), np.float32))},
        r"shape \(2, 0\)",
    ),
    "numbers for words": ({"words.npy": npy(np.ones(2)), "vectors.npy": MATRIX}, "expected text"),
    "a word twice": (
        {"words.npy": npy(np.array(["a", "a"])), "vectors.npy": MATRIX},
        "row 2: the word 'a' again, first at .*row 1",
    ),
    "not UTF-8": (
        {"words.npy": npy(np.array([b"a", b"\xff"])), "vectors.npy": MATRIX},
        "row 2: byte 1 of the word, 0xff, is not UTF-8",
    ),
    "a header larger than its data": (
        {"words.npy": WORDS, "vectors.npy": HUGE},
        "'vectors' declares 4000000000128 bytes, the archive holds 128",
    ),
    "data after the array": (
        {"words.npy": WORDS, "vectors.npy": MATRIX + b"more"},
        "'vectors' declares 152 bytes, the archive holds 156",
    ),
    "an empty word": (
        {"words.npy": npy(np.array(["a", ""])), "vectors.npy": MATRIX},
        "row 2: the word '' is empty or holds NUL",
    ),
    "no character of Unicode": (
        {"words.npy": npy(np.frombuffer(b"a\0\0\0\0\0\x11\0", "<U1")), "vectors.npy": MATRIX},
        "not a whole npz archive: invalid maximum character",
    ),
    "words that are all empty": (
        {"words.npy": npy(np.array(["", ""], "U0")), "vectors.npy": MATRIX},
        "row 1: the word '' is empty",
    ),
    "NUL in a word": (
        {"words.npy": npy(np.array(["a", "b\0c"])), "vectors.npy": MATRIX},
        r"row 2: the word 'b\\x00c' is empty or holds NUL",
    ),
    "a header of Python 2": (
        {"words.npy": WORDS, "vectors.npy": MATRIX.replace(b"(2, 3), } ", b"(2L, 3L), }")},
        "not a whole npz archive: Reading .* created on Python 2",
    ),
    "no array at all": ({"words.npy": WORDS, "vectors.npy": b"hello"}, "not a whole npz archive"),
}


@pytest.mark.parametrize("members, message", NPZ_FAULTS.values(), ids=NPZ_FAULTS.keys())
def test_damaged_npz(tmp_path, members, message):
    with zipfile.ZipFile(tmp_path / "v.npz", "w") as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    with pytest.raises(FormatError, match=message) as caught:
        load_vectors(tmp_path / "v.npz")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "compression", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA]
)
def test_every_bit_of_an_npz_may_be_flipped(tmp_path, compression):
    """Whatever the decompressors and the parser of headers raise, it is a message of one line."""
    path = tmp_path / "v.npz"
    with zipfile.ZipFile(path, "w", compression) as archive:
        archive.writestr("words.npy", WORDS)
        archive.writestr("vectors.npy", MATRIX)
    whole = path.read_bytes()
    for place in range(len(whole)):
        damaged = bytearray(whole)
        damaged[place] ^= 1 << place % 8
        path.write_bytes(damaged)
        try:
            load_vectors(path, allow_nonfinite=True)
        except FormatError as error:
            assert "\n" not in str(error)


@pytest.mark.parametrize("size", [0, 40, 85])
@pytest.mark.parametrize("byte", [b"(", b"'", b"{", b"\0", b"9", b"\xff"])
def test_a_damaged_header_in_an_npz_with_right_checksums(tmp_path, size, byte):
    header = MATRIX[: 10 + size] + byte * (118 - size) + MATRIX[128:]
    with zipfile.ZipFile(tmp_path / "v.npz", "w") as archive:
        archive.writestr("words.npy", WORDS)
        archive.writestr("vectors.npy", header)
    with pytest.raises(FormatError, match="not a whole npz archive") as caught:
        load_vectors(tmp_path / "v.npz")
    assert "\n" not in str(caught.value)


class Bomb:
    """Leaves a trace when it is unpickled."""

    exploded = False

    def __reduce__(self):
        return setattr, (Bomb, "exploded", True)


@pytest.mark.parametrize("name", ["words", "vectors"])
def test_a_pickle_in_npz_is_not_run(tmp_path, name):
    arrays = {"words": np.array(["a"]), "vectors": np.ones((1, 1), np.float32)}
    arrays[name] = np.array([Bomb()], dtype=object)
    np.savez(tmp_path / "v.npz", **arrays)
    with pytest.raises(FormatError, match=f"'{name}' holds pickled objects"):
        load_vectors(tmp_path / "v.npz")
    assert not Bomb.exploded


@pytest.mark.parametrize("suffix", SUFFIX.values())
def test_a_bare_pickle_is_not_run(tmp_path, suffix):
    (tmp_path / f"v{suffix}").write_bytes(pickle.dumps(Bomb()))
    with pytest.raises(FormatError):
        load_vectors(tmp_path / f"v{suffix}")
    assert not Bomb.exploded


def test_a_zip_bomb_is_refused_before_it_unfolds(tmp_path):
    rows = 30_000_000
    with zipfile.ZipFile(tmp_path / "v.npz", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("words.npy", WORDS)
        with archive.open("vectors.npy", "w") as member:
            member.write(npy_header((rows, 1), "<f4"))
            for _ in range(30):
                member.write(bytes(4 * rows // 30))
    tracemalloc.start()
    try:
        with pytest.raises(FormatError, match=r"'vectors' declares 120000128 bytes.*at most"):
            load_vectors(tmp_path / "v.npz")
        assert tracemalloc.get_traced_memory()[1] < 10**7
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("format", FILE_FORMATS)
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(data=st.data())
def test_a_cut_file_is_never_read_as_whole(tmp_path, format, data):
    """Text without a header cannot show that lines are missing; all others must."""
    path = tmp_path / f"v{SUFFIX[format]}"
    save_vectors(Vectors(AWKWARD_WORDS, AWKWARD_VALUES), path)
    whole = path.read_bytes()
    kept = data.draw(st.integers(0, len(whole) - 1), label="bytes kept")
    path.write_bytes(whole[:kept])
    try:
        vectors = load_vectors(path)
    except FormatError:
        return
    assert format == "glove"
    same(vectors, AWKWARD_WORDS[: len(vectors)], AWKWARD_VALUES[: len(vectors)])


@pytest.mark.parametrize("format", FILE_FORMATS)
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(data=st.data())
def test_whatever_byte_is_changed_the_error_is_a_message(tmp_path, format, data):
    path = tmp_path / f"v{SUFFIX[format]}"
    save_vectors(Vectors(AWKWARD_WORDS, AWKWARD_VALUES), path)
    content = bytearray(path.read_bytes())
    place = data.draw(st.integers(0, len(content) - 1), label="place")
    content[place] = data.draw(st.integers(0, 255), label="byte")
    path.write_bytes(content)
    try:
        load_vectors(path, allow_nonfinite=data.draw(st.booleans()))
    except FormatError as error:
        assert "\n" not in str(error)


# Suffixes and names


def test_the_table_names_known_formats_only():
    assert set(formats.SUFFIXES.values()) == set(FILE_FORMATS)
    assert set(FORMAT_NAMES) == set(FORMATS)


@pytest.mark.parametrize("name", ["v.onnx", "v", "v.pkl"])
def test_an_unknown_suffix_names_the_formats(tmp_path, name):
    vectors = Vectors(["a"], np.ones((1, 1)))
    (tmp_path / name).write_bytes(b"something")
    for action in (load_vectors, lambda path: save_vectors(vectors, path)):
        with pytest.raises(FormatError, match="unknown suffix") as caught:
            action(tmp_path / name)
        assert all(format in str(caught.value) for format in FORMATS)


def test_the_format_goes_before_the_suffix(tmp_path):
    vectors = Vectors(["a"], np.ones((1, 1), np.float32))
    save_vectors(vectors, tmp_path / "v.pkl", format="word2vec-binary")
    same(load_vectors(tmp_path / "v.pkl", format="word2vec-binary"), ["a"], vectors.matrix)
    with pytest.raises(OptionError, match="format is 'pickle'; expected one of word2vec-text"):
        load_vectors(tmp_path / "v.pkl", format="pickle")


def test_a_header_that_was_asked_for_must_be_there(tmp_path):
    (tmp_path / "v.txt").write_text("a 1 2\n")
    with pytest.raises(FormatError, match=r"v.txt:1: 'a 1 2' where a header .*glove"):
        load_vectors(tmp_path / "v.txt", format="word2vec-text")


def test_a_header_where_none_is_expected(tmp_path):
    (tmp_path / "v.glove").write_text("1 2\na 1 2\n")
    with pytest.raises(FormatError, match=r"v.glove:2: 2 values .*is line 1 the header of"):
        load_vectors(tmp_path / "v.glove")


def test_a_file_that_is_not_there(tmp_path):
    with pytest.raises(FormatError, match=r"v.txt: cannot be read: No such file"):
        load_vectors(tmp_path / "v.txt")


def test_what_is_no_regular_file_is_refused_without_waiting(tmp_path):
    os.mkfifo(tmp_path / "v.txt")
    with pytest.raises(FormatError, match=r"v.txt: is a pipe or a device, not a regular file"):
        load_vectors(tmp_path / "v.txt")
    (tmp_path / "v.glove").mkdir()
    with pytest.raises(FormatError, match=r"v.glove: is a folder, not a regular file"):
        load_vectors(tmp_path / "v.glove")


@pytest.mark.parametrize("format", FORMATS)
def test_names_that_no_file_can_have(tmp_path, format):
    vectors = Vectors(["a"], np.ones((1, 2)))
    for name, fault in (("a\0b", "embedded null"), ("n" * 300, "File name too long")):
        path = tmp_path / name
        with pytest.raises(FormatError, match=f"cannot be read: {fault}"):
            load_vectors(f"{path}.txt")
        with pytest.raises(FormatError, match=f"cannot be read: {fault}") as caught:
            load_vectors(path, format=format)
        assert "\0" not in str(caught.value)
        with pytest.raises(OutputError, match=fault):
            save_vectors(vectors, path, format=format)


def test_a_message_is_one_line_whatever_the_name(tmp_path):
    path = tmp_path / "two\nlines.txt"
    refused = Vectors(["a b"], np.ones((1, 1)))
    path.write_text("2 1\na 1\na 2\n")
    for action in (load_vectors, lambda path: save_vectors(refused, path)):
        for where in (path, path.with_suffix(".unknown")):
            with pytest.raises(FormatError, match=r"two\\nlines") as caught:
                action(where)
            assert "\n" not in str(caught.value)


# What cannot be written


@pytest.fixture
def old_file(tmp_path):
    """A path that holds something, and a check that it still does, and nothing beside it."""
    path = tmp_path / "v"
    path.write_bytes(b"old")
    yield path
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


SPACES = [chr(code) for code in range(0x3001) if chr(code).isspace()]


@pytest.mark.parametrize("format", ["word2vec-text", "word2vec-binary", "glove", "sentence-transformers"])
@pytest.mark.parametrize("word", ["new york", "", " a", "a\n"] + [f"a{s}b" for s in SPACES])
def test_a_word_with_white_space_is_refused_before_the_first_byte(old_file, format, word):
    vectors = Vectors(["first", word], np.ones((2, 2)))
    with pytest.raises(FormatError) as caught:
        save_vectors(vectors, old_file, format=format)
    assert f"the word {word!r}" in str(caught.value)
    if word:
        remedy = f"{format} cannot hold it, npz, safetensors, parquet, arrow can"
        assert str(caught.value).endswith(remedy)


def test_npz_holds_words_with_white_space(tmp_path):
    words = ["new york", "a\nb", "\u3000", "\ufeffa"]
    save_vectors(Vectors(words, np.ones((4, 1))), tmp_path / "v.npz")
    assert load_vectors(tmp_path / "v.npz").words == words


@pytest.mark.parametrize("format", FORMATS)
@pytest.mark.parametrize("word", ["", "a\0", "a\0b"])
def test_words_that_no_format_holds(old_file, format, word):
    with pytest.raises(FormatError, match="is empty or holds NUL; no format holds it"):
        save_vectors(Vectors(["first", word], np.ones((2, 1))), old_file, format=format)


def test_glove_refuses_a_first_word_that_begins_with_a_byte_order_mark(old_file):
    with pytest.raises(FormatError, match=r"the word '\\ufeffa' begins with U\+FEFF"):
        save_vectors(Vectors(["\ufeffa", "b"], np.ones((2, 1))), old_file, format="glove")


@pytest.mark.parametrize("format", [f for f in FORMATS if f not in ("glove", "projector")])
def test_a_first_word_that_begins_with_a_byte_order_mark_after_a_header(tmp_path, format):
    matrix = np.ones((2, 1), np.float32)
    save_vectors(Vectors(["\ufeffa", "b"], matrix), tmp_path / "v", format=format)
    same(load_vectors(tmp_path / "v", format=format), ["\ufeffa", "b"], matrix)


@pytest.mark.parametrize("format", ["parquet", "arrow", "safetensors"])
def test_tables_and_safetensors_hold_words_with_white_space(tmp_path, format):
    words = ["new york", "a\nb", "\u3000", "\ufeffa"]
    save_vectors(Vectors(words, np.ones((4, 1))), tmp_path / "v", format=format)
    assert load_vectors(tmp_path / "v", format=format).words == words


@pytest.mark.parametrize("format", [f for f in FORMATS if f not in ("npz", "safetensors")])
def test_a_word_that_is_not_unicode_is_refused(old_file, format):
    with pytest.raises(FormatError, match="cannot be written as UTF-8"):
        save_vectors(Vectors(["a\udcff"], np.ones((1, 1))), old_file, format=format)


@pytest.mark.parametrize("format", ["word2vec-text", "glove", "projector"])
@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_text_refuses_nonfinite_values(old_file, format, value):
    matrix = np.array([[1, 2], [3, value]])
    with pytest.raises(FormatError, match="the vector of 'b' holds NaN or Inf"):
        save_vectors(Vectors(["a", "b"], matrix), old_file, format=format)


@pytest.mark.parametrize("format", FORMATS)
@pytest.mark.parametrize("shape", [(0, 3), (2, 0)])
def test_nothing_to_write_is_refused(old_file, format, shape):
    with pytest.raises(FormatError, match="no vectors to write"):
        save_vectors(Vectors(["a", "b"][: shape[0]], np.ones(shape)), old_file, format=format)


@pytest.mark.parametrize("format", FILE_FORMATS)
def test_a_write_that_fails_half_way_leaves_the_old_file(tmp_path, old_file, format):
    """The system takes only half of the bytes, as on a full disk."""
    vectors = Vectors(["a", "b"], np.random.default_rng(1).random((2, 100_000)))
    whole = tmp_path / "whole"
    save_vectors(vectors, whole, format=format)
    size = whole.stat().st_size
    whole.unlink()
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size // 2, limits[1]))
    try:
        with pytest.raises(OutputError, match="File too large"):
            save_vectors(vectors, old_file, format=format)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)


@pytest.mark.parametrize("format", FOLDER_FORMATS)
def test_a_folder_is_written_whole_or_not_at_all(tmp_path, monkeypatch, format):
    vectors, path = Vectors(["a", "b"], np.ones((2, 2))), tmp_path / "v"

    def fail(*arguments):
        raise OSError(28, "No space left on device")

    for broken in ("pathlib.Path.replace", "os.fsync"):
        with monkeypatch.context() as patch:
            patch.setattr(broken, fail)
            with pytest.raises(OutputError, match=r"v: could not be written: No space left.*free"):
                save_vectors(vectors, path, format=format)
        assert list(tmp_path.iterdir()) == []
    path.mkdir()
    save_vectors(vectors, path, format=format)  # an empty folder may be there
    before = {file.name: file.read_bytes() for file in path.iterdir()}
    with pytest.raises(OutputError, match="v: is there already; remove it, or give the name of a"):
        save_vectors(vectors, path, format=format)
    assert {file.name: file.read_bytes() for file in path.iterdir()} == before
    assert list(tmp_path.iterdir()) == [path]
    assert path.stat().st_mode & 0o777 == 0o777 & ~current_umask()


def current_umask() -> int:
    umask = os.umask(0)
    os.umask(umask)
    return umask


def test_npz_is_refused_where_it_would_be_mostly_padding(tmp_path):
    words = [*map(str, range(3_000)), "x" * 20_000]
    vectors = Vectors(words, np.ones((len(words), 2), np.float32))
    with pytest.raises(FormatError, match="npz pads every word to the longest, 240,080,000 bytes; shorten"):
        save_vectors(vectors, tmp_path / "v.npz")
    assert list(tmp_path.iterdir()) == []
    for name in ("v.safetensors", "v.parquet", "v.arrow"):
        save_vectors(vectors, tmp_path / name)
        assert load_vectors(tmp_path / name).words == words
    save_vectors(vectors.head(3_000), tmp_path / "v.npz")


@pytest.mark.parametrize("name", ["v.parquet", "v.arrow"])
def test_words_that_compress_well_are_read_back(tmp_path, name):
    """Long addresses take a hundredth of their bytes in a file of Parquet."""
    pytest.importorskip("pyarrow")
    words = [f"https://example.org/{'path/' * 60}{i}" for i in range(30_000)]
    save_vectors(Vectors(words, np.ones((len(words), 1), np.float32)), tmp_path / name)
    assert load_vectors(tmp_path / name).words == words

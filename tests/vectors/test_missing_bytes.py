"""Binary files of vectors that lack a byte, or have one too many: wherever it is, it is noticed."""

import numpy as np
import pytest
from vector_cases import same

from w2v_hs.errors import FormatError
from w2v_hs.vectors.formats import load_vectors, save_vectors
from w2v_hs.vectors.subwords import Ngrams, Subwords
from w2v_hs.vectors.vectors import Vectors

WORDS = ["king", "the", "naïve"]
ROWS = np.random.default_rng(1).normal(0, 0.1, (5, 3)).astype(np.float32)
BYTES = [0, 1, ord("\n"), ord(" "), ord("a"), 0x3D, 0xBD, 0xFF]


def damaged(whole):
    """The bytes with one left out, or one put in, at each place: (place, bytes)."""
    for place in range(len(whole)):
        yield place, whole[:place] + whole[place + 1 :]
        for byte in BYTES:
            yield place, whole[:place] + bytes([byte]) + whole[place:]
    for byte in BYTES:
        yield len(whole), whole + bytes([byte])


@pytest.mark.parametrize("format", ["word2vec-binary", "fasttext", "fasttext with n-grams"])
def test_a_byte_more_or_less_is_noticed_outside_of_words(format, tmp_path):
    path = tmp_path / "v.bin"
    subwords = Subwords(Ngrams(3, 4, 2, np.arange(2, dtype=np.int32)), ROWS) if "n-grams" in format else None
    save_vectors(Vectors(WORDS, ROWS[:3], subwords), path, format=format.split()[0])
    whole = path.read_bytes()
    starts = [(whole.index(word.encode()), len(word.encode())) for word in WORDS]
    in_words = {place for start, size in starts for place in range(start, start + size + 1)}
    # A space more in the header of word2vec says the same.
    header = range(whole.index(b"\n") + 1 if format == "word2vec-binary" else 0)
    expected = load_vectors(path)
    for place, content in damaged(whole):
        path.write_bytes(content)
        try:
            found = load_vectors(path)
        except FormatError as error:
            assert str(error).startswith(f"{path}:") and "\n" not in str(error)
            continue
        others = [a for a, b in zip(found.words, WORDS, strict=True) if a != b]
        assert place in in_words or place in header, content
        assert len(others) == (place in in_words)  # within a word no reader can tell
        if not others or subwords is None:
            same(found, found.words, expected.matrix)


def test_a_byte_more_or_less_in_an_arrow_file_is_noticed(tmp_path):
    pytest.importorskip("pyarrow")
    path = tmp_path / "v.arrow"
    save_vectors(Vectors(WORDS, ROWS[:3]), path)
    whole = path.read_bytes()
    for place in range(len(whole)):
        for content in (whole[:place] + whole[place + 1 :], whole[:place] + b"\0" + whole[place:]):
            path.write_bytes(content)
            with pytest.raises(FormatError, match=r"v\.arrow: [^\n]+$"):
                load_vectors(path)

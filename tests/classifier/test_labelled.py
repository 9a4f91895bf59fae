"""Reading texts with labels."""

import gzip

import pytest

from w2v_hs.classifier import read_labelled
from w2v_hs.errors import CorpusError, OptionError


def test_one_label_a_line(tmp_path):
    path = tmp_path / "a.txt"
    path.write_bytes("__label__pos a film\r\n\n __label__neg\tnever  again, ärger\n".encode())
    texts, labels = read_labelled(path)
    assert ([text.split() for text in texts], labels) == (
        [["a", "film"], ["never", "again,", "ärger"]],
        ["pos", "neg"],
    )


def test_several_labels_wherever_they_stand(tmp_path):
    (tmp_path / "a.txt").write_text("__label__a __label__b x y\nz __label__a\nu __label__b v __label__b\n")
    texts, labels = read_labelled(tmp_path / "a.txt")
    assert texts == ["x y", "z", "u v"]
    assert labels == [("a", "b"), ("a",), ("b",)]


def test_files_folders_encodings_and_prefixes(tmp_path):
    (tmp_path / "texts").mkdir()
    (tmp_path / "texts" / "a.txt").write_text("__label__a x\n")
    (tmp_path / "texts" / "b.txt.gz").write_bytes(gzip.compress(b"__label__b y"))
    assert read_labelled(tmp_path / "texts") == (["x", "y"], ["a", "b"])
    (tmp_path / "c.txt").write_bytes("#ä über\n".encode("latin-1"))
    found = read_labelled(tmp_path / "c.txt", tmp_path / "c.txt", prefix="#", encoding="latin-1")
    assert found == (["über"] * 2, ["ä"] * 2)
    for prefix in ("", " #", "a b"):
        with pytest.raises(OptionError, match="prefix="):
            read_labelled(tmp_path / "c.txt", prefix=prefix)


@pytest.mark.parametrize(
    ("line", "message"),
    [
        (b"no label here", ":3: no label in 'no label here'; expected __label__NAME and a text"),
        (b"__label__a", ":3: labels without a text; add the text, or remove the line"),
        (b"__label__a __label__b ", ":3: labels without a text; add the text, or remove the line"),
        (b"__label__ x", ":3: a label without a name; expected __label__NAME"),
        (b"__label__a x\0y", ":3: byte 39: a NUL byte; remove it (is this a text file?"),
        (b"__label__a \xff", ":3: byte 38: 0xff is not UTF-8"),
    ],
)
def test_faults_are_told_with_their_line(tmp_path, line, message):
    path = tmp_path / "a.txt"
    path.write_bytes(b"__label__a the first text\n\n" + line + b"\n__label__b more\n")
    with pytest.raises(CorpusError) as error:
        read_labelled(path)
    assert str(error.value).startswith(f"{path}{message}") and str(error.value).isprintable()


def test_files_without_labelled_lines_are_told(tmp_path):
    for content in ("", "\n \n"):
        (tmp_path / "a.txt").write_text(content)
        with pytest.raises(CorpusError, match=r"a\.txt: no line; expected lines of __label__NAME and a text"):
            read_labelled(tmp_path / "a.txt")
    with pytest.raises(CorpusError, match="JSON lines and Parquet hold no labelled lines; give plain text"):
        read_labelled(tmp_path / "a.jsonl")
    with pytest.raises(CorpusError, match="no such file"):
        read_labelled(tmp_path / "none.txt")


def test_bytes_that_cannot_be_decoded_are_replaced_when_asked_for(tmp_path):
    (tmp_path / "a.txt").write_bytes(b"__label__a x\xff\n")
    with pytest.warns(UserWarning, match="1 malformed"):
        assert read_labelled(tmp_path / "a.txt", errors="replace") == (["x�"], ["a"])

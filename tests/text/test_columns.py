"""Text in a column: JSON lines and Parquet files, against text that was written plain."""

import gzip
import json
import os
import re
import resource
import subprocess
import sys
import tempfile
import tracemalloc
from pathlib import Path

import pytest
from conftest import train_leaving
from hypothesis import given, settings
from hypothesis import strategies as st

import w2v_hs
from w2v_hs.errors import CorpusError, OptionError
from w2v_hs.options import Preprocessing
from w2v_hs.text import columns
from w2v_hs.text.blocks import LONGEST_LINE, read_lines
from w2v_hs.text.columns.parquet import parquet_blocks
from w2v_hs.text.corpus import read_corpus
from w2v_hs.text.sources import find_sources

COLUMN = Preprocessing(text_column="text")
ROWS = [
    {"id": 1, "text": "the king rules\nthe land"},
    {"text": "the été queen  rules ", "id": 2},
    {"id": 3, "text": ""},
    {"id": 4, "text": ["the", "sea", "rules"]},
]
LINES = ["the king rules", "the land", "the été queen  rules ", "", "the sea rules"]


def json_lines(rows, **options):
    return "".join(json.dumps(row, **options) + "\n" for row in rows)


def write(path, data):
    path.write_bytes(data.encode() if isinstance(data, str) else data)
    return path


def parquet(path, texts, column="text", **options):
    pa = pytest.importorskip("pyarrow")
    import pyarrow.parquet as pq

    values = texts if isinstance(texts, pa.Array) else pa.array(texts)
    pq.write_table(pa.table({"id": list(range(len(values))), column: values}), path, **options)
    return path


def lines_of(path, preprocessing=COLUMN):
    return [
        line
        for source in find_sources(path, preprocessing.text_column)
        for line in read_lines(source, preprocessing)
    ]


def refused(path, preprocessing=COLUMN):
    """The message of the error, which must be one line, whatever reads the file."""
    with pytest.raises(CorpusError) as caught:
        read_corpus(path, min_count=1, preprocessing=preprocessing)
    with pytest.raises(CorpusError) as again:
        lines_of(path, preprocessing)
    assert str(again.value) == str(caught.value)
    assert "\n" not in str(caught.value) and len(str(caught.value)) < 1000
    return str(caught.value)


# ---- what is read -------------------------------------------------------------------------------


@pytest.mark.parametrize("escaped", [True, False])
@pytest.mark.parametrize("name", ["t.jsonl", "t.ndjson"])
def test_json_lines(tmp_path, name, escaped):
    path = write(tmp_path / name, json_lines(ROWS, ensure_ascii=escaped))
    assert lines_of(path) == LINES
    corpus = read_corpus(path, min_count=1, preprocessing=COLUMN)
    assert corpus.tokens == 3 + 2 + 4 + 3 and len(corpus.sentences) - 1 == 4
    lower = Preprocessing(lowercase=True, text_column="text")
    up = write(tmp_path / "up.jsonl", '\n{"text": "\\u00c9T\\u00c9 Roi"}\r\n\n')
    assert "".join(lines_of(up, lower)).strip() == "été roi"


def test_compressed_json_lines(tmp_path):
    data = json_lines(ROWS).encode()
    assert lines_of(write(tmp_path / "t.jsonl.gz", gzip.compress(data))) == LINES
    zstandard = pytest.importorskip("zstandard")
    assert lines_of(write(tmp_path / "t.jsonl.zst", zstandard.compress(data))) == LINES
    assert "damaged or truncated .gz" in refused(write(tmp_path / "cut.jsonl.gz", gzip.compress(data)[:-9]))


texts = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=30)


@settings(max_examples=40)
@given(rows=st.lists(texts, min_size=1, max_size=20), extra=st.booleans())
def test_any_text_is_read_as_if_it_stood_in_a_file(rows, extra):
    pytest.importorskip("pyarrow")
    rows = [*rows, "one two"]
    with tempfile.TemporaryDirectory() as folder:
        folder = Path(folder)
        plain = write(folder / "t.txt", " \n" + "".join(row + "\n" for row in rows))
        expected = read_corpus(plain, min_count=1)
        for path in (
            write(folder / "t.jsonl", json_lines([{"text": row} for row in rows])),
            parquet(folder / "t.parquet", [" ", *rows], row_group_size=3),
        ):
            corpus = read_corpus(path, min_count=1, preprocessing=COLUMN)
            assert corpus.vocabulary.words == expected.vocabulary.words
            assert corpus.ids.tolist() == expected.ids.tolist()
            assert corpus.sentences.tolist() == expected.sentences.tolist()


@pytest.mark.parametrize("options", [{}, {"row_group_size": 2}, {"use_dictionary": False}], ids=str)
def test_parquet(tmp_path, options):
    texts = [row["text"] for row in ROWS[:3]]
    assert lines_of(parquet(tmp_path / "t.parquet", texts, **options)) == LINES[:4]
    tokens = [["the", "sea"], [], ["été"]]
    assert lines_of(parquet(tmp_path / "l.parquet", tokens, **options)) == ["the sea", "", "été"]


def test_types_of_parquet_columns(tmp_path):
    pa = pytest.importorskip("pyarrow")
    for kind in (pa.string(), pa.large_string(), pa.binary(), pa.large_binary()):
        path = parquet(tmp_path / "t.parquet", pa.array(["a b", "é"], kind))
        assert lines_of(path) == ["a b", "é"]
    lists = pa.array([["a", "b"], ["é"]], pa.large_list(pa.large_string()))
    assert lines_of(parquet(tmp_path / "t.parquet", lists)) == ["a b", "é"]
    coded = pa.array(["a b", "é", "a b"]).dictionary_encode()
    assert lines_of(parquet(tmp_path / "t.parquet", coded)) == ["a b", "é", "a b"]
    tokens = pa.array(["a", "é", "b"]).dictionary_encode()
    lists = pa.ListArray.from_arrays([0, 2, 3], tokens)  # each row group has a dictionary
    assert lines_of(parquet(tmp_path / "t.parquet", lists, row_group_size=1)) == ["a é", "b"]
    odd = Preprocessing(text_column="a.b")  # not the field b of a
    assert lines_of(parquet(tmp_path / "t.parquet", ["x y"], "a.b"), odd) == ["x y"]


# The memory of what reads a file, and the error that it meets.
READ = """
import re, sys
from pathlib import Path
from w2v_hs.errors import CorpusError
from w2v_hs.text.columns.parquet import parquet_blocks
try:
    print(sum(len(block) for block, _ in parquet_blocks(sys.argv[1], "text")))
except CorpusError as error:
    print(error)
status = Path("/proc/self/status").read_text()  # getrusage counts what forked this process
print(int(re.search("VmHWM:\\s*(\\d+)", status)[1]) // 1024)
"""


def test_large_row_groups_take_little_memory(tmp_path):
    """150 MB of text in one row group."""
    distinct = [f"{i} " * 10_000 for i in range(3000)]
    path = parquet(tmp_path / "big.parquet", distinct, row_group_size=3000, use_dictionary=False)
    done = subprocess.run([sys.executable, "-c", READ, path], capture_output=True, check=True, text=True)
    size, megabytes = map(int, done.stdout.split())
    assert size == sum(len(text) + 1 for text in distinct)
    assert megabytes < 350


def test_long_rows_of_a_dictionary_are_read_one_at_a_time(tmp_path):
    """Some 75 MB of text, of which the file has two rows."""
    long = ["sea " * 800_000, "land " * 600_000]
    path = parquet(tmp_path / "t.parquet", long * 12, use_dictionary=True)
    tracemalloc.start()
    found = [len(block) for block, _ in parquet_blocks(str(path), "text")]
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert sum(found) == 12 * (800_000 * 4 + 600_000 * 5 + 2)
    assert peak < 20e6
    assert len(lines_of(path)) == 24


def test_progress_and_checksum(tmp_path):
    rows = [{"text": f"word{i} and some more words"} for i in range(60_000)]
    path = write(tmp_path / "t.jsonl", json_lines(rows))
    table = parquet(tmp_path / "t.parquet", [row["text"] for row in rows])
    for source in (path, table):
        seen = []
        first = read_corpus(source, preprocessing=COLUMN, progress=lambda *now: seen.append(now))  # noqa: B023
        assert seen[-1] == (source.stat().st_size, source.stat().st_size)
        assert sorted(seen) == seen and len(seen) > 2
        assert read_corpus(source, preprocessing=COLUMN, threads=3).checksum == first.checksum


def test_a_stopped_run_resumes_with_its_column_and_tokenizer(tmp_path, run):
    """The checkpoint holds the column, and the tokeniser."""
    pytest.importorskip("pyarrow")
    texts = ["Paris is the capital of France.", "Can't the king rule, then?"] * 300
    options = {"dim": 8, "epochs": 3, "sample": 0, "threads": 1, "lowercase": True}
    for path in (
        write(tmp_path / "t.jsonl", json_lines([{"text": text} for text in texts])),
        parquet(tmp_path / "t.parquet", texts),
    ):
        kept = tmp_path / "m.checkpoint.safetensors"
        reading = {"text_column": "text", "tokenize": "treebank"}
        whole = train_leaving(kept, path, **options, **reading)
        assert {"ca", "n't", "."} <= set(whole.vectors.words)
        done = run("resume", kept)
        assert done.returncode == 0, done.stderr
        again = w2v_hs.load(tmp_path / "m.safetensors")
        assert again.vectors.matrix.tobytes() == whole.vectors.matrix.tobytes()
        (tmp_path / "m.safetensors").unlink()


def test_standard_input_and_commands(tmp_path, run, fails):
    data = json_lines([{"text": "the king rules the land"}] * 30 + [{"text": "Paris? Berlin"}])
    path, model = write(tmp_path / "t.jsonl", data), tmp_path / "m.safetensors"
    few = ("--dim", "4", "--epochs", "1", "--min-count", "1", "--threads", "1")
    done = run("train", "-", "-o", model, *few, "--text-column", "text", input=data.encode())
    assert done.returncode == 0, done.stderr
    assert set(w2v_hs.load(model).vectors.words) == {"the", "king", "rules", "land", "Paris?", "Berlin"}
    for command in (
        ("perplexity", model, path, "--text-column", "text"),
        ("score", model, path, "--text-column", "text", "--tokenize", "treebank"),
        ("train", "--resume-from", model, path, "--text-column", "text", "--update-vocab"),
    ):
        done = run(*command)
        assert done.returncode == 0, done.stderr
    shown = run("score", model, path, "--text-column", "text", "--tokenize", "treebank").stdout
    assert shown.decode().splitlines()[-1].endswith("  Paris ? Berlin")
    message = fails("train", path, "-o", model, "--text-column", "body")
    assert "t.jsonl:1: byte 0: no column 'body'; there is text" in message


# ---- what must be refused -----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ('{"text": "a', "not JSON: unexpected end of data"),
        ("{'text': 'a'}", "not JSON"),
        ('{"text": "a"} x', "not JSON"),
        ("[" * 100_000, "not JSON"),
        ('{"a":' * 100_000, "not JSON"),
        ('{"text": NaN}', "not JSON"),
        ('{"text": "\\ud800"}', "not JSON"),
        ('{"text": "\\u0000"}', "an escape that is no character"),
        ('["text"]', "found a list, expected an object with the column 'text'"),
        ('"text"', "found a string, expected an object"),
        ("null", "found null, expected an object"),
        ("5e300", "found a number, expected"),
        ("{}", "no column 'text'; there is none"),
        ('{"Text": "a", "id": 3}', "no column 'text'; there is Text, id"),
        ('{"text": null}', "the column 'text' holds null, expected a string"),
        ('{"text": {"text": "a"}}', "the column 'text' holds an object, expected a string"),
        ('{"text": true}', "the column 'text' holds true or false, expected a string"),
        ('{"text": 7}', "the column 'text' holds a number, expected a string"),
        ('{"text": ["a", null]}', "the column 'text' is a list that holds null, expected strings"),
        ('{"text": [["a"]]}', "the column 'text' is a list that holds a list, expected strings"),
        ('{"text": ["new york"]}', "the token 'new york' is empty or has white space inside"),
        ('{"text": ["a", ""]}', "the token '' is empty or has white space inside"),
        (json.dumps({f"c{i}\n": 1 for i in range(50)}), "c18\\n, c19\\n and 30 more"),
    ],
    ids=lambda value: value[:30],
)
def test_lines_of_json_that_hold_no_text(tmp_path, line, message):
    good = '{"text": "été a b"}\n'
    path = write(tmp_path / "t.jsonl", good * 3 + line + "\n" + good)
    found = refused(path)
    place = f"t.jsonl:4: byte {3 * len(good.encode())}: "
    assert place in found
    assert message in found


def test_bytes_in_json_that_are_not_utf8(tmp_path):
    path = write(tmp_path / "t.jsonl", b'{"text": "a b"}\n{"text": "a\xff b\xc3"}\n' * 2)
    assert (
        "t.jsonl:2: byte 27: 0xff is not UTF-8; if all of the text has another encoding, give it"
        in refused(path)
    )
    for errors, word in (("replace", "a\ufffd"), ("ignore", "a")):
        preprocessing = Preprocessing(errors=errors, text_column="text")
        corpus = read_corpus(path, min_count=1, preprocessing=preprocessing)
        assert corpus.mended == 4 and word in corpus.vocabulary.words
    # A line is found where others before it were mended.
    path = write(tmp_path / "t.jsonl", b'{"text": "\xff"}\n{"text": 1}\n')
    assert "t.jsonl:2: byte 14: the column" in refused(
        path, Preprocessing(errors="ignore", text_column="text")
    )


def test_lines_longer_than_can_be_held(tmp_path):
    """Not read to their end: the file may have no end."""
    long = b'{"text": "' + b"x" * (LONGEST_LINE + (2 << 20)) + b'"}\n'
    path = write(tmp_path / "t.jsonl", b'{"text": "a b"}\n' + long)
    assert f"t.jsonl:2: byte {LONGEST_LINE}" in refused(path)
    assert f"a line of more than {LONGEST_LINE:,} bytes" in refused(path)
    packed = write(tmp_path / "t.jsonl.gz", gzip.compress(long, 1))
    assert "t.jsonl.gz:1: " in refused(packed)
    fits = json_lines([{"text": "word " * 300_000}, {"text": "end"}])
    corpus = read_corpus(write(tmp_path / "f.jsonl", fits), min_count=1, preprocessing=COLUMN)
    assert corpus.tokens == 300_001
    endless = tmp_path / "e.jsonl.gz"
    with gzip.open(endless, "wb", 1) as file:  # in parts: the peak must not be that of the test
        for _ in range(1 << 8):
            file.write(b" " * (1 << 20))
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    assert "a line of more than" in refused(endless)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 200_000


def test_the_option_and_the_files_must_fit(tmp_path):
    plain = write(tmp_path / "a.txt", "a b")
    message = r"a\.txt: text_column is for files whose names end in \.parquet or \.jsonl"
    for source in (plain, tmp_path, f"{tmp_path}/*"):
        with pytest.raises(CorpusError, match=message):
            read_corpus(source, preprocessing=COLUMN)
    path = write(tmp_path / "b.jsonl.gz", gzip.compress(b"{}"))
    with pytest.raises(CorpusError, match=r"b\.jsonl\.gz: name the column that holds the text"):
        read_corpus(path)
    with pytest.raises(CorpusError, match="factbook: a named corpus has no columns"):
        read_corpus("factbook", preprocessing=COLUMN)
    with pytest.raises(CorpusError, match="nltk:brown: a named corpus has no columns"):
        read_corpus("nltk:brown", preprocessing=COLUMN)
    with pytest.raises(OptionError, match="the corpus is lists of tokens"):
        read_corpus([["a", "b"]], preprocessing=COLUMN)
    for name in ("", 3, b"text"):
        with pytest.raises(OptionError, match="expected the name of a column"):
            Preprocessing(text_column=name)


def test_parquet_that_holds_no_text(tmp_path):
    pa = pytest.importorskip("pyarrow")
    path = tmp_path / "t.parquet"
    parquet(path, ["a b"], "body")
    with pytest.raises(CorpusError, match=r"t\.parquet: name the column .*; it has id, body"):
        read_corpus(path)
    assert refused(path).endswith("t.parquet: no column 'text'; there is id, body")
    for values, message in (
        ([1, 2], "the column 'text' is of type int64, expected strings or lists of strings"),
        ([[1]], "the column 'text' is of type list<"),
        ([{"text": "a"}], "the column 'text' is of type struct<"),
        ([[["a"]]], "the column 'text' is of type list<"),
        (["a", "b", None], "t.parquet: row 3: the column 'text' holds null"),
        ([["a"], None], "t.parquet: row 2: the column 'text' holds null"),
        ([["a"], ["b", None]], "row 2: the column 'text' is a list that holds null"),
        ([["a"], ["new york"]], "row 2: the column 'text': the token 'new york' is empty or has"),
        (["a\n\nb", "c\nd", "e\n\0"], "t.parquet: row 3: a NUL byte; remove it"),
    ):
        assert message in refused(parquet(path, values))
    bad = pa.array([b"a\nb", b"\xff", b"c"], pa.binary()).view(pa.string())
    assert "t.parquet: row 2: 0xff is not UTF-8" in refused(parquet(path, bad))
    corpus = read_corpus(path, min_count=1, preprocessing=Preprocessing(errors="ignore", text_column="text"))
    assert corpus.mended == 1 and corpus.tokens == 3
    row = "x" * (LONGEST_LINE + 1)
    for long in (
        pa.array(["a", row]),
        pa.array([b"a", row.encode()]),
        pa.array(["a", row]).dictionary_encode(),
        pa.array([["a"], ["x" * 99] * 200_000]),
    ):
        length = "20,000,000" if pa.types.is_list(long.type) else f"{LONGEST_LINE + 1:,}"
        message = f"row 2: the column 'text' holds {length} bytes, expected at most 16,777,216; make"
        assert message in refused(parquet(path, long, compression="none"))
    lists = pa.array([[b"a"], [b"b\xff"]], pa.list_(pa.binary()))
    assert "t.parquet: row 2: 0xff is not UTF-8" in refused(parquet(path, lists))


def test_a_small_file_of_parquet_that_unfolds_to_much_is_refused(tmp_path):
    """Before any of it is read; and few of its rows are, if it is larger."""
    pa = pytest.importorskip("pyarrow")
    options = {"compression": "zstd", "use_dictionary": False, "write_batch_size": 1}
    path = parquet(tmp_path / "t.parquet", [" x" * 9_000_000], **options)
    size = path.stat().st_size
    assert re.search(f"its {size:,} bytes unfold to 18,000,..., over 1,000 times as many", refused(path))
    rows = pa.chunked_array([pa.array([" x" * 20_000_000])] * 24)
    noise = [os.urandom(80_000) for _ in rows]
    pa.parquet.write_table(pa.table({"text": rows, "noise": noise}), path, **options)
    done = subprocess.run([sys.executable, "-c", READ, path], capture_output=True, text=True)
    message, megabytes = done.stdout.splitlines()
    assert "row 1: the column 'text' holds 40,000,000 bytes, expected at most 16,777,216" in message
    assert int(megabytes) < 500


def test_every_truncation_of_parquet(tmp_path):
    whole = parquet(tmp_path / "t.parquet", ["a b c", "d e f"] * 20).read_bytes()
    for length in range(0, len(whole), 7):
        message = refused(write(tmp_path / "cut.parquet", whole[:length]))
        assert "cut.parquet: damaged, truncated or no Parquet file" in message


def test_without_pyarrow(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    path = write(tmp_path / "t.parquet", b"PAR1")
    for read in (lambda: read_corpus(path, preprocessing=COLUMN), lambda: read_corpus(path)):
        with pytest.raises(CorpusError, match=r"t\.parquet: .*pip install 'w2v-hs\[parquet\]'"):
            read()
    assert columns.layout(path) == "parquet"


FLIPS = """
import io, sys
from pathlib import Path
import pyarrow as pa, pyarrow.parquet as pq
from w2v_hs.options import Preprocessing
from w2v_hs.errors import W2VError
from w2v_hs.text.sources import find_sources
from w2v_hs.text.blocks import read_lines

stream, path, refused = io.BytesIO(), Path(sys.argv[1]), 0
pq.write_table(pa.table({"text": ["a b", "c d", None, "e"]}), stream)
whole = stream.getvalue()
for at in range(len(whole) - 8 - int.from_bytes(whole[-8:-4], "little"), len(whole) - 8):
    for bit in (1, 2, 16):
        path.write_bytes(whole[:at] + bytes([whole[at] ^ bit]) + whole[at + 1 :])
        try:
            for source in find_sources(str(path), "text"):
                list(read_lines(source, Preprocessing(text_column="text")))
        except W2VError as error:
            assert "\\n" not in str(error)
            refused += 1
print(refused)
"""


def test_no_damaged_footer_ends_the_process(tmp_path):
    """pyarrow ends it where the description of a chunk is damaged and is asked for."""
    child = subprocess.run(
        [sys.executable, "-c", FLIPS, tmp_path / "t.parquet"], capture_output=True, timeout=120
    )
    assert child.returncode == 0, child.stderr.decode()
    assert int(child.stdout) > 100

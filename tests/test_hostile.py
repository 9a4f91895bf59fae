"""Files that mean harm: every reader answers any bytes with an error of its own or a valid result.

What is valid, and small valid files of each kind, `benchmarks/fuzz.py` knows; here they are damaged
in every place, and where headers promise more than there is.
"""

import dataclasses
import importlib.util
import io
import json
import os
import pickle
import random
import struct
import subprocess
import sys
import time
import zipfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import w2v_hs
from w2v_hs.errors import CorpusError, EvaluationError, FormatError, VocabularyError, W2VError
from w2v_hs.text import catalog, named_corpora
from w2v_hs.text.vocabulary import Vocabulary, load_vocabulary
from w2v_hs.training.observers.checkpoint import load_checkpoint
from w2v_hs.tree.user_trees import read_codes, tree_from_codes
from w2v_hs.vectors.formats import load_vectors

ROOT = Path(__file__).resolve().parents[1]
VECTORS = [
    "word2vec-text",
    "word2vec-binary",
    "glove",
    "npz",
    "safetensors",
    "parquet",
    "arrow",
    "projector vectors.tsv",
    "projector metadata.tsv",
    "sentence-transformers modules.json",
    "sentence-transformers tokenizer.json",
    "sentence-transformers model.safetensors",
]
READERS = [
    "models",
    "checkpoints",
    *VECTORS,
    "vocabularies",
    "tree files",
    "questions",
    "similarity",
    "archives",
    "MediaWiki",
    "JSON of packages",
    "text",
    "text.gz",
    "text.bz2",
    "text.xz",
    "text.zst",
    "text.jsonl",
    "text.parquet",
]
CHANGES = {f"{name}, contents" for name in ("models", "checkpoints", "safetensors")}  # no bytes
EXPECTED = {
    "vocabularies": (FormatError, VocabularyError),
    "questions": EvaluationError,
    "similarity": EvaluationError,
    "archives": (CorpusError, w2v_hs.errors.DownloadError),
} | dict.fromkeys([name for name in READERS if name[:4] in ("text", "Medi", "JSON")], CorpusError)


@pytest.fixture(scope="module")
def readers(tmp_path_factory):
    """Readers and small valid files by name."""
    spec = importlib.util.spec_from_file_location("fuzz", ROOT / "benchmarks" / "fuzz.py")
    fuzz = sys.modules["fuzz"] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(fuzz)
    try:
        yield fuzz.readers(tmp_path_factory.mktemp("samples"))
    finally:
        del sys.modules["fuzz"]


def answer(name: str, read, path: Path) -> bool:
    """Whether a file is accepted; the error must be one of those of the reader, in one line."""
    try:
        read(path)
    except W2VError as error:
        assert isinstance(error, EXPECTED.get(name, FormatError)), repr(error)
        assert "\n" not in str(error) and len(str(error)) < 1000
        return False
    return True


def test_all_readers_are_tried(readers):
    assert set(readers) | {"text.zst", "text.parquet"} == {*READERS, *CHANGES}


# ---- every byte ---------------------------------------------------------------------------------


def every_damage(whole: bytes):
    """All truncations, and each byte changed in its lowest bit, its highest and all."""
    for at in range(len(whole)):
        yield whole[:at]
        for mask in (0x01, 0x80, 0xFF):
            yield whole[:at] + bytes([whole[at] ^ mask]) + whole[at + 1 :]


def plain(thing):
    """Dataclasses, arrays and all in them, as what compares bit for bit."""
    if isinstance(thing, np.ndarray):
        return thing.dtype.str, thing.shape, thing.tobytes()
    if isinstance(thing, w2v_hs.vectors.vectors.Vectors):
        return plain([thing.words, thing.matrix])
    if dataclasses.is_dataclass(thing):
        return [plain(getattr(thing, field.name)) for field in dataclasses.fields(thing)]
    if isinstance(thing, (list, tuple)):
        return [plain(item) for item in thing]
    return repr(thing)


@pytest.mark.parametrize(("name", "load"), [("models", w2v_hs.load), ("checkpoints", load_checkpoint)])
def test_a_damaged_model_or_checkpoint_is_refused_or_the_same(readers, tmp_path, name, load):
    for number, whole in enumerate(readers[name].samples):
        path = tmp_path / f"{number}.safetensors"
        path.write_bytes(whole)
        first = plain(load(path))
        tried = accepted = 0
        for damaged in every_damage(whole):
            path.write_bytes(damaged)
            tried += 1
            if answer(name, load, path):
                assert plain(load(path)) == first
                accepted += 1
        assert tried == 4 * len(whole) > 5000
        assert accepted < 4  # a flag in the header that nothing depends on, at most


@pytest.mark.parametrize("name", [*VECTORS, "vocabularies", "tree files", "questions", "similarity"])
def test_a_damaged_file_is_refused_or_valid(readers, tmp_path, name):
    reader, path = readers[name], tmp_path / "damaged"
    for whole in reader.samples:
        tried = refused = 0
        for damaged in every_damage(whole):
            path.write_bytes(damaged)
            tried += 1
            refused += not answer(name, reader.read, path)
        assert tried == 4 * len(whole) > 100
        assert refused > tried / 10


@pytest.mark.parametrize("name", ["archives", "text.gz", "text.bz2", "text.xz", "text.zst"])
def test_a_damaged_archive_is_refused_or_valid(readers, tmp_path, name):
    if name not in readers:
        pytest.skip(f"what reads {name} is not installed")
    reader = readers[name]
    whole, path = reader.samples[0], tmp_path / f"damaged{reader.suffix}"
    path.write_bytes(whole)
    assert answer(name, reader.read, path)
    refused = 0
    for damaged in every_damage(whole):
        path.write_bytes(damaged)
        refused += not answer(name, reader.read, path)
    assert refused > 2 * len(whole)


# ---- more than there is -------------------------------------------------------------------------

CHILD = """
import json, resource, signal, sys, time
from pathlib import Path
import numpy, safetensors
import w2v_hs, w2v_hs.evaluation, w2v_hs.training.observers.checkpoint
from w2v_hs.text import catalog, vocabulary
from w2v_hs.tree import user_trees
from w2v_hs.vectors import Vectors, load_vectors

two = vocabulary.Vocabulary(["a", "b"], numpy.array([2, 1]))
vectors = Vectors(["a"], numpy.ones((1, 1), numpy.float32))
none = {"analogies": (), "similarity": ()}
READ = {
    "vectors": load_vectors,
    "model": w2v_hs.load,
    "checkpoint": w2v_hs.training.observers.checkpoint.load_checkpoint,
    "vocabulary": vocabulary.load_vocabulary,
    "tree": lambda path: user_trees.tree_from_codes(user_trees.read_codes(path), two),
    "analogies": lambda path: w2v_hs.evaluate(vectors, **none | {"analogies": path}),
    "similarity": lambda path: w2v_hs.evaluate(vectors, **none | {"similarity": path}),
}

def memory(field):
    lines = Path("/proc/self/status").read_text().splitlines()
    return 1024 * next(int(line.split()[1]) for line in lines if line.startswith(field))

limit = memory("VmSize") + 3 * 10**8
resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
found = {}
for name, kind in json.load(sys.stdin).items():
    Path("/proc/self/clear_refs").write_text("5")  # the peak starts anew
    before, started = memory("VmRSS"), time.process_time()
    try:
        READ[kind](name)
        said = None
    except w2v_hs.W2VError as error:
        said = str(error)
    found[name] = said, memory("VmHWM") - before, time.process_time() - started
print(json.dumps(found))
"""


def npy_header(shape, descr: str) -> bytes:
    stream = io.BytesIO()
    header = {"shape": shape, "fortran_order": False, "descr": descr}
    np.lib.format.write_array_header_2_0(stream, header)
    return stream.getvalue()


def npz(words: list[bytes], vectors: list[bytes], compression=zipfile.ZIP_DEFLATED) -> bytes:
    """An archive of two members, each of pieces."""
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", compression) as archive:
        for name, pieces in (("words.npy", words), ("vectors.npy", vectors)):
            with archive.open(name, "w") as member:
                for piece in pieces:
                    member.write(piece)
    return stream.getvalue()


def safetensors_of(header, body=b"", size=None) -> bytes:
    encoded = json.dumps(header).encode()
    return struct.pack("<Q", len(encoded) if size is None else size) + encoded + body


def tensor(shape, begin, end) -> dict:
    return {"dtype": "F32", "shape": shape, "data_offsets": [begin, end]}


def greedy_files() -> dict[str, tuple[str, bytes]]:
    """Kind and bytes by name of files that promise, or unfold to, far more than they hold."""
    row, zeros = b" 1" * 300 + b"\n", [bytes(1 << 20)] * 100
    words = [npy_header((2,), "<U1"), "ab".encode("utf-32-le")]
    ones = npy_header((2, 1), "<f4") + bytes(8)
    lie = npz([bytes(1 << 27)], [b""], zipfile.ZIP_BZIP2)
    files = {
        "rows.txt": b"%d 300\na" % 10**12 + row,
        "rows.bin": b"%d 300\na " % 10**12 + bytes(1200),
        "values.txt": b"300 %d\na" % 10**12 + row,
        "values.bin": b"300 %d\na " % 10**12 + bytes(1200),
        "both.bin": b"%d %d\na " % (10**29, 10**29) + bytes(1200),
        "shape.npz": npz(words, [npy_header((10**12, 300), "<f4")]),
        "overflow.npz": npz(words, [npy_header((2**63, 2**63), "<f4")]),
        "no-bytes.npz": npz([npy_header((10**9,), "<U0")], [ones]),
        "header.npz": npz([b"\x93NUMPY\x02\0" + struct.pack("<I", 100 << 20), *zeros], [ones]),
        "zeros.npz": npz(words, [npy_header((2, 50 << 18), "<f4"), *zeros]),
        # 128 MB of zeros behind a size of 100 bytes, in a compression without a limit
        "lie.npz": lie.replace(struct.pack("<I", 1 << 27), struct.pack("<I", 100)),
    }
    found = {name: ("vectors", data) for name, data in files.items()}
    headers = {
        "length": safetensors_of({}, size=2**63),
        "length-allowed": safetensors_of({}, size=10**8),
        "shape": safetensors_of({"vectors": tensor([10**12, 300], 0, 12 * 10**14)}),
        "product": safetensors_of({"vectors": tensor([2**62, 2**62], 0, 0)}),
        "offsets": safetensors_of({"vectors": tensor([1], 10**15, 10**15 + 4)}, bytes(4)),
        "overlap": safetensors_of({n: tensor([10**6], 0, 4 * 10**6) for n in "abc"}, bytes(4)),
    }
    for kind in ("model", "checkpoint", "vectors"):
        found |= {f"{kind}-{n}.safetensors": (kind, data) for n, data in headers.items()}
    return found | {
        "deep.tree": ("tree", b"a " + b"0" * 10**6 + b"\nb 1\n"),
        "short-lines.tree": ("tree", b"ab\n" * 10**6),
        "short-lines.vocabulary": ("vocabulary", b"ab\n" * 10**6),
        "fields.vocabulary": ("vocabulary", b"ab " * 10**6),
        "short-lines.analogies": ("analogies", b"ab\n" * 10**6),
        "fields.analogies": ("analogies", b"ab " * 10**6),
        "blank.similarity": ("similarity", b"\n" * 10**6 + b"x"),
        "digits.similarity": ("similarity", b"a b " + b"1" * 10**6 + b"x"),
    }


@pytest.mark.skipif(not Path("/proc/self/clear_refs").exists(), reason="no /proc")
def test_what_a_file_promises_costs_no_memory_and_no_time(tmp_path):
    """In a process that may take 300 MB: no file takes ten times its size, and 40 MB."""
    files = greedy_files()
    for name, (_, data) in files.items():
        (tmp_path / name).write_bytes(data)
    kinds = {str(tmp_path / name): kind for name, (kind, _) in files.items()}
    child = subprocess.run(
        [sys.executable, "-c", CHILD],
        input=json.dumps(kinds),
        capture_output=True,
        text=True,
        timeout=120,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    assert child.returncode == 0, child.stderr
    found = json.loads(child.stdout)
    assert found.keys() == kinds.keys() and len(found) == 37
    for path, (said, peak, seconds) in found.items():
        assert said is not None, path
        assert "allocate" not in said and "memory" not in said.lower(), said  # not even tried
        assert peak < 10 * Path(path).stat().st_size + 40e6, f"{path}: {peak:,} bytes"
        assert seconds < 5, f"{path}: {seconds} s"


def test_a_tree_of_other_words_is_told_at_once(tmp_path):
    words = [f"w{number}" for number in range(20_000)]
    path = tmp_path / "tree.txt"
    path.write_text("".join(f"{word} 0\n" for word in words[:-1]))
    vocabulary = Vocabulary(words, np.arange(len(words), 0, -1))
    started = time.process_time()
    with pytest.raises(FormatError, match="the first of them 'w19999'"):
        tree_from_codes(read_codes(path), vocabulary)
    assert time.process_time() - started < 1


# ---- no code is run -----------------------------------------------------------------------------


class MakesFile:
    """A pickle that creates a file when it is loaded."""

    def __init__(self, path: Path):
        self.path = path

    def __reduce__(self):
        return Path.touch, (self.path,)


def pickled_files(trap: MakesFile) -> dict[str, bytes]:
    """Files with a pickle in each place where NumPy or a careless reader would load it."""
    bare = pickle.dumps(trap)
    objects = np.array([trap, trap], object)
    pickled = npy_header((2,), "|O") + pickle.dumps(objects)
    fields = npy_header((2,), [("a", "<f4"), ("b", "|O")]) + bare
    words = npy_header((2,), "<U1") + "ab".encode("utf-32-le")
    vectors = npy_header((2, 1), "<f4") + bytes(8)
    return {
        "bare": bare,
        "array": pickled,
        "words.npz": npz([pickled], [vectors]),
        "vectors.npz": npz([words], [pickled]),
        "fields.npz": npz([fields], [vectors]),
        "after.npz": npz([words, pickled], [vectors]),
        "member.npz": npz([words], [bare]),
        "model": safetensors_of({"__metadata__": {"description": bare.hex()}}, bare),
    }


def test_no_reader_runs_a_pickle(readers, tmp_path):
    trap = MakesFile(tmp_path / "trapped")
    files = pickled_files(trap)
    for name, data in files.items():
        for reader in readers.values():
            path = tmp_path / f"{name}{reader.suffix}"
            path.write_bytes(data)
            with pytest.raises(W2VError):
                reader.read(path)
            assert not trap.path.exists(), (name, reader)
    pickle.loads(files["bare"])
    assert trap.path.exists()  # so it would have been seen


# ---- at random ----------------------------------------------------------------------------------


def edited(data: bytes, edits) -> bytes:
    """`data` with pieces put in, taken out, replaced or repeated."""
    for way, place, length, more in edits:
        begin = int(place * len(data))
        end = min(len(data), begin + length)
        middle = {
            "insert": more + data[begin:end],
            "delete": b"",
            "replace": more,
            "repeat": data[begin:end] * 2,
            "move": data[end : end + length] + data[begin:end],
        }[way]
        rest = data[end + length :] if way == "move" else data[end:]
        data = data[:begin] + middle + rest
    return data


EDITS = st.lists(
    st.tuples(
        st.sampled_from(["insert", "delete", "replace", "repeat", "move"]),
        st.floats(0, 1),
        st.integers(0, 40),
        st.binary(max_size=8)
        | st.sampled_from(["\0", "\n", " ", "\t", "9" * 30, "nan", "\ufeff", "[" * 2000, "é"]).map(
            str.encode
        ),
    ),
    min_size=1,
    max_size=4,
)


@pytest.mark.parametrize("name", READERS)
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(edits=EDITS, which=st.integers(0, 9))
def test_whatever_is_changed_the_answer_is_an_error_or_valid(readers, tmp_path, name, edits, which):
    if name not in readers:
        pytest.skip(f"what reads {name} is not installed")
    reader = readers[name]
    path = tmp_path / f"changed{reader.suffix}"
    path.write_bytes(edited(reader.samples[which % len(reader.samples)], edits))
    answer(name, reader.read, path)


@pytest.mark.parametrize("name", READERS)
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=30)
@given(data=st.binary(max_size=200) | st.text(max_size=100).map(lambda t: t.encode(errors="replace")))
def test_any_bytes_at_all(readers, tmp_path, name, data):
    if name not in readers:
        pytest.skip(f"what reads {name} is not installed")
    path = tmp_path / f"any{readers[name].suffix}"
    path.write_bytes(data)
    answer(name, readers[name].read, path)


def test_a_seed_of_the_fuzzer_gives_the_same_file_again(readers, tmp_path):
    for name, reader in readers.items():
        files = []
        for _ in range(2):
            reader.damaged(random.Random("a seed"), tmp_path / "f")
            files.append((tmp_path / "f").read_bytes())
        assert files[0] == files[1], name


# ---- faults that were found so ------------------------------------------------------------------

WIKI = '<mediawiki xmlns="http://www.mediawiki.org/xml/export-0.3/"><siteinfo/>{}</mediawiki>'


@pytest.mark.parametrize(
    ("dump", "message"),
    [
        (WIKI.format("<page><id>1</id></page>"), "wiki: a page lacks its title, its text or its"),
        ("<html><body>a b</body></html>", "wiki: not MediaWiki XML:  not recognized"),
        ('<?xml version="1.0" encoding="foo"?>' + WIKI, "not MediaWiki XML: unknown encoding: foo"),
        ('<?xml version="1.0" encoding="euc-jp"?>' + WIKI, "multi-byte encodings"),
    ],
)
def test_dumps_that_are_none(tmp_path, dump, message):
    with zipfile.ZipFile(tmp_path / "w.zip", "w") as archive:
        archive.writestr("wiki", dump)
    corpus = catalog.Entry("w", "w", "mediawiki", "", member="wiki")
    with pytest.raises(CorpusError, match=message):
        list(named_corpora._mediawiki(corpus, tmp_path / "w.zip"))


def test_a_page_with_an_empty_title_is_read(tmp_path):
    page = "<page><title/><id>1</id><revision><text>one word more</text></revision></page>"
    with zipfile.ZipFile(tmp_path / "w.zip", "w") as archive:
        archive.writestr("wiki", WIKI.format(page))
    corpus = catalog.Entry("w", "w", "mediawiki", "", member="wiki", skip=("Image:",))
    assert b"".join(named_corpora._mediawiki(corpus, tmp_path / "w.zip")) == b"one word more\n"


def test_json_of_many_levels(tmp_path):
    corpus = catalog.Entry("f", "f", "package-json", "", files="*.json", requirement="f")
    path = tmp_path / "a.json"
    path.write_text("[" * 800 + '"two words"' + "]" * 800)
    assert b"".join(named_corpora._package_json(corpus, tmp_path)) == b"two words\n"
    path.write_text("[" * 100_000)
    with pytest.raises(CorpusError, match=r"a\.json: cannot be read as JSON: maximum recursion"):
        list(named_corpora._package_json(corpus, tmp_path))


@pytest.mark.parametrize("compression", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_archives_that_unfold_without_a_limit(tmp_path, compression):
    """zipfile unfolds these by the block, however little is asked for."""
    path = tmp_path / "v.npz"
    path.write_bytes(npz([b"x" * 99], [b"y"], compression))
    with pytest.raises(FormatError, match="'words' is compressed in a way"):
        load_vectors(path)
    corpus = catalog.Entry("f", "f", "zip-member", "", member="words.npy", member_size=99)
    assert "unfolds all at once" in catalog._archive_fault(corpus, path)


def test_what_a_header_says_stays_on_one_line(tmp_path):
    metadata = {"description": "{}", "sha256": "a\nb"}
    (tmp_path / "m.safetensors").write_bytes(safetensors_of({"__metadata__": metadata}))
    with pytest.raises(FormatError, match=r"declares a\\nb; take a copy") as caught:
        w2v_hs.load(tmp_path / "m.safetensors")
    assert "\n" not in str(caught.value)


def test_a_pipe_is_no_model_and_nothing_waits_for_it(tmp_path):
    os.mkfifo(tmp_path / "m.safetensors")
    with pytest.raises(FormatError, match="is a pipe or a device"):
        w2v_hs.load(tmp_path / "m.safetensors")


def test_lines_end_at_newlines_only(tmp_path):
    """As editors count them: other separators of Unicode do not begin a line."""
    path = tmp_path / "v.txt"
    path.write_bytes("\ufeffa 3\r\nb 2\nc\u20281\n".encode())
    assert load_vocabulary(path).words == ["a", "b", "c"]
    path.write_bytes(b"a 0\nb\x0c1\nb 1 c 1\n")
    with pytest.raises(FormatError, match=r"v\.txt:3: found"):
        read_codes(path)

"""Faults a user may meet: a test for each row of docs/faults.md that no other file tests whole."""

import ast
import dataclasses
import json
import math
import os
import pickle
import re
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from conftest import TEXT, train_leaving

import w2v_hs
from w2v_hs.cli.app import commands
from w2v_hs.errors import CorpusError, DivergedError, FormatError, OptionError, VocabularyError
from w2v_hs.evaluation.evaluation import evaluate
from w2v_hs.files.container import load_arrays, save_arrays
from w2v_hs.kernels.common import aligned_zeros, padded
from w2v_hs.model.weights import start_vectors
from w2v_hs.options import Options
from w2v_hs.text.corpus import read_corpus
from w2v_hs.text.vocabulary import load_vocabulary
from w2v_hs.training.loop import SOFTMAX_LIMIT, TrainingLoop
from w2v_hs.training.observers.checkpoint import checkpoint_path, load_checkpoint
from w2v_hs.training.workers import TreeWorker, Worker, make_workers
from w2v_hs.tree.tree import huffman
from w2v_hs.tree.user_trees import read_codes
from w2v_hs.vectors.formats import FORMATS, load_vectors, save_vectors
from w2v_hs.vectors.vectors import Vectors

ROOT = Path(__file__).resolve().parents[1]
QUICK = {"dim": 4, "epochs": 1, "min_count": 1, "sample": 0, "threads": 1}


def written(folder, content, name="text.txt"):
    path = folder / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


# ---- corpus and vocabulary ----------------------------------------------------------------------


def test_raw_text_as_corpus_is_a_type_error_that_shows_it_and_the_fix():
    with pytest.raises(TypeError, match=r"begins 'the king rules.*pass \[line\.split\(\) for line"):
        w2v_hs.train("the king rules the land " * 9)
    with pytest.raises(TypeError, match=r"corpus\[0\] is 'the king rules'.*\[s\.split\(\) for s"):
        w2v_hs.train(["the king rules", "the land"])


def test_no_tokens_and_only_rare_words_are_told_apart(tmp_path):
    empty = written(tmp_path, " \n\n", "empty.txt")
    with pytest.raises(CorpusError, match=f"^0 tokens in {re.escape(str(empty))}$"):
        w2v_hs.train(empty)
    rare = " ".join(["x"] * 3 + [f"w{i}" for i in range(811)])
    message = "all 812 types occur fewer than min_count=5 times; the most frequent, 'x', occurs 3 times"
    with pytest.raises(VocabularyError, match=message):
        w2v_hs.train(written(tmp_path, rare))


def test_a_line_of_10_megabytes_is_trained_to_its_last_word(tmp_path):
    words = 2_000_000
    text = " ".join(f"w{place % 999:03}" for place in range(words))
    assert len(text) + 1 == 10_000_000
    model = w2v_hs.train(written(tmp_path, text), arch="cbow", **QUICK)
    corpus = model.provenance["corpus"]
    assert corpus["tokens"] == corpus["retained_tokens"] == words
    assert int(model.vocabulary.counts.sum()) == words
    assert model.provenance["predictions"] == words  # each from the words around it


def test_a_very_long_token_is_kept_whole(tmp_path):
    long = ["é" * 1_000_000 + end for end in "ab"]  # the same up to the last letter
    model = w2v_hs.train(written(tmp_path, f"{long[0]} x {long[1]}\n" * 3), **QUICK)
    assert sorted(model.vocabulary.words) == sorted(["x", *long])
    model.save(tmp_path / "m.safetensors")
    assert w2v_hs.load(tmp_path / "m.safetensors").vocabulary.words == model.vocabulary.words


def test_bytes_that_are_not_utf8_are_an_error_or_mended_and_counted_as_asked(run, fails, tmp_path):
    text, output = written(tmp_path, b"one two\nthr\xffee two\none \xc3 \xfe\n"), "m.safetensors"
    arguments = ("train", text, "-o", tmp_path / output, "--min-count", 1, "--dim", 4)
    assert "text.txt:2: byte 11: 0xff is not UTF-8" in fails(*arguments)
    assert not (tmp_path / output).exists()
    done = run(*arguments, "--errors", "replace", "--sample", 0)
    assert done.returncode == 0, done.stderr
    assert b"3 malformed UTF-8 sequences replaced by U+FFFD" in done.stderr
    dropped = run(*arguments, "--errors", "ignore", "--sample", 0)
    assert b"3 malformed UTF-8 sequences dropped" in dropped.stderr
    replaced = w2v_hs.train(text, errors="replace", **QUICK)
    ignored = w2v_hs.load(tmp_path / output)
    for model, word in (replaced, "thr\ufffdee"), (ignored, "three"):
        assert word in model.vocabulary.words
        assert model.provenance["corpus"]["decoding_errors"] == 3


def test_bom_crlf_nul_and_unicode_spaces(tmp_path):
    text = "\ufeffone\u00a0two\r\nthree\u2003one\u3000two\u2028three\r\n"
    model = w2v_hs.train(written(tmp_path, text), **QUICK)
    assert sorted(model.vocabulary.words) == ["one", "three", "two"]
    assert model.provenance["corpus"]["sentences"] == 2
    with pytest.raises(CorpusError, match=r"text\.txt:2: byte 9: a NUL byte"):
        w2v_hs.train(written(tmp_path, "one two\nx\0y\n"), **QUICK)


LIMITED = """
import resource, sys
resource.setrlimit(resource.RLIMIT_AS, (int(sys.argv.pop(1)),) * 2)
from w2v_hs.cli.app import main
main()
"""


def test_a_vocabulary_too_large_for_memory_is_refused_with_a_min_count_that_fits(tmp_path):
    limit, dim, types = 16 << 30, 65_536, 100_000
    counts = 1000 // np.arange(1, types + 1) + 1
    text = "\n".join(" ".join([f"w{i}"] * n) for i, n in enumerate(counts.tolist()))
    output = tmp_path / "m.safetensors"
    arguments = ("train", written(tmp_path, text), "-o", output, "--min-count", 1, "--dim", dim)
    done = subprocess.run(
        [sys.executable, "-c", LIMITED, str(limit), *map(str, arguments)],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 1 and done.stderr.count("\n") == 1, done.stderr
    found = re.search(r"100,000 words need about ([\d,]+) bytes.*min_count=(\d+)", done.stderr)
    need, min_count = (int(number.replace(",", "")) for number in found.groups())
    matrices = 3 * 4 * dim  # bytes a word: both weights, and what a learned tree needs
    assert types * matrices < need < 1.5 * types * matrices
    assert 2 <= int((counts >= min_count).sum()) < limit / matrices
    assert not output.exists()


# ---- training -----------------------------------------------------------------------------------


def too_high_a_rate(arrays, description):
    description["options"]["lr"] = 1e6


def too_long_a_vector(arrays, description):
    description["options"]["lr"] = 1e-9
    arrays["vectors"][3] = 1e9


def too_large_a_loss(arrays, description):
    description["options"]["lr"] = 1e-9
    arrays["vectors"] *= 2000 / np.linalg.norm(arrays["vectors"], axis=1, keepdims=True)


@pytest.mark.parametrize(
    ("damage", "found"),
    [
        (too_high_a_rate, "the loss is (nan|inf|[0-9.e+]+)|have grown|the exact loss"),
        (too_long_a_vector, "vectors have grown to a length of 2e\\+09"),
        (too_large_a_loss, r"the exact loss of a sample of the text is [\d.e+]+ nats"),
    ],
)
def test_divergence_ends_the_run_and_leaves_the_last_good_checkpoint(tmp_path, damage, found):
    text, kept = written(tmp_path, TEXT * 3000), checkpoint_path(tmp_path / "m.safetensors")
    options = {"dim": 4, "epochs": 20, "threads": 1, "sample": 0, "tree": "huffman"}
    train_leaving(kept, text, **options)
    arrays, description = load_arrays(kept)
    # The run goes on from the middle, and its next checkpoint is due at once.
    half = len(arrays["chunks.loss"]) // 2
    arrays = {name: array.copy() for name, array in arrays.items()}
    for name in ("chunks.loss", "chunks.predictions"):
        arrays[name] = arrays[name][:half]
    damage(arrays, description)
    save_arrays(kept, arrays, description)
    before = kept.read_bytes()
    place = rf"^epoch \d+, token [\d,]+: .*({found}).* at the learning rate [\d.e+-]+; .*smaller lr"
    with pytest.raises(DivergedError, match=place):
        w2v_hs.resume(kept)
    assert kept.read_bytes() == before
    assert len(load_checkpoint(kept).position.loss) == half


BAD_OPTIONS = [
    ("arch", "glove"),
    ("loss", "nce"),
    ("tree", "oak"),
    ("tree_order", "size"),
    ("subwords", (4, 3)),
    ("buckets", 0),
    ("dim", 0),
    ("window", 0),
    ("shrink_windows", 2),
    ("side", "up"),
    ("epochs", 0),
    ("min_count", -1),
    ("max_vocab", 1),
    ("sample", -0.1),
    ("threads", 0),
    ("seed", -1),
    ("replicas", 0),
    ("resample", 2),
    ("holdout", 0.6),
    ("patience", 0),
    *(("lr", value) for value in (0.0, -0.025, math.nan, math.inf, -math.inf, "0.1")),
]


def test_every_option_has_a_range_and_a_message(fails, text_file, tmp_path):
    assert {name for name, _ in BAD_OPTIONS} == {f.name for f in dataclasses.fields(Options)}
    for name, value in BAD_OPTIONS:
        with pytest.raises(OptionError, match=rf"^{name}={re.escape(repr(value))}: expected"):
            Options(**{name: value})
    assert "lr=nan" in fails("train", text_file, "-o", tmp_path / "m.safetensors", "--lr", "nan")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("mode", [{}, {"arch": "cbow"}, {"loss": "softmax"}], ids=str)
def test_losses_are_summed_in_float64(mode):
    """A first sentence that costs 2^40 nats must not swallow the small losses after it."""
    corpus = read_corpus([["x", "x"], *[["a", "b", "c"]] * 5000], min_count=1)
    options = Options(dim=4, window=1, sample=0, lr=1e-30, threads=1, **mode)
    words, stride = len(corpus.vocabulary), padded(options.dim)
    x = corpus.vocabulary.index["x"]
    vectors = start_vectors(words, options.dim, seed=1)
    vectors[x], vectors[x, 0] = 0, 2.0**40
    if options.loss == "softmax":
        outputs = aligned_zeros(padded(words), stride)
        outputs[x, 0] = -1
        (worker,) = make_workers(corpus, None, options, vectors, outputs)
    else:
        tree = huffman(corpus.vocabulary.counts)
        outputs = aligned_zeros(tree.inner, stride)
        step = tree.offsets[x]  # the branch at the root that leads to x
        outputs[tree.nodes[step], 0] = 2.0 * tree.bits[step] - 1
        (worker,) = make_workers(corpus, tree, options, vectors, outputs)

    def loss(first, last):
        return float(worker.train(first, last, options.lr, np.uint64(1))[0])

    last = len(corpus.sentences) - 1
    assert loss(0, 1) > 2**40
    # Partial sums of some 64 steps are float32, so the first few after it are swallowed.
    assert loss(0, last) - loss(0, 1) == pytest.approx(loss(1, last), rel=1e-3)
    assert loss(1, last) > 5000


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="no affinity masks")
def test_threads_below_1_are_an_error_and_above_the_affinity_mask_a_warning(run, fails, text_file, tmp_path):
    output = tmp_path / "m.safetensors"
    arguments = ("train", text_file, "-o", output, "--dim", 4, "--epochs", 1)
    assert "threads=0: expected a whole number from 1" in fails(*arguments, "--threads", 0)
    cores = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {min(cores)})  # which a process of ours inherits
    try:
        done = run(*arguments, "--threads", 2, env={})
    finally:
        os.sched_setaffinity(0, cores)
    assert done.returncode == 0, done.stderr
    assert b"warning: threads=2: this process may use 1 core" in done.stderr
    assert w2v_hs.load(output).options.threads == 1


def test_an_error_of_a_worker_stops_all_names_it_and_publishes_nothing(text_file, tmp_path, monkeypatch):
    calls, train = [], TreeWorker.train

    def broken(worker, first, last, rate, state):
        if worker.copies.turn > 0 and last > first:  # the second thread
            raise RuntimeError("out of order")
        calls.append(first)
        time.sleep(0.001)  # leaves chunks for the other
        return train(worker, first, last, rate, state)

    monkeypatch.setattr(TreeWorker, "train", broken)
    monkeypatch.setattr("w2v_hs.options.available_cores", lambda: 2)
    output = written(tmp_path, "old", "m.safetensors")
    arguments = ["train", text_file, "-o", output, "--epochs", "1000", "--threads", "2"]
    with pytest.raises(RuntimeError, match="out of order") as caught:
        commands.main(list(map(str, arguments)), standalone_mode=False)
    assert len(calls) < 50
    assert output.read_text() == "old" and list(tmp_path.iterdir()) == [output]
    told = " ".join([str(caught.value), *getattr(caught.value, "__notes__", [])])
    assert re.search(r"(worker|thread|trainer)[ _]\d", told), f"no worker named: {told}"


class Timed(Worker):
    """Times each call of another worker."""

    def __init__(self, worker, seconds):
        self.worker, self.seconds = worker, seconds

    def train(self, *place):
        started = time.thread_time()  # of this thread alone: other programs do not count
        totals = self.worker.train(*place)
        self.seconds.append(time.thread_time() - started)
        return totals


def test_kernel_calls_last_seconds_at_most(tmp_path):
    """So that Ctrl-C is answered: the largest full softmax, a sentence of full length.

    A call takes about 0.8 s on a core of its own, and half as long again on a shared one.
    """
    words = SOFTMAX_LIMIT // (4 * padded(100))
    vocab = written(tmp_path, "".join(f"w{i} 1\n" for i in range(words)), "vocab.txt")
    corpus = read_corpus([[f"w{i}" for i in range(1000)]], vocabulary=load_vocabulary(vocab))
    options = Options(loss="softmax", epochs=1, sample=0, threads=1, lr=0.025)
    seconds = []

    def timed(*arguments):
        return [Timed(worker, seconds) for worker in make_workers(*arguments)]

    TrainingLoop(corpus, None, options, make_workers=timed).run()
    assert max(seconds[1:]) < 2.5  # the first one compiles


# ---- files written ------------------------------------------------------------------------------


def test_an_output_that_cannot_be_written_is_told_before_any_text_is_read(fails, tmp_path):
    (tmp_path / "closed").mkdir(mode=0o500)
    written(tmp_path, "", "file")
    # The text is missing: an error about the output says that no one has looked for it yet.
    text = tmp_path / "none.txt"
    closed = ["closed"] if os.geteuid() else []  # root may write anywhere
    for folder in ("missing", "file", *closed):
        output = tmp_path / folder / "m.safetensors"
        assert f"{output}: cannot write there: " in fails("train", text, "-o", output)
    output, vocab = tmp_path / "m.safetensors", tmp_path / "file" / "v.txt"
    message = fails("train", text, "-o", output, "--save-vocab", vocab)
    assert f"{vocab}: cannot write there: Not a directory" in message
    assert sorted(path.name for path in tmp_path.iterdir()) == ["closed", "file"]


def digits(decimal: str) -> int:
    """Significant digits of a decimal."""
    return max(1, len(decimal.lstrip("-").partition("e")[0].replace(".", "").strip("0")))


@pytest.mark.parametrize("format", ["word2vec-text", "glove"])
def test_text_holds_the_shortest_decimals_that_give_the_same_float32(tmp_path, format):
    values = np.random.default_rng(1).integers(0, 2**32, 20_000, np.uint32).view(np.float32)
    values = np.append(values[np.isfinite(values)][:19_990], np.float32([0.1, 1 / 3, 1e-45]))
    save_vectors(Vectors(["word"], values[None]), tmp_path / "v", format=format)
    decimals = (tmp_path / "v").read_text().split()[-len(values) :]
    assert np.array_equal(np.array(decimals, np.float32).view("u4"), values.view("u4"))
    shortest = [np.format_float_scientific(value, unique=True) for value in values]
    assert list(map(digits, decimals)) == list(map(digits, shortest))


# ---- files read ---------------------------------------------------------------------------------


def test_a_file_that_ends_before_its_rows_says_how_many_it_has(tmp_path):
    two = Vectors(["a", "b"], np.ones((2, 3)))
    for name in ("v.txt", "v.bin"):
        save_vectors(two, tmp_path / name)
        whole = (tmp_path / name).read_bytes()
        more = written(tmp_path, whole.replace(b"2 3\n", b"3 3\n"), name)
        with pytest.raises(FormatError, match=rf"{name}: .*declares 3 rows, file ends after 2$"):
            load_vectors(more)
    save_vectors(Vectors(["a", "b", "c"], np.ones((3, 3))), tmp_path / "v.bin")
    cut = written(tmp_path, (tmp_path / "v.bin").read_bytes()[:-3], "v.bin")
    with pytest.raises(FormatError, match=r"v\.bin: .*declares 3 rows, file ends after 2$"):
        load_vectors(cut)
    cut = written(tmp_path, b"3 3\na 1 1 1\nb 1 1 1\nc 1 1", "v.txt")
    with pytest.raises(FormatError, match=r"v\.txt:4: the file ends in the middle of this line"):
        load_vectors(cut)


@pytest.mark.parametrize(
    ("name", "content", "hint"),
    [
        ("v.txt", "", "the file is empty; expected words and vectors"),
        ("v.bin", "", "the file is empty; expected words and vectors"),
        ("v.txt", "-1 3\na 1 2 3\n", "header declares -1 words of 3 values; expected at least 1"),
        ("v.bin", "2 -3\na 1 2 3\n", "header declares 2 words of -3 values; expected at least 1"),
        ("v.bin", "1 3\na 0.5 1 2\n", "holds decimals; read it as word2vec-text"),
        ("v.bin", "a 0.5 1\nb 1 2\n", "if it is text without a header, read it as glove"),
    ],
)
def test_empty_files_negative_headers_and_text_read_as_binary(tmp_path, name, content, hint):
    with pytest.raises(FormatError, match=hint) as caught:
        load_vectors(written(tmp_path, content, name))
    assert "\n" not in str(caught.value)


class Bomb:
    """Leaves a trace when it is unpickled."""

    exploded = False

    def __reduce__(self):
        return setattr, (Bomb, "exploded", True)


def test_no_file_is_unpickled(tmp_path):
    path = written(tmp_path, pickle.dumps(Bomb()), "bomb")
    np.savez(tmp_path / "v.npz", words=np.array(["a"]), vectors=np.array([[Bomb()]], object))
    readers = [
        lambda: load_vectors(tmp_path / "v.npz"),
        *(lambda f=format: load_vectors(path, format=f) for format in FORMATS),
        lambda: w2v_hs.load(path),
        lambda: w2v_hs.resume(path),
        lambda: load_vocabulary(path),
        lambda: read_codes(path),
        lambda: w2v_hs.train(path),
        lambda: evaluate(Vectors(["a"], np.ones((1, 1))), analogies=[path]),
    ]
    for read in readers:
        with pytest.raises(w2v_hs.W2VError):
            read()
    assert not Bomb.exploded
    pickle.loads(path.read_bytes())
    assert Bomb.exploded  # so it would have been seen
    runs_code = {"pickle", "cPickle", "dill", "cloudpickle", "joblib", "shelve", "marshal"}
    for source in Path(w2v_hs.__file__).parent.rglob("*.py"):
        for node in ast.walk(ast.parse(source.read_text())):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            names += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            assert not {name.partition(".")[0] for name in names} & runs_code, source
            if isinstance(node, ast.keyword) and node.arg == "allow_pickle":
                assert isinstance(node.value, ast.Constant) and node.value.value is False, source


# ---- evaluation ---------------------------------------------------------------------------------


def test_case_folding_is_an_option_and_stands_in_the_result(run, model, tmp_path):
    model.save(tmp_path / "m.safetensors")
    pairs = written(tmp_path, "PARIS\tFRANCE\t9\nDog\tcat\t8\nking\tqueen\t7\n", "pairs.txt")
    questions = written(tmp_path, "Paris France Berlin Germany\n", "questions.txt")
    arguments = (
        "evaluate",
        tmp_path / "m.safetensors",
        "--similarity",
        pairs,
        "--analogies",
        questions,
        "--case-sensitive",
        "--json",
        "-",
    )
    exact = json.loads(run(*arguments).stdout)
    ignored = evaluate(model, similarity=[pairs], analogies=[questions]).as_dict()
    for result, folded, used, seen in (ignored, True, 3, 1), (exact, False, 1, 0):
        assert result["case_insensitive"] is folded
        assert (result["similarity"][0]["used"], result["similarity"][0]["total"]) == (used, 3)
        assert (result["analogies"][0]["seen"], result["analogies"][0]["total"]) == (seen, 1)


# ---- the table of faults ------------------------------------------------------------------------


def test_each_row_of_the_table_names_a_test_of_its_own():
    lines = (ROOT / "docs" / "faults.md").read_text().splitlines()
    rows = [line.strip("| ").split(" | ") for line in lines if line.startswith("|")]
    rows = [row for row in rows if row != ["fault", "what happens", "test"] and row[0] != "---"]
    assert len(rows) >= 47 and all(len(row) == 3 for row in rows)
    todo = [fault for fault, _, test in rows if "TODO" in test]
    tests = [test for *_, test in rows if "TODO" not in test]
    assert len(tests) == len(set(tests))
    for test in tests:
        path, name, case = re.fullmatch(r"`(tests/[\w/]+\.py)::(\w+)(?:\[(.+)\])?`", test).groups()
        tree = ast.parse((ROOT / path).read_text())
        functions = {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}
        assert name.startswith("test_") and name in functions, test
        strings = {node.value for node in ast.walk(tree) if isinstance(node, ast.Constant)}
        assert case is None or case in strings, test
    assert not todo, f"no test for: {todo}"


@pytest.mark.parametrize(
    "read",
    [
        w2v_hs.load,
        w2v_hs.load_vectors,
        w2v_hs.resume,
        w2v_hs.train,
        lambda path: w2v_hs.train([["a", "b"]] * 9, vocab=path),
        lambda path: w2v_hs.load_vectors(path.with_suffix(".unknown")),
    ],
    ids=["load", "load_vectors", "resume", "train", "vocab", "unknown suffix"],
)
def test_a_file_that_is_missing_is_an_error_of_python_and_of_ours(tmp_path, read):
    for kind in (FileNotFoundError, w2v_hs.W2VError):
        with pytest.raises(kind, match=r"(?i)nope\.[a-z]+: .*no such file"):
            read(tmp_path / "nope.txt")

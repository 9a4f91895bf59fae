"""Files of 12 GB without a line end, and words without an end: an error, and little memory."""

import gzip
import os
import resource
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

import w2v_hs
from w2v_hs.errors import CorpusError
from w2v_hs.files.lines import LONGEST_LINE
from w2v_hs.options import Preprocessing
from w2v_hs.text.blocks import read_lines
from w2v_hs.text.corpus import read_corpus
from w2v_hs.text.sources import find_sources
from w2v_hs.text.vocabulary import load_vocabulary
from w2v_hs.tree.user_trees import read_codes

READING = """
import resource, sys
from pathlib import Path
import w2v_hs
from w2v_hs.evaluation.testsets import find_pairs
from w2v_hs.text.vocabulary import load_vocabulary
from w2v_hs.tree.user_trees import read_codes

resource.setrlimit(resource.RLIMIT_AS, (4 << 30, 4 << 30))
readers = {"vocab": load_vocabulary, "tree": read_codes, "pairs": find_pairs, "text": w2v_hs.train}
for place in map(Path, sys.argv[1:]):
    try:
        readers.get(place.stem, w2v_hs.load_vectors)(place)
        print("read", place)
    except w2v_hs.W2VError as error:
        print(place.name, type(error).__name__, error)
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024)
"""


def test_sparse_files_of_12_gigabytes_take_little_memory(tmp_path):
    suffixes = ("txt", "glove", "bin", "npz", "safetensors", "parquet", "arrow")
    paths = [tmp_path / name for name in (*(f"v.{suffix}" for suffix in suffixes), "r.txt", "b.bin", "f.bin")]
    paths += [tmp_path / f"{name}.txt" for name in ("vocab", "tree", "pairs", "text")]
    (tmp_path / "r.txt").write_text("2 2\nking 1 2\n")
    (tmp_path / "b.bin").write_text("2 1000000000\n")
    (tmp_path / "v.arrow").write_bytes(b"ARROW1\0\0")
    folders = {"projector": ("metadata.tsv", "vectors.tsv"), "transformers": ("modules.json",)}
    for folder in folders:
        (tmp_path / folder).mkdir()
        paths.append(tmp_path / folder)
    for path in [path for path in paths if not path.is_dir()]:
        path.touch()
        os.truncate(path, 12 << 30)
    for folder, names in folders.items():
        for name in names:
            (tmp_path / folder / name).touch()
            os.truncate(tmp_path / folder / name, 12 << 30)
    started = time.monotonic()
    child = subprocess.run(
        [sys.executable, "-c", READING, *map(str, paths)], capture_output=True, text=True, timeout=120
    )
    assert child.returncode == 0, child.stderr
    *lines, megabytes = child.stdout.splitlines()
    found = dict(line.split(maxsplit=1) for line in lines)
    assert len(lines) == len(paths) and all(path.name in found for path in paths)
    longest = f":1: a line of more than {LONGEST_LINE:,} bytes; is it the right file?"
    for name in ("v.txt", "v.glove", "v.bin", "vocab.txt", "tree.txt"):
        assert f"{name}{longest}" in found[name]
    assert "r.txt:3: a line of more than" in found["r.txt"]
    assert "pairs.txt:1: a line of more than 1,048,576 bytes" in found["pairs.txt"]
    assert "text.txt:1: byte 0: a NUL byte" in found["text.txt"]
    assert "metadata.tsv:1: a line of more than" in found["projector"]
    assert "modules.json: 12,884,901,888 bytes; expected at most" in found["transformers"]
    assert int(megabytes) < 700 and time.monotonic() - started < 60


def test_a_text_without_end_ends_in_one_line(fails, tmp_path):
    message = fails("train", "/dev/zero", "-o", tmp_path / "m.safetensors")
    assert "/dev/zero:1: byte 0: a NUL byte; remove it" in message
    assert "/dev/zero:1: a line" in fails(
        "train", "/dev/null", "--vocab", "/dev/zero", "-o", tmp_path / "m.safetensors"
    )


def test_lists_without_end_are_refused_at_a_limit(tmp_path):
    """Pipes whose writer does not stop at the limit."""
    word, pipe = "x" * 300_000, tmp_path / "pipe"
    os.mkfifo(pipe)

    def freeze(path):
        return w2v_hs.train([["a", "b"]], init=w2v_hs.Vectors(["a", "b"], [[1.0], [2.0]]), freeze=path)

    model = w2v_hs.Vectors(["a", "b"], [[1.0], [2.0]])
    small, large = 1 << 26, 1 << 28
    for read, line, limit in (
        (lambda path: w2v_hs.evaluate(model, analogies=path), f"{word} b c d", small),
        (lambda path: w2v_hs.evaluate(model, similarity=path), f"# {word}", small),
        (load_vocabulary, "%d" + word * 10 + " 5", large),
        (read_codes, "%d" + word * 10 + " 01", large),
        (freeze, word * 10, large),
    ):
        with ThreadPoolExecutor(1) as writer:
            writing = writer.submit(write, pipe, line, 2 * limit // len(line))
            with pytest.raises(w2v_hs.W2VError, match=f"pipe:[0-9]+: over {limit:,} bytes, the most"):
                read(pipe)
            assert isinstance(writing.exception(), BrokenPipeError)


def write(pipe, line, lines):
    """Write lines, numbered where there is a place for it."""
    with pipe.open("w") as stream:
        for number in range(lines):
            stream.write((line % number if "%d" in line else line) + "\n")


def test_a_word_without_end_is_refused_at_the_limit(tmp_path):
    path = tmp_path / "t.txt.gz"
    path.write_bytes(gzip.compress(b"a b\n" + b"x" * (1 << 27), 1))
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with pytest.raises(CorpusError, match=r"t\.txt\.gz: byte 4: a word of more than 16,777,216 bytes"):
        w2v_hs.train(path)
    with pytest.raises(CorpusError, match=r"t\.txt\.gz: byte 4: a word of more than 16,777,216 bytes"):
        list(read_lines(*find_sources(path), Preprocessing()))
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 200_000


@pytest.mark.parametrize("space", ["\t", "\r", "\u3000", "\x1f"])
def test_white_space_of_any_kind_ends_a_word_in_a_line_without_end(tmp_path, space):
    path = tmp_path / "t.txt"
    path.write_text(space.join(["x" * 400_000, "é" * 300_000]) * 25, encoding="utf-8", newline="")
    corpus = read_corpus(path, min_count=1)
    assert corpus.tokens == 26 and max(map(len, corpus.vocabulary.words)) == 700_000
    path.write_text("a b\n" + "c d " * (LONGEST_LINE // 4 + 1))
    with pytest.raises(CorpusError, match=r"t\.txt:2: byte .*: a line of more than 16,777,216 bytes"):
        list(read_lines(*find_sources(path), Preprocessing()))

"""How much memory is free, and files of vectors that need more are refused in one line."""

import json
import struct
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import w2v_hs
from w2v_hs.files.container import save_arrays
from w2v_hs.files.memory import available_bytes
from w2v_hs.vectors.formats import save_vectors


@pytest.mark.parametrize(
    ("folder", "limit", "used", "kind"),
    [
        (".", "memory.max", "memory.current", ""),
        ("memory", "memory.limit_in_bytes", "memory.usage_in_bytes", "total_"),
    ],
)
def test_files_that_the_system_caches_count_as_free(tmp_path, folder, limit, used, kind):
    group = tmp_path / folder
    group.mkdir(exist_ok=True)
    (group / limit).write_text("1000000\n")
    (group / used).write_text("990000\n")
    stat = f"anon 1\n{kind}inactive_file 600000\n{kind}active_file 200000\nslab 7\n"
    (group / "memory.stat").write_text(stat)
    assert available_bytes(tmp_path) == 810_000


READING = """
import json, resource, sys
from pathlib import Path
import w2v_hs

w2v_hs.load_vectors(sys.argv[1])  # what this imports and compiles takes memory once
used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
resource.setrlimit(resource.RLIMIT_AS, (used + 10**8, used + 10**8))
for path in json.loads(sys.argv[2]):
    try:
        w2v_hs.load_vectors(path)
        print("read")
    except w2v_hs.W2VError as error:
        print(error)
"""


def fasttext(words: list[bytes], buckets: int, dim: int, longest: int) -> bytes:
    """A model whose n-grams have 1 to `longest` characters, all values 1."""
    options = (dim, 5, 5, 1, 5, 1, 1, 2, buckets, 1, longest, 100, 1e-3)
    start = struct.pack("<2i12id3i2q", 793712314, 12, *options, len(words), len(words), 0, len(words), -1)
    entries = b"".join(word + b"\0" + struct.pack("<qb", 1, 0) for word in words)
    matrices = (
        b"\0" + struct.pack("<2q", rows, dim) + np.ones(rows * dim, "<f4").tobytes()
        for rows in (len(words) + buckets, len(words))
    )
    return start + entries + b"".join(matrices)


@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="no /proc")
def test_vectors_that_do_not_fit_are_refused_before_memory_is_taken(tmp_path):
    """Many n-grams, many buckets in use, many values: each is told with both sizes."""
    files = {
        "small.bin": fasttext([b"word"], 2, 2, 3),
        "ngrams.bin": fasttext([bytes([97 + i]) * 60_000 for i in range(8)], 1000, 2, 100),
        "buckets.bin": fasttext([b"word"], 150_000, 100, 3),
        "words.bin": b"2000 7000\n" + b"".join(b"%d %b" % (row, bytes(28_000)) for row in range(2000)),
    }
    for name, content in files.items():
        (tmp_path / name).write_bytes(content)
    small, *paths = (str(tmp_path / name) for name in files)
    child = subprocess.run(
        [sys.executable, "-c", READING, small, json.dumps(paths)], capture_output=True, text=True, timeout=100
    )
    assert child.returncode == 0, child.stderr
    for path, line in zip(paths, child.stdout.splitlines(), strict=True):
        assert line.startswith(f"{path}: its arrays take "), line


def test_vectors_of_parquet_that_do_not_fit_are_refused(tmp_path):
    pytest.importorskip("pyarrow")
    small, large = tmp_path / "s.parquet", tmp_path / "l.parquet"
    save_vectors(w2v_hs.Vectors(["a", "b"], [[1.0], [2.0]]), small)
    words = [str(row) for row in range(80_000)]
    save_vectors(w2v_hs.Vectors(words, np.ones((80_000, 400), np.float32)), large)
    command = [sys.executable, "-c", READING, small, json.dumps([str(large)])]
    child = subprocess.run(command, capture_output=True, text=True, timeout=100)
    assert child.returncode == 0, child.stderr
    assert f"{large}: its arrays take 128,000,000 bytes of memory, " in child.stdout


JSON = """
import json, resource, sys
from pathlib import Path
import w2v_hs, w2v_hs.model.file, w2v_hs.vectors.formats

folder, model = sys.argv[1:]
w2v_hs.load(model)  # what this imports takes memory once
used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
resource.setrlimit(resource.RLIMIT_AS, (used + 6 * 10**8, used + 6 * 10**8))
for path in (Path(folder), Path(folder, "m.safetensors")):
    try:
        (w2v_hs.load_vectors if path.is_dir() else w2v_hs.load)(path)
    except w2v_hs.W2VError as error:
        print(error)
"""


@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="no /proc")
def test_json_that_may_take_more_memory_than_is_free_is_refused(tmp_path, model_file):
    """Empty objects take many times the bytes of their text."""
    (tmp_path / "modules.json").write_text("[" + "{}," * 10**7 + "{}]")
    save_arrays(tmp_path / "m.safetensors", {}, [{}] * 10**7)
    command = [sys.executable, "-c", JSON, tmp_path, model_file]
    child = subprocess.run(command, capture_output=True, text=True, timeout=100)
    assert child.returncode == 0, child.stderr
    folder, model = child.stdout.splitlines()
    assert "modules.json: its 30,000,004 bytes of JSON may take 720,000,096 bytes of memory, " in folder
    assert "m.safetensors: its 40,000,000 bytes of JSON may take 960,000,000 bytes of memory, " in model

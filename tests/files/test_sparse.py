"""Sparse files, which claim more than they hold: one line or the true answer, in little memory."""

import json
import os
import struct
import subprocess
import sys
from pathlib import Path

import pytest

GIGABYTE = 1 << 30
READING = """
import json, resource, sys
from pathlib import Path
import safetensors
import w2v_hs
from w2v_hs.training.observers.checkpoint import load_checkpoint
import w2v_hs.vectors.formats

w2v_hs.load_vectors(sys.argv[2])  # what this imports and compiles takes memory once
lines = Path("/proc/self/status").read_text().splitlines()
used = 1024 * next(int(line.split()[1]) for line in lines if line.startswith("VmData"))
resource.setrlimit(resource.RLIMIT_DATA, (used + 10**8, used + 10**8))  # of memory, not of mapped files
for path in map(Path, json.loads(sys.argv[1])):
    for read in (w2v_hs.load_vectors, w2v_hs.load, load_checkpoint):
        if path.suffix == ".safetensors" or read is w2v_hs.load_vectors:
            try:
                print(path.name, read.__name__, "read", len(read(path).words))
            except w2v_hs.W2VError as error:
                print(path.name, read.__name__, error)
"""


def fasttext(buckets: int, rows: int) -> bytes:
    """A model of one word and one value a row, up to the values."""
    options = struct.pack("<2i12id", 793712314, 12, 1, 5, 5, 1, 5, 1, 1, 2, buckets, 3, 4, 100, 1e-3)
    words = struct.pack("<3i2q", 1, 1, 0, 1, -1) + b"word\0" + struct.pack("<qb", 1, 0)
    return options + words + b"\0" + struct.pack("<2q", rows, 1) + struct.pack("<f", 2)


OUTPUTS = b"\0" + struct.pack("<2qf", 1, 1, 0)  # the end of such a model


def safetensors(metadata: dict[str, str], end: bytes = b"", **arrays: tuple[str, list[int], int]) -> bytes:
    """The header of arrays: their type, shape and bytes."""
    header, at = {"__metadata__": metadata}, 0
    for name, (dtype, shape, size) in arrays.items():
        header[name.replace("_", ".")] = {"dtype": dtype, "shape": shape, "data_offsets": [at, at + size]}
        at += size
    encoded = json.dumps(header).encode()
    return struct.pack("<Q", len(encoded)) + encoded


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="no /proc")
def test_sparse_files_take_no_memory_for_what_they_only_claim(tmp_path):
    directory = struct.pack("<4s4H2LH", b"PK\5\6", 0, 0, 2, 2, GIGABYTE - 22, 0, 0)
    one = {"vectors": ("F32", [GIGABYTE // 4, 1], GIGABYTE)}
    described = {"description": "{}", "sha256": "0" * 64}
    words = {"words_bytes": ("U8", [1], 1), "words_ends": ("I64", [1], 8)}
    huge = {"vectors": ("F32", [1, 1 << 38], 1 << 40)} | words
    files = {  # beginning, size, end
        "directory.npz": (b"PK\3\4", GIGABYTE, directory),
        "buckets.bin": (
            begin := fasttext(1 << 28, (1 << 28) + 1),
            len(begin) + (1 << 30) + len(OUTPUTS),
            OUTPUTS,
        ),
        "array.safetensors": (begin := safetensors({}, **one), len(begin) + GIGABYTE, b""),
        "described.safetensors": (begin := safetensors(described, **one), len(begin) + GIGABYTE, b""),
        "huge.safetensors": (begin := safetensors({}, **huge), len(begin) + (1 << 40) + 9, b"a\1" + bytes(7)),
        "projector/metadata.tsv": (b"", GIGABYTE, b"\n"),
        "transformers/modules.json": (b"", GIGABYTE, b""),
    }
    for name, (begin, size, end) in files.items():
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(begin)
        os.truncate(path, size - len(end))
        with path.open("ab") as file:
            file.write(end)
    (tmp_path / "projector" / "vectors.tsv").write_text("1\t2\n")
    (tmp_path / "first.bin").write_bytes(fasttext(2, 3) + struct.pack("<2f", 1, 2) + OUTPUTS)
    paths = [
        str(tmp_path / name.removesuffix("/metadata.tsv").removesuffix("/modules.json")) for name in files
    ]
    child = subprocess.run(
        [sys.executable, "-c", READING, json.dumps(paths), tmp_path / "first.bin"],
        capture_output=True,
        text=True,
        timeout=100,
    )
    assert child.returncode == 0, child.stderr
    found = {}
    for line in child.stdout.splitlines():
        name, reader, answer = line.split(" ", 2)
        found[name, reader] = answer.removeprefix(f"{tmp_path}/")
    assert len(found) == 13
    assert "not a whole npz archive" in found["directory.npz", "load_vectors"]
    assert found["buckets.bin", "load_vectors"] == "read 1"
    assert "holds no array 'words.bytes'" in found["array.safetensors", "load_vectors"]
    for reader in ("load_vectors", "load", "load_checkpoint"):
        assert "damaged" in found["described.safetensors", reader]
        if reader != "load_vectors":
            assert "not a model" in found["array.safetensors", reader]
    assert "its arrays take 1,099,511,627,785 bytes" in found["huge.safetensors", "load_vectors"]
    assert "metadata.tsv:1: a line of more than" in found["projector", "load_vectors"]
    assert "modules.json: byte 0: NUL" in found["transformers", "load_vectors"]

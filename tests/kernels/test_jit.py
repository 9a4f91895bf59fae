"""The cache of compiled kernels, and other processors, each in its own process."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

CODE = """
import json, sys, time
import w2v_hs
from conftest import TEXT
model = w2v_hs.train([line.split() for line in TEXT.splitlines()] * 20, dim=20, epochs=1,
    threads=1, tree="huffman")
print(json.dumps([model.losses, float(abs(model.vectors.matrix).sum())]))
"""


def train(**env):
    done = subprocess.run(
        [sys.executable, "-c", CODE],
        capture_output=True,
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[1]), **env},
        timeout=300,
    )
    assert done.returncode == 0, done.stderr.decode()
    return json.loads(done.stdout)


@pytest.fixture(scope="module")
def expected():
    return train()


@pytest.fixture(scope="module")
def plain(tmp_path_factory):
    """A run without AVX and without fused multiplication and addition, and its new cache."""
    cache = tmp_path_factory.mktemp("cache")
    env = {"NUMBA_CPU_NAME": "generic", "NUMBA_CACHE_DIR": str(cache)}
    return train(**env), env, cache


def test_a_plain_processor_gives_the_same(expected, plain):
    losses, total = plain[0]
    assert losses == pytest.approx(expected[0], rel=1e-5)
    assert total == pytest.approx(expected[1], rel=1e-4)


def test_a_damaged_cache_is_no_error_and_is_mended(plain):
    result, env, cache = plain
    damaged = []
    for suffix in (".nbc", ".nbi"):  # machine code, and the index of a function's
        # Compiling the largest again takes half a minute.
        damaged += sorted(path for path in cache.rglob(f"*{suffix}") if "skipgram" not in path.name)[::3]
    assert {path.suffix for path in damaged} == {".nbc", ".nbi"}, "nothing was cached"
    sizes = [path.stat().st_size for path in damaged]
    for path in damaged:
        path.write_bytes(path.read_bytes()[:100] if path.suffix == ".nbc" else b"garbage")
    assert train(**env) == result
    assert all(path.stat().st_size > 0.9 * size for path, size in zip(damaged, sizes, strict=True))


def test_a_cache_folder_that_cannot_be_made_is_no_error(expected, tmp_path):
    (tmp_path / "file").touch()
    assert train(NUMBA_CACHE_DIR=str(tmp_path / "file" / "cache"), HOME="/dev/null") == expected

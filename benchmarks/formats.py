"""Seconds to write and to read vectors in each format, and bytes on the disk.

    python benchmarks/formats.py
    python benchmarks/formats.py --words 3000000 --dim 300 --rounds 1

Formats take turns, so that a slow minute of the machine does not fall on one of them. The median of
the rounds is shown. What was read is compared with what was written.
"""

import argparse
import shutil
import statistics
import tempfile
import time
from pathlib import Path

import numpy as np

from w2v_hs.vectors.formats import FORMATS, load_vectors, save_vectors
from w2v_hs.vectors.vectors import Vectors


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--words", type=int, default=70_000)
    parser.add_argument("--dim", type=int, default=100)
    parser.add_argument("--rounds", type=int, default=5)
    o = parser.parse_args()
    matrix = np.random.default_rng(1).normal(scale=0.3, size=(o.words, o.dim)).astype(np.float32)
    vectors = Vectors([f"{'w' * (row % 9)}{row}" for row in range(o.words)], matrix)
    writing = {format: [] for format in FORMATS}
    reading = {format: [] for format in FORMATS}
    sizes = {}
    with tempfile.TemporaryDirectory() as folder:
        for _ in range(o.rounds):
            for format in FORMATS:
                path = Path(folder) / format
                started = time.perf_counter()
                save_vectors(vectors, path, format=format)
                written = time.perf_counter()
                found = load_vectors(path, format=format)
                reading[format].append(time.perf_counter() - written)
                writing[format].append(written - started)
                assert found.words == vectors.words and np.array_equal(found.matrix, matrix)
                files = path.iterdir() if path.is_dir() else [path]
                sizes[format] = sum(file.stat().st_size for file in files)
                shutil.rmtree(path) if path.is_dir() else path.unlink()
    print("| format | MB | seconds to write | to read |\n| --- | --- | --- | --- |")
    for format in FORMATS:
        seconds = [statistics.median(times[format]) for times in (writing, reading)]
        print(f"| `{format}` | {sizes[format] / 1e6:.1f} | {seconds[0]:.2f} | {seconds[1]:.2f} |")


if __name__ == "__main__":
    main()

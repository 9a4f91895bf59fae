"""What a large vocabulary costs: time a token, memory, and what precedes training.

    python benchmarks/vocabularies.py
    python benchmarks/vocabularies.py --types 70000 3000000 --dim 300 --runs 1
    python benchmarks/vocabularies.py --tree learned --json vocabularies.json

Trains one epoch on synthetic text, in which each type occurs once and the other tokens follow
Zipf's law, with each number of types in turn; each run is a process of its own. Printed are
medians. Before: the seconds from the start of the process, imports included, to that of training.
Work: branches a token, paths of tokens that subsampling leaves out being 0. Peak: the most memory,
and how often it is what vectors and nodes take without padding.
"""

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.table import Table

SENTENCE = 20  # tokens


def write_text(path: Path, types: int, tokens: int) -> None:
    """Write `tokens` tokens, each of the `types` types at least once, in sentences, shuffled."""
    generator = np.random.default_rng(types)
    below = np.cumsum(1 / np.arange(1, types + 1))
    drawn = np.searchsorted(below, generator.random(tokens - types) * below[-1])
    ids = generator.permutation(np.concatenate([np.arange(types), drawn]))
    words = [f"w{word}" for word in range(types)]
    with path.open("w") as file:
        for first in range(0, tokens, SENTENCE):
            file.write(" ".join(words[word] for word in ids[first : first + SENTENCE].tolist()) + "\n")


def train(o) -> None:
    """One run: prints a line of JSON."""
    started = time.perf_counter()
    import w2v_hs

    model = w2v_hs.train(
        o.text, tree=o.tree, dim=o.dim, epochs=1, min_count=1, threads=o.threads, progress=False
    )
    whole, facts = time.perf_counter() - started, model.provenance
    kept = model.vocabulary.kept_frequencies(model.options.sample)
    print(
        json.dumps(
            {
                "training_seconds": facts["training_seconds"],
                "before_seconds": whole - facts["training_seconds"],
                "cpu_seconds": time.process_time(),
                "peak_memory_bytes": facts["peak_memory_bytes"],
                "branches": float(kept @ model.tree.lengths / model.vocabulary.counts.sum()),
                "loss": model.losses[0],
            }
        )
    )


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--types", type=int, nargs="+", default=[70_000, 3_000_000])
    parser.add_argument("--tokens", type=int, default=20_000_000)
    parser.add_argument("--dim", type=int, default=100)
    parser.add_argument("--tree", default="huffman", choices=("huffman", "learned", "balanced"))
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--json", type=Path, help="write all runs to this file")
    parser.add_argument("--text", help=argparse.SUPPRESS)  # of one run, in a process of its own
    o = parser.parse_args()
    if o.text:
        return train(o)
    runs = []
    with tempfile.TemporaryDirectory() as folder:
        texts = {types: Path(folder) / f"{types}.txt" for types in o.types}
        for types, path in texts.items():
            write_text(path, types, o.tokens)
        for _ in range(o.runs):
            for types, path in texts.items():
                options = ["--text", path, "--dim", o.dim, "--tree", o.tree, "--threads", o.threads]
                command = [sys.executable, __file__, *map(str, options)]
                line = subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout
                runs.append({"types": types} | json.loads(line))
                print(json.dumps(runs[-1]), file=sys.stderr, flush=True)
    columns = ("before, s", "M words/s", "ns a token", "work", "peak, MB", "of vectors and nodes")
    table = Table("types", *columns, title=f"{o.tokens:,} tokens, {o.tree}, dim {o.dim}")
    for types in o.types:
        mine = {key: statistics.median(r[key] for r in runs if r["types"] == types) for key in runs[0]}
        seconds, peak = mine["training_seconds"], mine["peak_memory_bytes"]
        table.add_row(
            f"{types:,}",
            f"{mine['before_seconds']:.1f}",
            f"{o.tokens / seconds / 1e6:.2f}",
            f"{1e9 * seconds / o.tokens:.0f}",
            f"{mine['branches']:.2f}",
            f"{peak / 1e6:,.0f}",
            f"{peak / (8 * types * o.dim):.2f}",
        )
    Console(width=110).print(table)
    if o.json:
        o.json.write_text(json.dumps(runs, indent=1) + "\n")


if __name__ == "__main__":
    main()

"""How near one thread comes to what the processor can do: useful work against a matrix product.

    python benchmarks/ceiling.py wiki.txt

Useful work is 6 * dim floating-point operations for each context-node pair (one dot product and two
updates), and 6 * dim * V for each prediction of the full softmax. The ceiling is a float32 matrix
product of 2048 x 2048, on one thread, measured in turn with ours. Printed are medians. Reading is
measured in MB/s, from plain text to ids and vocabulary, for one and more cores.
"""

import argparse
import json
import os
import statistics
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.table import Table
from threadpoolctl import threadpool_limits

from w2v_hs.options import Options, available_cores
from w2v_hs.text.corpus import Corpus, read_corpus
from w2v_hs.training.loop import TrainingLoop
from w2v_hs.tree.tree import huffman


def product_rate() -> float:
    """GFLOP/s of a float32 matrix product on one thread."""
    a = np.random.default_rng(1).random((2048, 2048), np.float32)
    with threadpool_limits(1):
        started = time.perf_counter()
        a @ a
        return 2 * 2048**3 / (time.perf_counter() - started) / 1e9


def slice_of(corpus: Corpus, tokens: int) -> Corpus:
    """The first sentences of a corpus, about `tokens` words."""
    last = int(np.searchsorted(corpus.sentences, tokens))
    return replace(corpus, ids=corpus.ids[: corpus.sentences[last]], sentences=corpus.sentences[: last + 1])


def tree_rate(corpus: Corpus, arch: str, dim: int) -> tuple[float, float]:
    """(GFLOP/s of useful work, words/s) of hierarchical softmax on one thread."""
    tree = huffman(corpus.vocabulary.counts)
    options = Options(arch=arch, tree="huffman", dim=dim, epochs=1, threads=1).resolved()
    weights = TrainingLoop(corpus, tree, options).run()
    kept = np.bincount(corpus.ids, minlength=len(corpus.vocabulary))
    kept = kept * corpus.vocabulary.keep_probabilities(options.sample)
    nodes = float(np.dot(kept, tree.lengths) / kept.sum())  # on the path of a kept word
    work = weights.predictions * nodes * 6 * dim
    return work / weights.seconds / 1e9, len(corpus.ids) / weights.seconds


def softmax_rate(corpus: Corpus, dim: int) -> tuple[float, float]:
    """(GFLOP/s of useful work, predictions/s) of the full softmax on one thread."""
    options = Options(loss="softmax", dim=dim, epochs=1, threads=1).resolved()
    weights = TrainingLoop(corpus, None, options).run()
    work = weights.predictions * 6 * dim * len(corpus.vocabulary)
    return work / weights.seconds / 1e9, weights.predictions / weights.seconds


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("text", type=Path)
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--tokens", type=int, default=3_000_000, help="of the text, a run")
    parser.add_argument("--json", type=Path, help="write the figures to this file")
    o = parser.parse_args()
    whole = read_corpus(o.text, threads=available_cores())
    corpus = slice_of(whole, o.tokens)
    small = slice_of(read_corpus(o.text, max_vocab=5000), 20_000)
    cases = {
        "skip-gram, dim 100": lambda: tree_rate(corpus, "skipgram", 100),
        "skip-gram, dim 300": lambda: tree_rate(corpus, "skipgram", 300),
        "CBOW, dim 100": lambda: tree_rate(corpus, "cbow", 100),
        "softmax, V 5000, dim 100": lambda: softmax_rate(small, 100),
    }
    rows = {name: [] for name in cases}
    for measure in cases.values():
        measure()  # compile
    for _ in range(o.runs):
        for name, measure in cases.items():
            before = product_rate()
            work, speed = measure()
            ceiling = (before + product_rate()) / 2
            rows[name].append((work, ceiling, work / ceiling, speed))
    table = Table("one thread", "GFLOP/s", "product GFLOP/s", "share", "words or pairs / s")
    figures = {}
    for name, runs in rows.items():
        work, ceiling, share, speed = (statistics.median(column) for column in zip(*runs, strict=True))
        figures[name] = {"gflops": work, "product_gflops": ceiling, "share": share, "speed": speed}
        table.add_row(name, f"{work:.1f}", f"{ceiling:.1f}", f"{share:.0%}", f"{speed:,.0f}")
    Console().print(table)

    cores = sorted(os.sched_getaffinity(0))
    size = o.text.stat().st_size / 1e6
    table = Table("reading", "MB/s", "ratio")
    seconds = {n: [] for n in {1, min(2, available_cores()), available_cores()}}
    for _ in range(o.runs):
        for threads, times in seconds.items():
            os.sched_setaffinity(0, cores[:threads])  # else reading, preprocessing and hashing overlap
            started = time.perf_counter()
            read_corpus(o.text, threads=threads)
            times.append(time.perf_counter() - started)
    for threads, times in sorted(seconds.items()):
        ratio = statistics.median(a / b for a, b in zip(seconds[1], times, strict=True))
        rate = size / statistics.median(times)
        figures[f"reading, {threads} cores"] = {"mb_per_s": rate, "ratio": ratio}
        table.add_row(f"{threads} cores", f"{rate:.0f}", f"{ratio:.2f}")
    Console().print(table)
    if o.json:
        o.json.write_text(json.dumps(figures, indent=1))


if __name__ == "__main__":
    main()

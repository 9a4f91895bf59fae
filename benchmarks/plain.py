"""Quality and speed of the kernels against a plain one: pair by pair, word2vec.c's order.

    python benchmarks/plain.py wiki.txt
    python benchmarks/plain.py wiki.txt --arch cbow --seeds 5

The plain kernel trains each context word with the centre's path before it goes to the next one,
each vector element by element, on one thread, without copies of the tree's top. It shares with ours
the vocabulary, the tree, the start vectors and the falling rate. Printed are means over the seeds
with their standard errors; what our order and our threads cost is the difference.
"""

import argparse
import json
import math
import statistics
import sys
import time
from pathlib import Path

import numba
import numpy as np
from rich.console import Console
from rich.table import Table

import w2v_hs
from w2v_hs.model.weights import start_vectors
from w2v_hs.options import Options
from w2v_hs.text.corpus import Corpus, read_corpus
from w2v_hs.training.loop import TrainingLoop
from w2v_hs.training.schedule import LOWEST_RATE
from w2v_hs.tree.tree import Tree, huffman
from w2v_hs.vectors.vectors import Vectors

QUALITIES = ("google", "wordsim353", "simlex999")


@numba.njit(fastmath=True, error_model="numpy")
def train_path(h, error, path, bits, nodes, rate):
    """Train the nodes of a path on input h; the gradient for h is added to error."""
    for j in range(len(path)):
        n = nodes[path[j]]
        f = np.float32(0.0)
        for k in range(len(h)):
            f += h[k] * n[k]
        g = np.float32(rate * (1 - bits[j] - 1 / (1 + math.exp(-f))))
        for k in range(len(h)):
            error[k] += g * n[k]
        for k in range(len(h)):
            n[k] += g * h[k]


@numba.njit(error_model="numpy")
def train_plain(ids, sentences, keep, offsets, path, bits, x, nodes, window, rates, cbow, seed):
    """Train one epoch; rates (sentences,) is the learning rate of each sentence."""
    np.random.seed(seed)
    dim = x.shape[1]
    kept, h, error = np.empty(1000, np.int64), np.empty(dim, np.float32), np.empty(dim, np.float32)
    for sentence in range(len(sentences) - 1):
        length = 0
        for i in range(sentences[sentence], sentences[sentence + 1]):
            if np.random.random() < keep[ids[i]]:
                kept[length] = ids[i]
                length += 1
        for i in range(length):
            reach = np.random.randint(1, window + 1)
            begin, end = max(0, i - reach), min(length, i + reach + 1)
            if end - begin == 1:
                continue
            nodes_of = path[offsets[kept[i]] : offsets[kept[i] + 1]]
            bits_of = bits[offsets[kept[i]] : offsets[kept[i] + 1]]
            h[:] = 0
            error[:] = 0
            for at in range(begin, end):
                if at == i:
                    continue
                if cbow:
                    h += x[kept[at]] / np.float32(end - begin - 1)
                else:
                    train_path(x[kept[at]], error, nodes_of, bits_of, nodes, rates[sentence])
                    x[kept[at]] += error
                    error[:] = 0
            if cbow:
                train_path(h, error, nodes_of, bits_of, nodes, rates[sentence])
                for at in range(begin, end):
                    if at != i:
                        x[kept[at]] += error


def plain(corpus: Corpus, tree: Tree, run: Options) -> tuple[np.ndarray, float]:
    """Vectors and seconds of the plain kernel, one epoch."""
    x = np.ascontiguousarray(start_vectors(len(corpus.vocabulary), run.dim, run.seed)[:, : run.dim])
    nodes = np.zeros((tree.inner, run.dim), np.float32)
    done = corpus.sentences[:-1] / len(corpus.ids)
    rates = run.lr * np.maximum(LOWEST_RATE, 1 - done)
    keep = corpus.vocabulary.keep_probabilities(run.sample)
    started = time.perf_counter()
    train_plain(
        np.asarray(corpus.ids),
        corpus.sentences,
        keep,
        tree.offsets,
        tree.nodes,
        tree.bits,
        x,
        nodes,
        run.window,
        rates,
        run.arch == "cbow",
        run.seed,
    )
    return x, time.perf_counter() - started


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("text", type=Path)
    parser.add_argument("--arch", default="skipgram", choices=("skipgram", "cbow"))
    parser.add_argument("--threads", type=int, nargs="+", default=[1, 2], help="of ours")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--json", type=Path, help="write all runs to this file")
    o = parser.parse_args()
    corpus = read_corpus(o.text, threads=2)
    tree = huffman(corpus.vocabulary.counts)
    runs = []

    def note(name: str, seed: int, vectors: np.ndarray, seconds: float) -> None:
        result = w2v_hs.evaluate(Vectors(corpus.vocabulary.words, vectors))
        qualities = (result.analogies[0].accuracy, *(s.spearman for s in result.similarity))
        runs.append({"kernel": name, "seed": seed, "seconds": seconds})
        runs[-1] |= dict(zip(QUALITIES, qualities, strict=True))
        print(json.dumps(runs[-1]), file=sys.stderr, flush=True)

    for seed in range(1, o.seeds + 1):
        run = Options(arch=o.arch, tree="huffman", epochs=1, threads=1, seed=seed).resolved()
        note("plain", seed, *plain(corpus, tree, run))
        for threads in o.threads:
            run = Options(arch=o.arch, tree="huffman", epochs=1, threads=threads, seed=seed).resolved()
            weights = TrainingLoop(corpus, tree, run).run()
            note(f"ours, {threads} threads", seed, weights.vectors[:, : run.dim], weights.seconds)

    table = Table(f"{o.arch}, {o.seeds} seeds", "training s", *QUALITIES)
    for name in dict.fromkeys(r["kernel"] for r in runs):
        mine = [r for r in runs if r["kernel"] == name]
        row = [f"{statistics.median(r['seconds'] for r in mine):.1f}"]
        for quality in QUALITIES:
            values = [r[quality] for r in mine]
            spread = statistics.stdev(values) / math.sqrt(len(values)) if len(values) > 1 else 0
            row.append(f"{statistics.mean(values):.3f} ± {spread:.3f}")
        table.add_row(name, *row)
    Console().print(table)
    if o.json:
        o.json.write_text(json.dumps(runs, indent=1))


if __name__ == "__main__":
    main()

"""Cost of a training row: the full softmax grows with the classes, the tree with its paths.

    python benchmarks/classifier.py                      # tables
    python benchmarks/classifier.py --json cost.json     # ... and the figures
    python benchmarks/classifier.py --chart docs/classifier.png

Two sets. The first is synthetic, noise on a centre for each class, with class frequencies by
Zipf's law: it says what a row costs, nothing about quality. The second is real: the centre word of
a window of the bundled corpus among its V most frequent words, from the mean of the input vectors
of a skip-gram model trained on the same sentences; every tenth sentence is held out and its loss
given in nats beside that of relative frequencies alone (unigram).

Seconds are those of `fit`, on one thread, after a first call that compiles, divided by rows and
epochs: on the synthetic set 2 epochs of the full softmax and 20 of the trees, on the real one as
many of each as --epochs says. Of a tree the fastest of --runs counts: other programs on the machine
can only add to its seconds. `branches` is the mean path length; ns a branch shows how far the cost
is from proportional to it.
"""

import argparse
import json
import time
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.table import Table
from threadpoolctl import threadpool_limits

import w2v_hs
from w2v_hs.classifier import HierarchicalSoftmaxRegression, SoftmaxRegression
from w2v_hs.text import named_corpora

WINDOW = 5
ESTIMATORS = {
    "full": (SoftmaxRegression, {}),
    "huffman": (HierarchicalSoftmaxRegression, {"tree": "huffman"}),
    "balanced": (HierarchicalSoftmaxRegression, {"tree": "balanced"}),
}


def synthetic(classes, rows, features):
    """(X, y): every class occurs; the rest by Zipf's law."""
    generator = np.random.default_rng(1)
    shares = 1 / np.arange(1, classes + 1)
    drawn = generator.choice(classes, rows - classes, p=shares / shares.sum())
    labels = generator.permutation(np.append(np.arange(classes), drawn))
    return (
        generator.normal(size=(classes, features))[labels] + generator.normal(size=(rows, features))
    ), labels


def windows(sentences, vectors, words):
    """(X, y): the mean vector around each of the first `words` words, and the word's row."""
    X, y = [], []
    for sentence in sentences:
        rows = [vectors.index[token] for token in sentence if token in vectors.index]
        for i, word in enumerate(rows):
            contexts = rows[max(0, i - WINDOW) : i] + rows[i + 1 : i + 1 + WINDOW]
            if word < words and contexts:
                X.append(vectors.matrix[contexts].mean(axis=0, dtype=np.float64))
                y.append(word)
    return np.array(X), np.array(y)


def measure(X, y, full_epochs, tree_epochs, runs, held_out=None):
    """One row of results for each estimator."""
    for name, (estimator, options) in ESTIMATORS.items():
        epochs = full_epochs if name == "full" else tree_epochs
        clf = estimator(epochs=epochs, **options)
        clf.fit(X[:2], [0, 1])
        seconds = []
        for _ in range(1 if name == "full" else runs):
            started = time.perf_counter()
            clf.fit(X, y)
            seconds.append(time.perf_counter() - started)
        result = {
            "classes": len(clf.classes_),
            "estimator": name,
            "microseconds": 1e6 * min(seconds) / (epochs * len(y)),
        }
        if name != "full":
            result["branches"] = clf.tree_.expected_length(np.bincount(y))
        if held_out is not None:
            nats = -clf.predict_log_proba(held_out[0])[np.arange(len(held_out[1])), held_out[1]]
            result["held_out"] = float(nats.mean())
        yield result


def real(o):
    text = b"".join(named_corpora.open_text("factbook")).decode()
    sentences = [line.split() for line in text.splitlines()]
    training = [s for i, s in enumerate(sentences) if i % 10]
    model = w2v_hs.train(training, dim=64, epochs=5, threads=1)
    for words in o.words:
        X, y = windows(training, model.vectors, words)
        generator = np.random.default_rng(1)
        kept = generator.permutation(len(y))[: o.rows]
        kept = np.union1d(kept, np.unique(y, return_index=True)[1])  # every word at least once
        X, y = X[kept], y[kept]
        scale = X.std()
        held_out, targets = windows(sentences[::10], model.vectors, words)
        some = generator.permutation(len(targets))[:5000]
        counts = np.bincount(y)
        unigram = float(-np.log(counts / counts.sum())[targets[some]].mean())
        test = held_out[some] / scale, targets[some]
        for result in measure(X / scale, y, o.epochs, o.epochs, o.runs, test):
            yield {**result, "rows": len(y), "unigram": unigram}


def show(title, results):
    table = Table("classes", "estimator", "µs a row", "branches", "ns a branch", "held-out nats", title=title)
    for r in results:
        branches = r.get("branches")
        table.add_row(
            f"{r['classes']:,}",
            r["estimator"],
            f"{r['microseconds']:.2f}",
            f"{branches:.2f}" if branches else "",
            f"{1000 * r['microseconds'] / branches:.0f}" if branches else "",
            f"{r['held_out']:.3f} (unigram {r['unigram']:.3f})" if "held_out" in r else "",
        )
    Console(width=110).print(table)


def draw(results, path):
    import matplotlib

    matplotlib.use("agg")
    import matplotlib.pyplot as plt

    figure, ax = plt.subplots(figsize=(6.4, 3.8), dpi=150)
    looks = {"full": "#9aa5ad", "huffman": "#0b6e4f", "balanced": "#d08c00"}
    names = {"full": "full softmax", "huffman": "Huffman tree", "balanced": "balanced tree"}
    for name, colour in looks.items():
        mine = [r for r in results if r["estimator"] == name]
        at, cost = [r["classes"] for r in mine], [r["microseconds"] for r in mine]
        ax.plot(at, cost, "o-", color=colour, lw=2, label=names[name])
        if name == "huffman":
            per_branch = cost[0] / mine[0]["branches"]
            ax.plot(
                at,
                [per_branch * r["branches"] for r in mine],
                ":",
                color=colour,
                lw=1.2,
                label="proportional to its mean path",
            )
    ax.set(xscale="log", yscale="log", xlabel="classes", ylabel="µs a training row")
    ax.spines[["top", "right"]].set_visible(False)
    ax.grid(alpha=0.25)
    ax.legend(frameon=False)
    figure.tight_layout()
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, metadata={"Software": None})


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--classes", type=int, nargs="+", default=[10, 100, 1000, 10_000])
    parser.add_argument("--words", type=int, nargs="*", default=[1000, 5000])
    parser.add_argument("--rows", type=int, default=20_000)
    parser.add_argument("--features", type=int, default=64)
    parser.add_argument("--epochs", type=int, default=20, help="on the real set")
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--json", type=Path, help="write the figures to a file")
    parser.add_argument("--chart", type=Path, help="write a chart to a .png file")
    o = parser.parse_args()
    with threadpool_limits(1):
        made = [
            result
            for classes in o.classes
            for result in measure(*synthetic(classes, o.rows, o.features), 2, 20, o.runs)
        ]
        show(f"synthetic, {o.rows:,} rows of {o.features} features", made)
        words = list(real(o)) if o.words else []
    if words:
        show("the centre word from its context, bundled corpus", words)
    if o.json:
        o.json.write_text(json.dumps({"synthetic": made, "words": words}, indent=1) + "\n")
    if o.chart:
        draw(made, o.chart)


if __name__ == "__main__":
    main()

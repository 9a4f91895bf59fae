"""What a tree is worth: length, speed, loss on text set aside, analogies, similarity.

    python benchmarks/trees.py wiki.txt
    python benchmarks/trees.py wiki.txt --arch cbow --json trees-cbow.json
    python benchmarks/trees.py nltk:brown --epochs 10 --trees huffman learned

Trains one model with each tree, in turn, seed after seed; 1% of the sentences is set aside. Printed
are means over the seeds, of the seconds of training (with the building of learned trees) medians.
"""

import argparse
import json
import statistics
import sys
from pathlib import Path

from rich.console import Console
from rich.table import Table

import w2v_hs

TREES = {
    "huffman": {"tree": "huffman"},
    "balanced, by frequency": {"tree": "balanced"},
    "balanced, at random": {"tree": "balanced", "tree_order": "random"},
    "balanced, learned": {"tree": "balanced", "tree_order": "learned"},
    "learned": {"tree": "learned"},
}


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("text")
    parser.add_argument("--arch", default="skipgram", choices=("skipgram", "cbow"))
    parser.add_argument("--epochs", type=int, default=5)
    parser.add_argument("--window", type=int, default=5)
    parser.add_argument("--trees", nargs="+", default=list(TREES), choices=TREES)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--json", type=Path, help="write all runs to this file")
    o = parser.parse_args()
    runs = []
    for seed in range(1, o.seeds + 1):
        for name in o.trees:
            model = w2v_hs.train(
                o.text, arch=o.arch, epochs=o.epochs, window=o.window, seed=seed, holdout=0.01, **TREES[name]
            )
            result = w2v_hs.evaluate(model)
            tokens = model.provenance["corpus"]["retained_tokens"] * o.epochs
            runs.append(
                {
                    "tree": name,
                    "seed": seed,
                    "bits": model.tree.expected_length(model.vocabulary.counts),
                    "seconds": model.provenance["training_seconds"],
                    "words_per_second": tokens / model.provenance["training_seconds"],
                    "nats": model.holdout_losses[-1],
                    "google": result.analogies[0].accuracy,
                    **{s.name: s.spearman for s in result.similarity},
                }
            )
            print(json.dumps(runs[-1]), file=sys.stderr, flush=True)
    qualities = ("nats", "google", "wordsim353", "simlex999")
    title = f"{o.arch}, {o.epochs} epochs, {o.seeds} seeds"
    table = Table(title, "bits", "seconds", "M words/s", *qualities)
    for name in o.trees:
        mine = [run for run in runs if run["tree"] == name]
        table.add_row(
            name,
            f"{statistics.mean(run['bits'] for run in mine):.2f}",
            f"{statistics.median(run['seconds'] for run in mine):.1f}",
            f"{statistics.median(run['words_per_second'] for run in mine) / 1e6:.2f}",
            *(f"{statistics.mean(run[q] for run in mine):.3f}" for q in qualities),
        )
    Console(width=110).print(table)
    if o.json:
        o.json.write_text(json.dumps(runs, indent=1))


if __name__ == "__main__":
    main()

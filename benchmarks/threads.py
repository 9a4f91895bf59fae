"""Words per second and quality for numbers of threads, and for the settings of private copies.

    python benchmarks/threads.py wiki.txt --threads 1 2 4 8
    python benchmarks/threads.py wiki.txt --threads 2 --top 0 128 512 2048 --interval 128 512 2048

Trains in one process, settings in turn, seed after seed; prints medians of training seconds and
means of qualities. --top and --interval override trainer.COPIED_NODES and trainer.NODE_INTERVAL.
--oversubscribe allows more threads than cores: the quality of many threads can then be seen on a
small machine (the speed cannot).
"""

import argparse
import itertools
import json
import statistics
import sys
from pathlib import Path

from rich.console import Console
from rich.table import Table

import w2v_hs
from w2v_hs import options, trainer
from w2v_hs.corpus import read_corpus
from w2v_hs.tree import huffman
from w2v_hs.vectors import Vectors


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("text", type=Path)
    parser.add_argument("--arch", default="skipgram", choices=options.ARCHITECTURES)
    parser.add_argument("--threads", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--top", type=int, nargs="+", default=[trainer.COPIED_NODES])
    parser.add_argument("--interval", type=int, nargs="+", help="default: that of the trainer")
    parser.add_argument("--dim", type=int, default=100)
    parser.add_argument("--epochs", type=int, default=1)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--oversubscribe", action="store_true")
    parser.add_argument("--json", type=Path, help="write all runs to this file")
    o = parser.parse_args()
    o.interval = o.interval or [trainer.NODE_INTERVAL[o.arch]]
    if o.oversubscribe:
        options.available_cores = lambda: max(o.threads)
    corpus = read_corpus(o.text, threads=options.available_cores())
    tree = huffman(corpus.vocabulary.counts)
    runs = []
    settings = list(itertools.product(o.threads, o.top, o.interval))
    for seed, (threads, top, interval) in itertools.product(range(1, o.seeds + 1), settings):
        trainer.COPIED_NODES, trainer.NODE_INTERVAL[o.arch] = top, interval
        run = options.Options(
            arch=o.arch, dim=o.dim, epochs=o.epochs, threads=threads, seed=seed
        ).resolved()
        weights = trainer.train_weights(corpus, tree, run)
        result = w2v_hs.evaluate(Vectors(corpus.vocabulary.words, weights.vectors[:, : o.dim]))
        runs.append(
            {
                "threads": threads,
                "top": top,
                "interval": interval,
                "seed": seed,
                "seconds": weights.seconds,
                "loss": weights.losses[-1],
                "google": result.analogies[0].accuracy,
                **{s.name: s.spearman for s in result.similarity},
            }
        )
        print(json.dumps(runs[-1]), file=sys.stderr, flush=True)
    columns = ("loss", "google", "wordsim353", "simlex999")
    table = Table("threads", "top", "interval", "seconds", "M words/s", "speed-up", *columns)
    base = None
    for setting in settings:
        mine = [r for r in runs if (r["threads"], r["top"], r["interval"]) == setting]
        seconds = statistics.median(r["seconds"] for r in mine)
        base = base or seconds
        table.add_row(
            *map(str, setting),
            f"{seconds:.2f}",
            f"{len(corpus.ids) * o.epochs / seconds / 1e6:.2f}",
            f"{base / seconds:.2f}",
            *(f"{statistics.mean(r[c] for r in mine):.3f}" for c in columns),
        )
    Console().print(table)
    if o.json:
        o.json.write_text(json.dumps(runs, indent=1))


if __name__ == "__main__":
    main()

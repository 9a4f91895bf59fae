"""Words per second and quality for numbers of threads, and for the settings of private copies.

    python benchmarks/threads.py wiki.txt --threads 1 2 4 8
    python benchmarks/threads.py wiki.txt --threads 2 --top 0 128 512 2048 --interval 128 512 2048

Trains in one process, settings in turn, seed after seed; prints medians of training seconds and
means of qualities. The speed-up is the median of the ratios to the first setting at the same seed:
on a shared machine two runs that follow each other meet the same neighbours. Under it stands what
the machine itself gives: as many processes at once, each with one thread, that share nothing.
--top and --interval override workers.COPIED_NODES and workers.NODE_INTERVAL. --oversubscribe
allows more threads than cores: the quality of many threads can then be seen on a small machine (the
speed cannot).
"""

import argparse
import itertools
import json
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

from rich.console import Console
from rich.table import Table

import w2v_hs
from w2v_hs import options, trainer, workers
from w2v_hs.corpus import read_corpus
from w2v_hs.tree import huffman
from w2v_hs.vectors import Vectors

TRAINERS = Path(__file__).with_name("trainers.py")


def separate_processes(count: int, o, seed: int) -> float:
    """Mean seconds of training of processes that train at the same time, each with one thread."""
    with tempfile.TemporaryDirectory() as folder:
        processes = []
        for number in range(count):
            command = [
                sys.executable, TRAINERS, "ours", o.text, f"{folder}/{number}.bin", "--threads", 1,
                "--arch", o.arch, "--dim", o.dim, "--epochs", o.epochs, "--seed", seed,
            ]  # fmt: skip
            processes.append(subprocess.Popen([str(a) for a in command], stdout=subprocess.PIPE))
        printed = [process.communicate()[0] for process in processes]
    return statistics.mean(json.loads(text)["training_seconds"] for text in printed)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("text", type=Path)
    parser.add_argument("--arch", default="skipgram", choices=options.ARCHITECTURES)
    parser.add_argument("--threads", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--top", type=int, nargs="+", default=[workers.COPIED_NODES])
    parser.add_argument("--interval", type=int, nargs="+", help="default: that of the trainer")
    parser.add_argument("--dim", type=int, default=100)
    parser.add_argument("--epochs", type=int, default=1)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--oversubscribe", action="store_true")
    parser.add_argument("--json", type=Path, help="write all runs to this file")
    o = parser.parse_args()
    o.interval = o.interval or [workers.NODE_INTERVAL[o.arch]]
    if o.oversubscribe:
        options.available_cores = lambda: max(o.threads)
    corpus = read_corpus(o.text, threads=options.available_cores())
    tree = huffman(corpus.vocabulary.counts)
    runs = []
    settings = list(itertools.product(o.threads, o.top, o.interval))
    for seed, (threads, top, interval) in itertools.product(range(1, o.seeds + 1), settings):
        workers.COPIED_NODES, workers.NODE_INTERVAL[o.arch] = top, interval
        run = options.Options(
            arch=o.arch, tree="huffman", dim=o.dim, epochs=o.epochs, threads=threads, seed=seed
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
        if (threads, top, interval) == settings[-1] and not o.oversubscribe:
            for count in o.threads[1:]:
                runs.append(
                    {
                        "processes": count,
                        "seed": seed,
                        "seconds": separate_processes(count, o, seed),
                    }
                )
                print(json.dumps(runs[-1]), file=sys.stderr, flush=True)
    columns = ("loss", "google", "wordsim353", "simlex999")
    table = Table("threads", "top", "interval", "seconds", "M words/s", "speed-up", *columns)
    tokens = len(corpus.ids) * o.epochs
    trained = [run for run in runs if "threads" in run]
    base = [r["seconds"] for r in trained if (r["threads"], r["top"], r["interval"]) == settings[0]]

    def speed(mine: list[dict], parts: int) -> list[str]:
        """Seconds, millions of words a second, and the speed-up of runs that train `parts`
        texts."""
        seconds = statistics.median(r["seconds"] for r in mine)
        ratios = [parts * b / r["seconds"] for b, r in zip(base, mine, strict=True)]
        rate = parts * tokens / seconds / 1e6
        return [f"{seconds:.2f}", f"{rate:.2f}", f"{statistics.median(ratios):.2f}"]

    for setting in settings:
        mine = [r for r in trained if (r["threads"], r["top"], r["interval"]) == setting]
        qualities = (f"{statistics.mean(r[c] for r in mine):.3f}" for c in columns)
        table.add_row(*map(str, setting), *speed(mine, 1), *qualities)
    for count in o.threads[1:] if len(runs) > len(trained) else []:
        mine = [r for r in runs if r.get("processes") == count]
        table.add_row(f"{count} processes", "", "", *speed(mine, count))
    Console(width=120).print(table)
    if o.json:
        o.json.write_text(json.dumps(runs, indent=1))


if __name__ == "__main__":
    main()

"""Words per second and quality for numbers of threads, and for the settings of private copies.

    python benchmarks/threads.py wiki.txt --threads 1 2 4 8
    python benchmarks/threads.py wiki.txt --threads 2 --top 0 128 512 2048 --interval 512 2048
    python benchmarks/threads.py wiki.txt --threads 16 64 --turns --curvature 0 0.3 1

Trains in one process, settings in turn, seed after seed; prints medians of training seconds and
means of qualities. The speed-up is the median of the ratios to the first setting at the same seed:
on a shared machine two runs that follow each other meet the same neighbours. Under it stands what
the machine itself gives: as many processes at once, each with one thread, that share nothing.
--top, --interval and --curvature override `workers.Copying`. With --turns threads are not run but
take turns in one, every some 250 windows, each with its private copies as they were when the others
trained: so the quality of many cores, and whether their copies run away, can be seen on a small
machine (the speed cannot). More threads than cores do not show that: of those that wait nothing is
added meanwhile.
"""

import argparse
import itertools
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

import w2v_hs
from w2v_hs import options
from w2v_hs.errors import DivergedError
from w2v_hs.kernels.common import aligned_zeros, padded
from w2v_hs.model.weights import Weights, start_vectors
from w2v_hs.text.corpus import read_corpus
from w2v_hs.training.loop import TrainingLoop
from w2v_hs.training.workers import Copying, make_workers
from w2v_hs.tree.tree import huffman
from w2v_hs.vectors.vectors import Vectors

TRAINERS = Path(__file__).with_name("trainers.py")


def separate_processes(count: int, o, seed: int) -> float:
    """Mean seconds of training of processes that train at the same time, each with one thread."""
    with tempfile.TemporaryDirectory() as folder:
        processes = []
        for number in range(count):
            command = [
                sys.executable,
                TRAINERS,
                "ours",
                o.text,
                f"{folder}/{number}.bin",
                "--threads",
                1,
                "--arch",
                o.arch,
                "--dim",
                o.dim,
                "--epochs",
                o.epochs,
                "--seed",
                seed,
            ]
            processes.append(subprocess.Popen([str(a) for a in command], stdout=subprocess.PIPE))
        printed = [process.communicate()[0] for process in processes]
    return statistics.mean(json.loads(text)["training_seconds"] for text in printed)


def take_turns(corpus, tree, options, copying: Copying, tokens: int = 360) -> Weights:
    """Train an epoch in one thread that plays all of them, each in turn for so many tokens.

    Raises `DivergedError` where a loss is not finite.
    """
    started = time.perf_counter()
    words, stride = len(corpus.vocabulary), padded(options.dim)
    vectors = start_vectors(words, options.dim, options.seed)
    outputs = aligned_zeros(tree.inner + copying.rows(options, tree.inner), stride)
    team = make_workers(corpus, tree, options, vectors, outputs, copying)
    bounds = np.searchsorted(corpus.sentences, np.arange(0, len(corpus.ids) + tokens, tokens))
    bounds = np.unique(np.minimum(bounds, len(corpus.sentences) - 1))
    states = np.random.default_rng(options.seed).integers(0, 1 << 63, len(bounds), np.uint64)
    nats = predictions = 0.0
    for turn, (first, last) in enumerate(itertools.pairwise(bounds.tolist())):
        rate = options.lr * max(1e-4, 1 - corpus.sentences[first] / len(corpus.ids))
        loss, trained, _ = team[turn % len(team)].train(first, last, rate, states[turn])
        if not np.isfinite(loss):
            raise DivergedError(f"the loss is {loss} after {corpus.sentences[first]:,} tokens")
        nats, predictions = nats + loss, predictions + trained
    for worker in team:
        worker.finish()
    seconds = time.perf_counter() - started
    return Weights(vectors, outputs, tree, [nats / predictions], 0, seconds)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("text", type=Path)
    parser.add_argument("--arch", default="skipgram", choices=options.ARCHITECTURES)
    parser.add_argument("--threads", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--top", type=int, nargs="+", default=[Copying.nodes])
    parser.add_argument("--interval", type=int, nargs="+", default=[Copying.interval])
    parser.add_argument("--curvature", type=float, nargs="+", default=[Copying.curvature])
    parser.add_argument("--dim", type=int, default=100)
    parser.add_argument("--epochs", type=int, default=1)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--turns", action="store_true", help="one epoch, simulated")
    parser.add_argument("--json", type=Path, help="write all runs to this file")
    o = parser.parse_args()
    corpus = read_corpus(o.text, threads=options.available_cores())
    if o.turns:
        options.available_cores = lambda: max(o.threads)
    tree = huffman(corpus.vocabulary.counts)
    runs = []
    settings = list(itertools.product(o.threads, o.top, o.interval, o.curvature))
    for seed, setting in itertools.product(range(1, o.seeds + 1), settings):
        threads, nodes, interval, curvature = setting
        copying = Copying(nodes, interval, curvature=curvature)
        run = options.Options(
            arch=o.arch, tree="huffman", dim=o.dim, epochs=o.epochs, threads=threads, seed=seed
        ).resolved()
        try:
            if o.turns:
                weights = take_turns(corpus, tree, run, copying)
            else:
                weights = TrainingLoop(corpus, tree, run, copying=copying).run()
        except DivergedError as error:
            print(f"{setting}, seed {seed}: {error}", file=sys.stderr, flush=True)
            continue
        result = w2v_hs.evaluate(Vectors(corpus.vocabulary.words, weights.vectors[:, : o.dim]))
        runs.append(
            {
                "threads": threads,
                "setting": setting,
                "seed": seed,
                "seconds": weights.seconds,
                "loss": weights.losses[-1],
                "google": result.analogies[0].accuracy,
                **{s.name: s.spearman for s in result.similarity},
            }
        )
        print(json.dumps(runs[-1]), file=sys.stderr, flush=True)
        if setting == settings[-1] and not o.turns:
            for count in o.threads[1:]:
                runs.append({"processes": count, "seed": seed, "seconds": separate_processes(count, o, seed)})
                print(json.dumps(runs[-1]), file=sys.stderr, flush=True)
    columns = ("loss", "google", "wordsim353", "simlex999")
    table = Table("threads", "top", "interval", "q", "seconds", "M words/s", "speed-up", *columns)
    tokens = len(corpus.ids) * o.epochs
    trained = [run for run in runs if "threads" in run]
    base = {r["seed"]: r["seconds"] for r in trained if r["setting"] == settings[0]}

    def speed(mine: list[dict], parts: int) -> list[str]:
        """Seconds, millions of words a second, and the speed-up of runs that train `parts`
        texts."""
        seconds = statistics.median(r["seconds"] for r in mine)
        ratios = [parts * base[r["seed"]] / r["seconds"] for r in mine if r["seed"] in base]
        rate = parts * tokens / seconds / 1e6
        ratio = f"{statistics.median(ratios):.2f}" if ratios else ""
        return [f"{seconds:.2f}", f"{rate:.2f}", ratio]

    for setting in settings:
        mine = [r for r in trained if r["setting"] == setting]
        if not mine:
            table.add_row(*map(str, setting), "diverged")
            continue
        qualities = (f"{statistics.mean(r[c] for r in mine):.3f}" for c in columns)
        table.add_row(*map(str, setting), *speed(mine, 1), *qualities)
    for count in o.threads[1:] if len(runs) > len(trained) else []:
        mine = [r for r in runs if r.get("processes") == count]
        table.add_row(f"{count} processes", "", "", "", *speed(mine, count))
    Console(width=120).print(table)
    if o.json:
        o.json.write_text(json.dumps(runs, indent=1))


if __name__ == "__main__":
    main()

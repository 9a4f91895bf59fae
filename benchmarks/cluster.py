"""Training on a cluster of local workers beside one process and Spark, and what a round costs.

    python benchmarks/cluster.py compare wiki.txt --workers 2 4         # one process, 2, 4 workers
    python benchmarks/cluster.py compare wiki.txt --workers 2 --sample 0 --spark python3
    python benchmarks/cluster.py compare wiki.txt --workers 2 --kill    # SIGKILL in mid-round
    python benchmarks/cluster.py model wiki.txt                        # bytes and seconds, on paper

`compare` trains one epoch over a Huffman tree, runs have processes of their own, in turn,
run i with seed i. One process has one thread, and so has each worker. Printed are medians of
seconds, the ratio to one process, means of qualities, and what a round cost: bytes that workers
sent to each other and to the client, and bytes in and out of the scheduler. --spark names a Python
with pyspark, which has as many partitions as there are workers and cannot subsample.
`model` prints what `w2v_hs.training.cluster.costs` says for more workers and 3 million words.
"""

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from rich.console import Console
from rich.table import Table

QUALITIES = ("google", "wordsim353", "simlex999")


def count_bytes(count: bool = True) -> int:
    """Runs on the scheduler: bytes that went in and out since it first ran there."""
    from tornado.iostream import IOStream

    total = getattr(IOStream, "counted_bytes", None)
    if total is None:
        total = IOStream.counted_bytes = [0]

        def counting(method):
            def counted(self, *arguments):
                number = method(self, *arguments)
                total[0] += number or 0
                return number

            return counted

        IOStream.read_from_fd = counting(IOStream.read_from_fd)
        IOStream.write_to_fd = counting(IOStream.write_to_fd)
    return total[0]


def kill_a_worker(client, number: int) -> None:
    """Send SIGKILL to the first worker that tells of progress in round `number` (from 0)."""
    import os
    import signal

    from w2v_hs.training.cluster import client as cluster

    pids, hear = client.run(os.getpid), cluster.ProgressListener._hear
    killed = []

    def hear_and_kill(self, event):
        hear(self, event)
        message = event[1]
        if message["round"] >= number and message["tokens"] > 0 and not killed:
            killed.append(message)
            os.kill(pids[message["worker"]], signal.SIGKILL)
            print(f"killed {message}", file=sys.stderr)

    cluster.ProgressListener._hear = hear_and_kill


def run(o) -> None:
    """One run, which prints a line of JSON."""
    import w2v_hs

    options = {
        "tree": o.tree,
        "epochs": o.epochs,
        "sample": o.sample,
        "seed": o.seed,
        "threads": 1,
        "dim": o.dim,
        "window": o.window,
    }
    figures = {}
    started = time.perf_counter()
    if o.workers[0] == 0:
        model = w2v_hs.train(o.text, **options)
    else:
        from distributed import Client
        from distributed.deploy import SubprocessCluster

        with (
            SubprocessCluster(n_workers=o.workers[0], threads_per_worker=1, dashboard_address=None) as local,
            Client(local) as client,
        ):
            client.wait_for_workers(o.workers[0])
            client.run_on_scheduler(count_bytes)
            if o.kill:
                kill_a_worker(client, 1)
            ready = time.perf_counter()
            model = w2v_hs.train(o.text, client=client, rounds=o.rounds, **options)
            figures["scheduler_bytes"] = client.run_on_scheduler(count_bytes)
            figures["cluster_seconds"] = ready - started
    figures["seconds"] = time.perf_counter() - started - figures.get("cluster_seconds", 0)
    model.export(o.output, format="word2vec-binary")
    facts = model.provenance
    print(
        json.dumps(
            figures
            | {
                "training_seconds": facts["training_seconds"],
                "losses": model.losses,
                "predictions": facts["predictions"],
                **facts.get("cluster", {}),
            }
        )
    )


def compare(o) -> None:
    """Runs in turn, and a table."""
    import w2v_hs

    programs = ["one process", *(f"{n} workers" for n in o.workers)]
    programs += [f"Spark, {n} partitions" for n in o.workers if o.spark]
    if o.only:
        programs = [program for program in programs if o.only in program]
    runs = []
    with tempfile.TemporaryDirectory() as folder:
        output = Path(folder) / "vectors.bin"
        for seed in range(1, o.seeds + 1):
            for program in programs:
                number = program.split()[1 if program.startswith("Spark") else 0]
                if program.startswith("Spark"):
                    command = [o.spark, Path(__file__).with_name("spark.py"), o.text, output]
                    command += ["--partitions", number, "--seed", seed, "--epochs", o.epochs]
                    command += ["--dim", o.dim, "--window", o.window]
                else:
                    command = [sys.executable, __file__, "run", o.text, "--output", output]
                    command += ["--workers", 0 if number == "one" else number, "--seed", seed]
                    command += ["--epochs", o.epochs, "--sample", o.sample, "--tree", o.tree]
                    command += ["--dim", o.dim, "--window", o.window]
                    command += ["--rounds", o.rounds] if o.rounds else []
                    command += ["--kill"] if o.kill and number != "one" else []
                begun = time.perf_counter()
                done = subprocess.run([str(a) for a in command], stdout=subprocess.PIPE, check=True)
                whole = time.perf_counter() - begun
                figures = json.loads(done.stdout.decode().strip().splitlines()[-1])
                result = w2v_hs.evaluate(w2v_hs.load_vectors(output, format=_format(program)))
                runs.append(
                    {"program": program, "seed": seed, "whole_seconds": whole}
                    | figures
                    | {"google": result.analogies[0].accuracy}
                    | {s.name: s.spearman for s in result.similarity}
                )
                print(json.dumps(runs[-1]), file=sys.stderr, flush=True)
    show(runs, programs)
    if o.json:
        o.json.write_text(json.dumps(runs, indent=1))


def _format(program: str) -> str:
    return "word2vec-text" if program.startswith("Spark") else "word2vec-binary"


def show(runs: list[dict], programs: list[str]) -> None:
    columns = ("training, s", "ratio", *QUALITIES, "rounds", "sent, MB a round", "scheduler, kB")
    table = Table("program", *columns)
    base = [r["training_seconds"] for r in runs if r["program"] == programs[0]]
    for program in programs:
        mine = [r for r in runs if r["program"] == program]
        seconds = [r["training_seconds"] for r in mine]
        ratio = statistics.median(a / b for a, b in zip(seconds, base, strict=True))
        row = [f"{statistics.median(seconds):.2f}", f"{ratio:.2f}"]
        row += [f"{statistics.mean(r[name] for r in mine):.3f}" for name in QUALITIES]
        if "rounds" in mine[0]:
            rounds = mine[0]["rounds"]
            row += [str(rounds), f"{statistics.mean(r['sent'] for r in mine) / rounds / 1e6:.1f}"]
            row += [f"{statistics.mean(r['scheduler_bytes'] for r in mine) / rounds / 1e3:,.0f}"]
        table.add_row(program, *row)
    Console(width=140).print(table)


def model(o) -> None:
    """What the model of the costs says."""
    from dataclasses import replace

    from w2v_hs.options import Options
    from w2v_hs.text.corpus import read_corpus
    from w2v_hs.training.cluster.costs import work_of
    from w2v_hs.tree.tree import huffman

    corpus = read_corpus(o.text)
    tree = huffman(corpus.vocabulary.counts)
    options = Options(dim=o.dim, window=o.window, sample=o.sample)
    here = work_of(corpus.vocabulary, tree, len(corpus.ids), options)
    # Paths of a vocabulary of 3 million are some 1.25 times as long (20 branches for 16).
    large = replace(here, words=3_000_000, tokens=10**11, operations=1.25 * here.operations)
    for name, work in (("this text", here), ("3 million words, 1e11 tokens", large)):
        table = Table(
            "workers",
            "MB into each, a round",
            "s a round",
            "training alone, s",
            "rounds",
            "communication, s",
            "speed-up",
            title=name,
            title_justify="left",
        )
        alone = work.training_seconds(1)
        for workers in (2, 4, 8, 16, 32, 64):
            training, rounds = work.training_seconds(workers), work.rounds(workers)
            moving = rounds * work.round_seconds(workers)
            table.add_row(
                str(workers),
                f"{work.round_bytes(workers) / 1e6:,.0f}",
                f"{work.round_seconds(workers):.2f}",
                f"{training:,.1f}",
                str(rounds),
                f"{moving:,.1f}",
                f"{alone / (training + moving):.1f}",
            )
        Console(width=120).print(table)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("what", choices=("compare", "model", "run"))
    parser.add_argument("text")
    parser.add_argument("--workers", type=int, nargs="+", default=[2, 4])
    parser.add_argument("--dim", type=int, default=100)
    parser.add_argument("--window", type=int, default=5)
    parser.add_argument("--epochs", type=int, default=1)
    parser.add_argument("--sample", type=float, default=1e-3)
    parser.add_argument("--tree", default="huffman")
    parser.add_argument("--rounds", type=int, help="of an epoch; default: that of the trainer")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--spark", help="a Python that has pyspark")
    parser.add_argument("--kill", action="store_true", help="kill a worker in the second round")
    parser.add_argument("--only", help="programs whose name holds this")
    parser.add_argument("--json", type=Path, help="write all runs to this file")
    parser.add_argument("--output", type=Path, help="of one run: its vectors")
    parser.add_argument("--seed", type=int, default=1, help="of one run")
    o = parser.parse_args()
    {"compare": compare, "model": model, "run": run}[o.what](o)


if __name__ == "__main__":
    main()

"""Train peers beside w2v_hs on one text, in turn, and print ratios and quality.

    python benchmarks/peers.py wiki.txt                                  # skip-gram, one epoch
    python benchmarks/peers.py wiki.txt --arch cbow
    python benchmarks/peers.py wiki.txt --epochs 5 --runs 1 --programs ours gensim
    python benchmarks/peers.py wiki.txt --epochs 5 --programs ours-subwords fasttext-subwords \
        ours-learned fasttext-subwords-hs --similarity ../shared/data/eval/EN-MTurk-771.txt
    python benchmarks/peers.py wiki.txt --epochs 5 --runs 1 --programs ours-default gensim-ns-best
    python benchmarks/peers.py wiki.txt --word2vec ./word2vec --json peers.json
    python benchmarks/peers.py wiki.txt --loss softmax --words 5000 --tokens 20000 \
        --programs ours fasttext

Every run is a whole process, from text to exported vectors; programs take turns, run i with seed
i. Printed are medians of seconds, the ratio to ours, and means over the runs of Google's analogies
(30,000 most frequent words), WordSim-353 and SimLex-999.

Programs: ours (a Huffman tree, as all peers have); ours-learned (a learned tree, with --sample);
ours-default (all by default, but for --epochs); ours-replicas (three such runs, merged); gensim
(hierarchical softmax); gensim-ns (5 negative samples); gensim-hs-best and gensim-ns-best (sample
1e-4 and 8 epochs, the best of a few settings on two texts of 16 million words); fasttext (the
package must be installed); ours-subwords, fasttext-subwords and fasttext-subwords-hs (n-grams,
sample 1e-4, all else by the defaults of each); word2vec.c, where --word2vec gives the binary.
--words and --tokens train on the beginning of the text, made of its most frequent words alone, as
the full softmax needs; nothing is then subsampled, so that all programs train the same number of
pairs.
"""

import argparse
import importlib.util
import itertools
import json
import os
import platform
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
from w2v_hs.text.corpus import read_corpus

TRAINERS = Path(__file__).with_name("trainers.py")


def command(program: str, o, text: Path, output: Path, seed: int) -> list[str]:
    """The command line of one run."""
    if program == "word2vec.c":
        return [
            o.word2vec,
            "-train",
            text,
            "-output",
            output,
            "-cbow",
            int(o.arch == "cbow"),
            "-hs",
            1,
            "-negative",
            0,
            "-size",
            o.dim,
            "-window",
            o.window,
            "-sample",
            o.sample,
            "-min-count",
            o.min_count,
            "-iter",
            o.epochs,
            "-threads",
            o.threads,
            "-binary",
            1,
            "-alpha",
            0.05 if o.arch == "cbow" else 0.025,
        ]
    name, _, variant = program.partition("-")
    subwords = ["--tree", "learned", "--subwords", *o.subwords, "--sample", 1e-4]
    more = {
        "ns": ["--negative", 5],
        "ns-best": ["--negative", 5, "--sample", 1e-4, "--epochs", 8],
        "hs-best": ["--sample", 1e-4, "--epochs", 8],
        "learned": ["--tree", "learned"],
        "default": ["--usual"],
        "replicas": ["--usual", "--replicas", 3],
        "subwords": [*subwords, "--loss", "ns" if name == "fasttext" else "hs"],
        "subwords-hs": [*subwords, "--loss", "hs"],
    }.get(variant, [])
    return [
        sys.executable,
        TRAINERS,
        name,
        text,
        output,
        "--arch",
        o.arch,
        "--dim",
        o.dim,
        "--window",
        o.window,
        "--epochs",
        o.epochs,
        "--threads",
        o.threads,
        "--seed",
        seed,
        "--loss",
        o.loss,
        "--sample",
        o.sample,
        "--min-count",
        o.min_count,
        *more,
    ]


def run(program: str, o, text: Path, seed: int) -> dict:
    """Run one program once; seconds, peak memory and quality."""
    with tempfile.TemporaryDirectory() as folder:
        output = Path(folder) / "vectors.bin"
        arguments = [str(a) for a in command(program, o, text, output, seed)]
        started = time.perf_counter()
        process = subprocess.Popen(arguments, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        printed, errors = process.communicate()
        seconds = time.perf_counter() - started
        if process.returncode != 0:
            sys.exit(f"{program} failed:\n{errors.decode()}")
        sets = ["wordsim353", "simlex999", *o.similarity]
        result = w2v_hs.evaluate(w2v_hs.load_vectors(output), similarity=sets)
    last = printed.decode().strip().splitlines()[-1:] or [""]
    figures = json.loads(last[0]) if last[0].startswith("{") else {}
    return {
        "program": program,
        "seed": seed,
        "seconds": seconds,
        **figures,
        "google": result.analogies[0].accuracy,
        "semantic": result.analogies[0].semantic.accuracy,
        "syntactic": result.analogies[0].syntactic.accuracy,
        **{Path(s.name).name: s.spearman for s in result.similarity},
    }


def beginning(text: Path, words: int, tokens: int, output: Path) -> None:
    """Write the first `tokens` tokens that are among the most frequent `words`, by line."""
    corpus = read_corpus(text, max_vocab=words)
    last = int(np.searchsorted(corpus.sentences, tokens))
    with output.open("w") as out:
        for first, end in itertools.pairwise(corpus.sentences[: last + 1].tolist()):
            ids = corpus.ids[first : min(end, tokens)]
            out.write(" ".join(corpus.vocabulary.words[i] for i in ids) + "\n")


def summary(program: str, runs: list[dict]) -> dict:
    """Medians of times, means of qualities."""
    mine = [r for r in runs if r["program"] == program]
    row = {"program": program, "runs": len(mine)}
    for key in ("seconds", "training_seconds"):
        values = [r[key] for r in mine if key in r]
        row[key] = statistics.median(values) if values else None
    for key in (key for key in mine[0] if isinstance(mine[0][key], float) and key not in row):
        row[key] = statistics.mean(r[key] for r in mine)
    return row


def show(rows: list[dict], title: str) -> None:
    table = Table(title=title, title_justify="left")
    scores = [key for key in rows[0] if key not in ("program", "runs", "seconds", "training_seconds")]
    for column in ("program", "seconds", "ratio", "training", "ratio ", *scores):
        table.add_column(column, justify="left" if column == "program" else "right", no_wrap=True)
    base = rows[0]
    for row in rows:
        training = row["training_seconds"]
        table.add_row(
            row["program"],
            f"{row['seconds']:.1f}",
            f"{row['seconds'] / base['seconds']:.2f}",
            f"{training:.1f}" if training else "",
            f"{training / base['training_seconds']:.2f}" if training and base["training_seconds"] else "",
            *(f"{row[key]:.3f}" for key in scores),
        )
    Console().print(table)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("text", type=Path)
    parser.add_argument("--arch", default="skipgram", choices=("skipgram", "cbow"))
    parser.add_argument("--loss", default="hs", choices=("hs", "softmax"))
    parser.add_argument("--words", type=int, help="the most frequent words to train on")
    parser.add_argument("--tokens", type=int, help="the tokens to train on, with --words")
    parser.add_argument("--dim", type=int, default=100)
    parser.add_argument("--window", type=int, default=5)
    parser.add_argument("--epochs", type=int, default=1)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--subwords", type=int, nargs=2, default=(3, 6), help="lengths of n-grams")
    parser.add_argument("--programs", nargs="+", default=["ours", "gensim"])
    parser.add_argument("--similarity", type=Path, nargs="*", default=[], help="more rated pairs")
    parser.add_argument("--word2vec", type=Path, help="binary of word2vec.c; adds it")
    parser.add_argument("--json", type=Path, help="write all runs to this file")
    o = parser.parse_args()
    for path in (o.text, *o.similarity):
        if not path.is_file():
            parser.error(f"{path}: no such file")
    programs = o.programs + (["word2vec.c"] if o.word2vec else [])
    if any(name.startswith("fasttext") for name in programs) and importlib.util.find_spec("fasttext") is None:
        sys.exit("the package fasttext is not installed: leave it out of --programs")
    o.sample, o.min_count = (0, 1) if o.words else (1e-3, 5)
    runs = []
    with tempfile.TemporaryDirectory() as folder:
        # The first run of ours would compile; the caches are warmed with a small text.
        small = Path(folder) / "small.txt"
        small.write_text("a b c d e f g h\n" * 100)
        warm = command("ours", o, small, Path(folder) / "small.bin", 1)
        subprocess.run([str(a) for a in warm], check=False, capture_output=True)
        text = o.text
        if o.words:
            text = Path(folder) / "text.txt"
            beginning(o.text, o.words, o.tokens or sys.maxsize, text)
        for seed in range(1, o.runs + 1):
            for program in programs:
                runs.append(run(program, o, text, seed))
                print(json.dumps(runs[-1]), file=sys.stderr, flush=True)
    rows = [summary(program, runs) for program in programs]
    title = f"{o.arch}, {o.loss}, {o.epochs} epochs, dim {o.dim}, {o.threads} threads"
    show(rows, f"{title}, {o.runs} runs")
    if o.json:
        machine = {"processor": platform.processor() or platform.machine(), "cores": os.cpu_count()}
        o.json.write_text(
            json.dumps(
                {"options": vars(o), "machine": machine, "summary": rows, "runs": runs},
                indent=1,
                default=lambda path: path.name,
            )
        )


if __name__ == "__main__":
    main()

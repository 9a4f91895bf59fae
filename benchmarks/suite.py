"""The benchmarks of docs/speed.md in one command, some half an hour: tables, JSON, the chart.

    python benchmarks/suite.py wiki.txt --word2vec ./word2vec
    python benchmarks/suite.py wiki.txt --only cbow-1 ceiling --runs 5

Each part is a script of this folder that can be run by itself, with more options. Results go to
benchmarks/results, one JSON file a part, and the chart of all trainings to docs/peers.svg.
"""

import argparse
import importlib.util
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).parent
TRAININGS = ("skipgram-1", "skipgram-5", "cbow-1", "softmax")


def parts(runs: int, word2vec: list[str], fasttext: list[str]) -> dict[str, list]:
    """Name and command of each part: a script and its options."""
    peers = ["peers.py", "--runs", runs]
    return {
        "skipgram-1": [*peers, *word2vec, "--programs", "ours", "gensim", *fasttext],
        "cbow-1": [*peers, *word2vec, "--arch", "cbow"],
        "skipgram-5": [*peers, "--epochs", 5, "--programs", "ours", "ours-learned", "gensim", "gensim-ns"],
        "softmax": [
            *peers,
            "--loss",
            "softmax",
            "--words",
            5000,
            "--tokens",
            100_000,
            "--programs",
            "ours",
            *fasttext,
        ],
        "threads-skipgram": ["threads.py", "--seeds", runs],
        "threads-cbow": ["threads.py", "--seeds", runs, "--arch", "cbow"],
        "plain-skipgram": ["plain.py", "--seeds", runs],
        "plain-cbow": ["plain.py", "--seeds", runs, "--arch", "cbow"],
        "ceiling": ["ceiling.py", "--runs", runs],
        "trees": ["trees.py", "--seeds", runs],
    }


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("text", type=Path)
    parser.add_argument("--word2vec", help="binary of word2vec.c; adds it to the programs")
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--only", nargs="+", help="the parts to run")
    parser.add_argument("--results", type=Path, default=HERE / "results")
    parser.add_argument("--chart", type=Path, default=HERE.parent / "docs" / "peers.svg")
    o = parser.parse_args()
    fasttext = ["fasttext"] if importlib.util.find_spec("fasttext") else []
    word2vec = ["--word2vec", o.word2vec] if o.word2vec else []
    commands = parts(o.runs, word2vec, fasttext)
    unknown = set(o.only or []) - set(commands)
    if unknown:
        sys.exit(f"no part {', '.join(sorted(unknown))}: expected some of {', '.join(commands)}")
    o.results.mkdir(parents=True, exist_ok=True)
    for name, (script, *options) in commands.items():
        if o.only and name not in o.only:
            continue
        print(f"\n== {name}", flush=True)
        command = [HERE / script, o.text, *options, "--json", o.results / f"{name}.json"]
        subprocess.run([sys.executable, *map(str, command)], check=True)
    drawn = [path for name in TRAININGS if (path := o.results / f"{name}.json").exists()]
    if drawn and importlib.util.find_spec("matplotlib"):
        chart = [HERE / "chart.py", o.chart, *drawn]
        subprocess.run([sys.executable, *map(str, chart)], check=True)


if __name__ == "__main__":
    main()

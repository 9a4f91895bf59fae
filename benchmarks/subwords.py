"""How good are vectors of words that were never seen? Ours beside fastText's.

    python benchmarks/subwords.py wiki.txt
    python benchmarks/subwords.py wiki.txt --words 500 --epochs 3 --programs ours --json unseen.json

Trains each program twice: on the whole text, and on the text without some words of medium
frequency. From the second run these words get vectors of their n-grams, which are compared with
those of the first: how many of the nearest neighbours are the same, and how cosines with frequent
words correlate. The last two columns are the same figures for words that both runs have seen.
"""

import argparse
import json
import random
import tempfile
from collections import Counter
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.table import Table

import w2v_hs

NEIGHBORS = 10
MEDIUM = (5_000, 15_000)  # ranks of the words to take out
PROGRAMS = ("ours", "fasttext")


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("text", type=Path, help="one sentence a line")
    parser.add_argument("--words", type=int, default=1000)
    parser.add_argument("--epochs", type=int, default=5)
    parser.add_argument("--sample", type=float, default=1e-4)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--programs", nargs="+", choices=PROGRAMS, default=PROGRAMS)
    parser.add_argument("--json", type=Path, help="write the figures to this file")
    o = parser.parse_args()
    words = [word for word, _ in Counter(o.text.read_text(encoding="utf-8").split()).most_common()]
    drawn = random.Random(o.seed).sample(words[MEDIUM[0] : MEDIUM[1]], 2 * o.words)
    unseen, seen = drawn[: o.words], drawn[o.words :]
    frequent = words[: MEDIUM[0]]
    found = []
    with tempfile.TemporaryDirectory() as folder:
        without = Path(folder, "without.txt")
        leave_out(set(unseen), o.text, without)
        for program in o.programs:
            train = {"ours": ours, "fasttext": fasttext_skipgram}[program]
            both = [train(text, o.epochs, o.sample, o.seed) for text in (o.text, without)]
            for kind, some in (("never seen", unseen), ("seen", seen)):
                shared, correlation = agreement(*both, some, frequent)
                found.append(
                    {"program": program, "words": kind, "shared": shared, "correlation": correlation}
                )
    if o.json:
        o.json.write_text(json.dumps(found, indent=2) + "\n")
    table = Table("program", "words", f"of {NEIGHBORS} neighbors shared", "correlation of cosines")
    for row in found:
        table.add_row(row["program"], row["words"], f"{row['shared']:.2f}", f"{row['correlation']:.2f}")
    Console(width=120).print(table)


def leave_out(words: set[str], text: Path, target: Path) -> None:
    """Copy a text without some words."""
    with text.open(encoding="utf-8") as source, target.open("w", encoding="utf-8") as copy:
        for line in source:
            copy.write(" ".join(word for word in line.split() if word not in words) + "\n")


def ours(text: Path, epochs: int, sample: float, seed: int):
    """A function from a word to its vector."""
    model = w2v_hs.train(text, subwords=(3, 6), epochs=epochs, sample=sample, seed=seed, threads=2)
    return model.vectors.__getitem__


def fasttext_skipgram(text: Path, epochs: int, sample: float, seed: int):
    """As `ours`, by fastText with its defaults otherwise."""
    import fasttext

    options = {"minn": 3, "maxn": 6, "dim": 100, "thread": 2, "verbose": 0, "seed": seed}
    model = fasttext.train_unsupervised(str(text), "skipgram", epoch=epochs, t=sample, **options)
    return model.get_word_vector


def agreement(first, second, words: list[str], frequent: list[str]) -> tuple[float, float]:
    """The share of neighbors of `words` among the frequent ones that is the same, and the
    correlation of cosines with them (Pearson): means over the words."""
    cosines = []
    for vector in (first, second):
        a, b = (np.stack([vector(word) for word in some]).astype(np.float64) for some in (words, frequent))
        a, b = (rows / np.linalg.norm(rows, axis=1, keepdims=True) for rows in (a, b))
        cosines.append(a @ b.T)
    near = [np.argsort(-rows, axis=1)[:, :NEIGHBORS] for rows in cosines]
    shared = [len({*a} & {*b}) / NEIGHBORS for a, b in zip(*near, strict=True)]
    correlations = [np.corrcoef(a, b)[0, 1] for a, b in zip(*cosines, strict=True)]
    return float(np.mean(shared)), float(np.mean(correlations))


if __name__ == "__main__":
    main()

"""Do the intervals of `w2v_hs.stability` cover what they say? Many runs of one text.

    python benchmarks/stability.py
    python benchmarks/stability.py wiki.txt --models 100 --of 5 10 20 --json stability.json

Trains models that differ in their seeds alone. Some of them, drawn at random, give the intervals of
200 similarities, one half of them of near words and the other of random words. Printed is how many
intervals cover the mean over all other models, and how many prediction intervals cover the value of
one of these, over 200 draws. The mean over the other models varies, too: "expected" is the coverage
of exact intervals of normal values, given how many others there are.
"""

import argparse
import json
import sys
import tempfile
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.table import Table
from scipy.stats import t

import w2v_hs
from w2v_hs.comparison.agreement import similarities
from w2v_hs.text import open_text

PAIRS = 200
DRAWS = 200
CONFIDENCE = 0.95
FREQUENT = 2000  # words of the pairs


def cosines(models: list[w2v_hs.Vectors], rng: np.random.Generator) -> np.ndarray:
    """The cosine of each pair in each model, (PAIRS, models)."""
    words = min(FREQUENT, len(models[0]))
    units = [m.matrix[:words] / np.linalg.norm(m.matrix[:words], axis=1, keepdims=True) for m in models]
    first = rng.choice(words, PAIRS)
    second = (first + rng.integers(1, words, PAIRS)) % words
    for place in range(0, PAIRS, 2):
        nearest = np.argsort(-(units[0] @ units[0][first[place]]))[1:11]
        second[place] = rng.choice(nearest)
    return np.stack([np.einsum("ij,ij->i", unit[first], unit[second]) for unit in units], axis=1)


def coverage(values: np.ndarray, runs: int, rng: np.random.Generator) -> tuple[float, float, float]:
    """The shares of intervals of `runs` runs that cover, and what is expected of the first."""
    covered = np.zeros((2, DRAWS, len(values)), bool)
    for draw in range(DRAWS):
        order = rng.permutation(values.shape[1])
        found = similarities(values[:, order[:runs]], CONFIDENCE)
        mean, prediction = (
            np.array([getattr(each, name) for each in found]) for name in ("interval", "prediction")
        )
        others = values[:, order[runs:]]
        for row, bounds, truth in ((0, mean, others.mean(axis=1)), (1, prediction, others[:, 0])):
            covered[row, draw] = (bounds[:, 0] <= truth) & (truth <= bounds[:, 1])
    reach = t.ppf((1 + CONFIDENCE) / 2, runs - 1) / np.sqrt(1 + runs / (values.shape[1] - runs))
    return *covered.mean(axis=(1, 2)).tolist(), float(2 * t.cdf(reach, runs - 1) - 1)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("text", nargs="?", type=Path, help="by default the bundled corpus")
    parser.add_argument("--models", type=int, default=60)
    parser.add_argument("--of", type=int, nargs="+", default=[3, 5, 10], help="runs that give intervals")
    parser.add_argument("--dim", type=int, default=50)
    parser.add_argument("--epochs", type=int, default=5)
    parser.add_argument("--resample", action="store_true")
    parser.add_argument("--json", type=Path)
    given = parser.parse_args()
    if max(given.of) > given.models // 2:
        sys.exit(f"--of {max(given.of)}: at most half of the {given.models} models")
    text = given.text or [line.split() for line in b"".join(open_text("factbook")).decode().splitlines()]
    with tempfile.TemporaryDirectory() as folder:
        runs = Path(folder, "runs")
        w2v_hs.train(
            text,
            dim=given.dim,
            epochs=given.epochs,
            replicas=given.models,
            keep_replicas=runs,
            resample=given.resample,
            progress=True,
        )
        models = [w2v_hs.load_vectors(path) for path in sorted(runs.iterdir())]
    rng = np.random.default_rng(1)
    values = cosines(models, rng)
    table = Table("runs", "mean covered", "expected", "further run covered")
    results = {}
    for count in given.of:
        mean, further, expected = coverage(values, count, rng)
        results[count] = {"mean": mean, "expected": expected, "further": further}
        table.add_row(str(count), f"{mean:.3f}", f"{expected:.3f}", f"{further:.3f}")
    Console().print(table)
    if given.json:
        given.json.write_text(json.dumps({"models": given.models, "coverage": results}, indent=2) + "\n")


if __name__ == "__main__":
    main()

"""Do the intervals of `w2v_hs.stability` cover what they say? Many runs of one text.

    python benchmarks/stability.py --dim 20 --epochs 3
    python benchmarks/stability.py --dim 20 --epochs 3 --samples 10
    python benchmarks/stability.py wiki.txt --models 100 --of 5 10 20
    python benchmarks/stability.py --dim 20 --epochs 3 --shared-tree
    python benchmarks/stability.py wiki.txt --epochs 2 --turns 3

Trains models that differ in their seeds alone. Some of them, drawn at random, give the intervals of
200 similarities, one half of them of near words and the other of random words. Printed is how many
intervals cover the mean over all other models, and how many prediction intervals cover the value of
one of these, over 200 draws. The mean over the other models varies, too: "expected" is the coverage
of exact intervals of normal values, given how many others there are.

--samples takes the text for a population, from which texts of half its lines are drawn with
replacement. The truth is the mean of --models models, each of a text and a seed of its own. Printed
for runs of such a text, with and without `resample`, are the standard deviation of similarities
over them, and how often the truth lies no further from a single model of that text than the
prediction interval reaches. The last row has the standard deviation over the models of the truth.

--shared-tree: would intervals cover if all runs had the tree that one of them learns? They are then
those of runs with this tree, and the truth that of models with trees of their own.

--turns times `w2v-hs train` with one run, with as many replicas as the last --of, and with these of
resampled text, in turns: medians of seconds and of user time, and both as multiples of one run.
"""

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.table import Table
from scipy.stats import t

import w2v_hs
from w2v_hs.comparison.agreement import similarities
from w2v_hs.text import open_text
from w2v_hs.tree.user_trees import save_codes

PAIRS = 200
DRAWS = 200
CONFIDENCE = 0.95
FREQUENT = 2000  # words of the pairs


def choose_pairs(models: list[w2v_hs.Vectors], rng: np.random.Generator) -> list[tuple[str, str]]:
    """Half of the words with one of their ten nearest in the first model, half with any."""
    words = [word for word in models[0].words[:FREQUENT] if all(word in each for each in models)]
    near = w2v_hs.Vectors(words, np.stack([models[0][word] for word in words]))
    chosen = []
    for place, word in enumerate(rng.choice(words, PAIRS).tolist()):
        others = [other for other, _ in near.most_similar(word, k=10)] if place % 2 else words
        chosen.append((word, rng.choice([other for other in others if other != word]).item()))
    return chosen


def cosines(models: list[w2v_hs.Vectors], pairs: list[tuple[str, str]]) -> np.ndarray:
    """The cosine of each pair in each model, (pairs, models)."""
    return np.array([[unit(each[a]) @ unit(each[b]) for each in models] for a, b in pairs])


def unit(vector: np.ndarray) -> np.ndarray:
    return vector / np.linalg.norm(vector)


def coverage(
    values: np.ndarray, runs: int, rng: np.random.Generator, truth: np.ndarray | None = None
) -> tuple[float, float, float]:
    """The share of intervals of the mean that cover, what is expected, the same of prediction.

    values: (pairs, models), of which some give intervals. truth: of other models; None: the rest.
    """
    covered = np.zeros((2, DRAWS, len(values)), bool)
    for draw in range(DRAWS):
        order = rng.permutation(values.shape[1])
        found = similarities(values[:, order[:runs]], CONFIDENCE)
        mean, prediction = (
            np.array([getattr(each, name) for each in found]) for name in ("interval", "prediction")
        )
        others = values[:, order[runs:]] if truth is None else rng.permutation(truth, axis=1)
        for row, bounds, value in ((0, mean, others.mean(axis=1)), (1, prediction, others[:, 0])):
            covered[row, draw] = (bounds[:, 0] <= value) & (value <= bounds[:, 1])
    reach = t.ppf((1 + CONFIDENCE) / 2, runs - 1) / np.sqrt(1 + runs / others.shape[1])
    mean_covered, further_covered = covered.mean(axis=(1, 2)).tolist()
    return mean_covered, float(2 * t.cdf(reach, runs - 1) - 1), further_covered


def text_noise(lines: list[list[str]], given: argparse.Namespace, rng: np.random.Generator) -> Table:
    """What runs of a sample tell of the population: `lines`, from which samples are drawn."""

    def sample() -> list[list[str]]:
        return [lines[i] for i in rng.integers(len(lines), size=len(lines) // 2)]

    def train(text: list[list[str]], seed: int) -> w2v_hs.Vectors:
        return w2v_hs.train(text, dim=given.dim, epochs=given.epochs, seed=seed).vectors

    population = [train(sample(), seed) for seed in range(given.models)]
    texts = [sample() for _ in range(given.samples)]
    single = [train(text, 1) for text in texts]
    chosen = choose_pairs([*population, *single], rng)
    values = cosines(population, chosen)
    truth = values.mean(axis=1)
    table = Table("runs differ in", "their deviation", "covered")
    for resample in (False, True):
        deviations, covered = [], []
        for text, one in zip(texts, cosines(single, chosen).T, strict=True):
            runs = cosines(replicas(text, given, max(given.of), resample), chosen)
            bounds = np.array([each.prediction for each in similarities(runs, CONFIDENCE)])
            deviations.append(runs.std(axis=1, ddof=1).mean())
            covered.append(np.mean(abs(one - truth) <= np.diff(bounds)[:, 0] / 2))
        name = "seed and bootstrap" if resample else "seed"
        table.add_row(name, f"{np.mean(deviations):.3f}", f"{np.mean(covered):.3f}")
    table.add_row("seed and sample", f"{values.std(axis=1, ddof=1).mean():.3f}", "")
    return table


def replicas(
    text: object, given: argparse.Namespace, runs: int, resample: bool = False, tree: str | Path = "learned"
) -> list[w2v_hs.Vectors]:
    with tempfile.TemporaryDirectory() as folder:
        kept = Path(folder, "runs")
        options = {"dim": given.dim, "epochs": given.epochs, "resample": resample, "tree": tree}
        w2v_hs.train(text, replicas=runs, keep_replicas=kept, seed=1000, **options)
        return [w2v_hs.load_vectors(path) for path in sorted(kept.iterdir())]


def with_one_tree(lines: list[list[str]], given: argparse.Namespace, runs: int) -> list[w2v_hs.Vectors]:
    """Runs that all have the tree that another one learned."""
    model = w2v_hs.train(lines, dim=given.dim, epochs=given.epochs)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "tree.txt")
        save_codes(path, model.tree, model.vectors.words)
        return replicas(lines, given, runs, tree=path)


def costs(text: Path, given: argparse.Namespace) -> Table:
    """Time of one run, and of several."""
    several = ["--replicas", str(given.of[-1]), "--keep-replicas"]
    kinds = {"one run": [], f"{given.of[-1]} runs": several, "resampled": [*several, "--resample"]}
    seconds: dict[str, list[tuple[float, float]]] = {name: [] for name in kinds}
    for turn in range(given.turns):
        for name, options in kinds.items():
            with tempfile.TemporaryDirectory() as folder:
                output = [
                    "-o",
                    f"{folder}/m.safetensors",
                    "--dim",
                    str(given.dim),
                    "--epochs",
                    str(given.epochs),
                ]
                command = [sys.executable, "-m", "w2v_hs", "train", str(text.absolute()), *output, *options]
                started, before = time.perf_counter(), os.times()
                subprocess.run(command, check=True, stderr=subprocess.DEVNULL)
                after, wall = os.times(), time.perf_counter() - started
            used = after.children_user - before.children_user
            seconds[name].append((wall, used))
            print(f"turn {turn + 1}, {name}: {wall:.1f} s, {used:.1f} s user", file=sys.stderr, flush=True)
    table = Table("", "seconds", "of one run", "user seconds", "of one run")
    medians = {
        name: [statistics.median(each) for each in zip(*of, strict=True)] for name, of in seconds.items()
    }
    for name, median in medians.items():
        cells = [
            (f"{value:.1f}", f"{value / one:.2f}")
            for value, one in zip(median, medians["one run"], strict=True)
        ]
        table.add_row(name, *cells[0], *cells[1])
    return table


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("text", nargs="?", type=Path, help="by default the bundled corpus")
    parser.add_argument("--models", type=int, default=60)
    parser.add_argument("--of", type=int, nargs="+", default=[3, 5, 10], help="runs that give intervals")
    parser.add_argument("--samples", type=int, default=0, help="of the text, for the noise of texts")
    parser.add_argument("--shared-tree", action="store_true")
    parser.add_argument("--turns", type=int, default=0, help="measure time, so often")
    parser.add_argument("--dim", type=int, default=50)
    parser.add_argument("--epochs", type=int, default=5)
    given = parser.parse_args()
    if given.turns:
        if given.text is None:
            parser.error("--turns needs a text")
        Console().print(costs(given.text, given))
        return
    if max(given.of) > given.models // 2:
        sys.exit(f"--of {max(given.of)}: at most half of the {given.models} models")
    text = given.text.read_bytes() if given.text else b"".join(open_text("factbook"))
    lines = [line.split() for line in text.decode().splitlines()]
    rng = np.random.default_rng(1)
    if given.samples:
        Console().print(text_noise(lines, given, rng))
        return
    models = replicas(lines, given, given.models)
    alike = with_one_tree(lines, given, 2 * max(given.of)) if given.shared_tree else []
    pairs = choose_pairs([*models, *alike], rng)
    values = cosines(models, pairs)
    of_alike = cosines(alike, pairs)
    table = Table("runs", "mean covered", "expected", "one more run covered")
    for count in given.of:
        sides = (of_alike, values) if given.shared_tree else (values, None)
        found = coverage(sides[0], count, rng, sides[1])
        table.add_row(str(count), *(f"{share:.3f}" for share in found))
    Console().print(table)
    if given.shared_tree:
        deviations = [each.std(axis=1, ddof=1).mean() for each in (of_alike, values)]
        Console().print(
            "standard deviation with one tree {:.3f}, with trees of their own {:.3f}".format(*deviations)
        )


if __name__ == "__main__":
    main()

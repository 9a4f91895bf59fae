"""Do the intervals of `w2v_hs.stability` cover what they say? Many runs of one text.

    python benchmarks/stability.py --dim 20 --epochs 3
    python benchmarks/stability.py --dim 20 --epochs 3 --samples 10
    python benchmarks/stability.py wiki.txt --models 100 --of 5 10 20

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
"""

import argparse
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


def coverage(values: np.ndarray, runs: int, rng: np.random.Generator) -> tuple[float, float, float]:
    """The share of intervals of the mean that cover, what is expected, the same of prediction."""
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


def replicas(text: object, given: argparse.Namespace, runs: int, resample: bool) -> list[w2v_hs.Vectors]:
    with tempfile.TemporaryDirectory() as folder:
        kept = Path(folder, "runs")
        options = {"dim": given.dim, "epochs": given.epochs, "resample": resample}
        w2v_hs.train(text, replicas=runs, keep_replicas=kept, seed=1000, **options)
        return [w2v_hs.load_vectors(path) for path in sorted(kept.iterdir())]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("text", nargs="?", type=Path, help="by default the bundled corpus")
    parser.add_argument("--models", type=int, default=60)
    parser.add_argument("--of", type=int, nargs="+", default=[3, 5, 10], help="runs that give intervals")
    parser.add_argument("--samples", type=int, default=0, help="of the text, for the noise of texts")
    parser.add_argument("--dim", type=int, default=50)
    parser.add_argument("--epochs", type=int, default=5)
    given = parser.parse_args()
    if max(given.of) > given.models // 2:
        sys.exit(f"--of {max(given.of)}: at most half of the {given.models} models")
    text = given.text.read_bytes() if given.text else b"".join(open_text("factbook"))
    lines = [line.split() for line in text.decode().splitlines()]
    rng = np.random.default_rng(1)
    if given.samples:
        Console().print(text_noise(lines, given, rng))
        return
    models = replicas(lines, given, given.models, resample=False)
    values = cosines(models, choose_pairs(models, rng))
    table = Table("runs", "mean covered", "expected", "one more run covered")
    for count in given.of:
        table.add_row(str(count), *(f"{share:.3f}" for share in coverage(values, count, rng)))
    Console().print(table)


if __name__ == "__main__":
    main()

"""Which figure finds words whose use changed? Change that was planted, in two halves of a text.

    python benchmarks/change.py wiki.txt
    python benchmarks/change.py wiki.txt --gensim --seeds 3 --runs 3 --json change.json
    python benchmarks/change.py wiki.txt --lines 1500 --neighbors 10 100 1000 --probabilities 0.5 1

The lines are divided at random. In the later half, the occurrences of 50 words of medium frequency
become the word with which each is paired, with a given probability; the two words of a pair are
about as frequent. Words with 100 occurrences in both halves are ranked by each figure of
`w2v_hs.shift`. Printed is the average precision with which the planted words come first, as means
over the seeds; a random order has their share among all ranked words.

"raw" figures are not compared with those of words of the same frequency. "compass" are models of
both halves against one of the whole text; their distance needs no rotation. --runs N trains each
half N times and takes means as well.

At the first probability, --control N rounds of the control of `w2v_hs.shift` tell the
share of the words that did not change with p < 0.05, which should be 0.05, and the share of the
planted words with q < 0.05.

If the first probability is 0, the two halves are of one period. Printed is by how many nats, in the
mean over neighbouring words of the text, log_prob of two models then differs.

--gensim: vectors of gensim stand beside (skip-gram, negative sampling, same options), compared in
the same way and by the usual recipe: Procrustes on all shared words, cosine distance.
"""

import argparse
import itertools
import json
import statistics
import sys
import tempfile
from collections import Counter
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.table import Table
from scipy.linalg import orthogonal_procrustes

import w2v_hs

MIN_COUNT = 100  # in both halves
MEDIUM = (2, 20)  # times the least count: of the words that change


def halves(lines: list[list[str]], rng: np.random.Generator) -> tuple[list[list[str]], list[list[str]]]:
    """The lines in two random halves."""
    order = rng.permutation(len(lines))
    middle = len(lines) // 2
    return [lines[i] for i in order[:middle]], [lines[i] for i in order[middle:]]


def choose_pairs(counts: list[Counter], pairs: int, rng: np.random.Generator) -> dict[str, str]:
    """Words of medium frequency, each with one that is about as frequent in both halves."""
    low, high = (MIN_COUNT * bound for bound in MEDIUM)
    medium = [word for word in counts[0] if all(low <= count[word] <= high for count in counts)]
    medium.sort(key=lambda word: (counts[0][word] + counts[1][word], word))
    if len(medium) < 2 * pairs:
        sys.exit(f"{len(medium)} words occur {low} to {high} times in both halves; take a longer text")
    starts = 2 * rng.choice(len(medium) // 2, pairs, replace=False)
    partner = {}
    for start in starts:
        a, b = medium[start : start + 2]
        partner |= {a: b, b: a}
    return partner


def planted(
    lines: list[list[str]], partner: dict[str, str], probability: float, rng: np.random.Generator
) -> list[list[str]]:
    """The lines, in which each occurrence becomes its partner with this probability."""
    return [
        [partner[word] if word in partner and rng.random() < probability else word for word in line]
        for line in lines
    ]


def average_precision(words: list[str], sought: set[str]) -> float:
    """Mean, over the words sought, of the precision at their rank."""
    found = [rank for rank, word in enumerate(words, 1) if word in sought]
    return sum(hits / rank for hits, rank in enumerate(found, 1)) / len(sought)


def gensim_vectors(path: Path, seed: int, o: argparse.Namespace) -> w2v_hs.Vectors:
    from gensim.models import Word2Vec

    options = {"sg": 1, "negative": 5, "min_count": 5, "window": o.window, "vector_size": o.dim}
    keyed = Word2Vec(corpus_file=str(path), epochs=o.epochs, workers=o.threads, seed=seed, **options).wv
    return w2v_hs.Vectors(keyed.index_to_key, keyed.vectors)


def not_rotated(old: w2v_hs.Vectors, new: w2v_hs.Vectors, ranked: list[str]) -> list[str]:
    """The words by cosine distance."""
    a, b = (np.stack([unit[word] for word in ranked]) for unit in (old.normalized(), new.normalized()))
    distance = dict(zip(ranked, 1 - (a * b).sum(axis=1), strict=True))
    return sorted(ranked, key=lambda word: -distance[word])


def usual_recipe(old: w2v_hs.Vectors, new: w2v_hs.Vectors, ranked: list[str]) -> list[str]:
    """The words by cosine distance after a rotation of all shared words."""
    shared = [word for word in old.words if word in new]
    a, b = (np.stack([unit[word] for word in shared]) for unit in (old.normalized(), new.normalized()))
    matrix, _ = orthogonal_procrustes(b, a)
    distance = dict(zip(shared, 1 - (a * (b @ matrix)).sum(axis=1), strict=True))
    return sorted(ranked, key=lambda word: -distance[word])


def orders(
    old: list[w2v_hs.Model] | list[w2v_hs.Vectors],
    new: list[w2v_hs.Model] | list[w2v_hs.Vectors],
    ranked: set[str],
    counted: bool,
    o: argparse.Namespace,
) -> dict[str, list[str]]:
    """The ranked words in the order of each figure."""
    # Models know which words occur often enough; for vectors, and against a compass, take the top.
    found, top = {}, None if counted else 2 * len(ranked)
    for k in o.neighbors:
        words = w2v_hs.shift(old, new, neighbors=k, top=top).words
        words = [each for each in words if each.word in ranked]
        for name, by, sign in ((f"overlap of {k:,}", "overlap", 1), ("distance", "distance", -1)):
            figures = {each.word: getattr(each, by) for each in words}
            differences = {word: sign * (figure.value - figure.usual) for word, figure in figures.items()}
            values = {word: sign * figure.value for word, figure in figures.items()}
            found[name] = sorted(differences, key=differences.__getitem__)
            found[f"{name}, raw"] = sorted(values, key=values.__getitem__)
    return found


def train_each(path: Path, number: int, o: argparse.Namespace) -> dict[str, list[object]]:
    """The runs of each program on a text. Each run has a seed of its own, as in use."""
    options = {"dim": o.dim, "window": o.window, "epochs": o.epochs, "threads": o.threads}
    runs = [w2v_hs.train(path, seed=number + run, **options) for run in range(o.runs)]
    vectors: dict[str, list[object]] = {"w2v_hs": runs[:1]}
    if o.runs > 1:
        vectors[f"w2v_hs, {o.runs} runs"] = runs
    if o.gensim:
        runs = [gensim_vectors(path, number + run, o) for run in range(o.runs)]
        vectors["gensim"] = runs[:1]
        if o.runs > 1:
            vectors[f"gensim, {o.runs} runs"] = runs
    return vectors


def against_compass(old: Path, new: Path, seed: int, o: argparse.Namespace) -> list[w2v_hs.Model]:
    """A model of each text against the output layer of one of both; two epochs each suffice."""
    both = w2v_hs.train([old, new], dim=o.dim, window=o.window, epochs=2, threads=o.threads, seed=seed)
    texts = ((old, seed + 1), (new, seed + 2))
    return [w2v_hs.train(text, compass=both, epochs=2, threads=o.threads, seed=seed) for text, seed in texts]


def controlled(earlier: object, later: object, planted: set[str], o: argparse.Namespace) -> dict[str, float]:
    """False alarms of the control of `w2v_hs.shift`, and the share of planted words it finds."""
    neighbors = max(o.neighbors)
    words = w2v_hs.shift(earlier, later, control=o.control, neighbors=neighbors, top=None).words
    p = [each.p for each in words if each.word not in planted]
    q = [each.q for each in words if each.word in planted]
    shares = {
        "unchanged, p < 0.05": np.mean(np.less(p, 0.05)),
        "planted, q < 0.05": np.mean(np.less(q, 0.05)),
    }
    return {name: float(share) for name, share in shares.items()}


def disagreement(a: w2v_hs.Model, b: w2v_hs.Model, lines: list[list[str]]) -> float:
    """Mean absolute difference of log_prob over neighbouring words of the text, in nats."""
    pairs = [
        pair
        for line in lines[:: max(1, len(lines) // 2000)]
        for pair in itertools.islice(itertools.pairwise(line), 20)
        if all(word in model.vectors for word in pair for model in (a, b))
    ]
    contexts, words = zip(*pairs, strict=True)
    return float(np.mean(np.abs(a.log_probs(contexts, words) - b.log_probs(contexts, words))))


def measure(lines: list[list[str]], seed: int, folder: Path, o: argparse.Namespace) -> list[dict]:
    """The average precision of each method at each probability, with one division of the text."""
    rng = np.random.default_rng(seed)
    old, new = halves(lines, rng)
    counts = [Counter(word for line in half for word in line) for half in (old, new)]
    partner = choose_pairs(counts, o.pairs, rng)
    old_path, new_path, results = folder / "old.txt", folder / "new.txt", []

    def add(vectors: str, figure: str, value: float, **more: int) -> None:
        result = {"seed": seed, "probability": probability, "vectors": vectors, "figure": figure}
        results.append(result | {"value": value} | more)
        print(json.dumps(results[-1]), file=sys.stderr, flush=True)

    write(old_path, old)
    earlier = train_each(old_path, 1000 * seed, o)
    for turn, probability in enumerate(o.probabilities, 1):
        changed = planted(new, partner, probability, rng)
        write(new_path, changed)
        count = Counter(word for line in changed for word in line)
        ranked = {word for word, n in count.items() if min(n, counts[0][word]) >= MIN_COUNT}
        later = train_each(new_path, 1000 * seed + 100 * turn, o)
        one, other = against_compass(old_path, new_path, 1000 * seed + 100 * turn + 50, o)
        if o.control and turn == 1:
            for name, share in controlled(earlier["w2v_hs"], later["w2v_hs"], set(partner), o).items():
                add("control", name, share)
        if probability == 0:
            add("difference of log_prob", "compass, two halves", disagreement(one, other, old))
            first = earlier["w2v_hs"][0]
            add("difference of log_prob", "two halves alone", disagreement(first, later["w2v_hs"][0], old))
            same = train_each(old_path, 1000 * seed + 99, o)["w2v_hs"][0]
            add("difference of log_prob", "one half alone", disagreement(first, same, old))
        for program, (before, after) in {
            **{program: (earlier[program], runs) for program, runs in later.items()},
            "compass": ([one], [other]),
        }.items():
            found = orders(before, after, ranked, program.startswith("w2v_hs"), o)
            if program == "gensim":
                found["usual recipe"] = usual_recipe(before[0], after[0], sorted(ranked))
            if program == "compass":
                found["distance, not rotated"] = not_rotated(one.vectors, other.vectors, sorted(ranked))
            for figure, words in found.items():
                assert set(words) == ranked
                add(program, figure, average_precision(words, set(partner)), ranked=len(words))
    return results


def write(path: Path, lines: list[list[str]]) -> None:
    path.write_text("".join(" ".join(line) + "\n" for line in lines), encoding="utf-8")


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("text")
    parser.add_argument("--lines", type=int, help="of the text, the first so many")
    parser.add_argument("--pairs", type=int, default=25, help="pairs of words that change places")
    parser.add_argument("--probabilities", type=float, nargs="+", default=[0, 0.25, 0.5, 1])
    parser.add_argument("--neighbors", type=int, nargs="+", default=[1000])
    parser.add_argument("--dim", type=int, default=100)
    parser.add_argument("--window", type=int, default=5)
    parser.add_argument("--epochs", type=int, default=5)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--runs", type=int, default=1, help="of each half")
    parser.add_argument("--control", type=int, default=1, help="rounds of the control")
    parser.add_argument("--gensim", action="store_true", help="also gensim, over 100 s a run of 16M words")
    parser.add_argument("--json", type=Path, help="write all runs to this file")
    o = parser.parse_args()
    lines = [line.split() for line in Path(o.text).read_text(encoding="utf-8").splitlines()]
    lines = lines[: o.lines]
    runs = []
    with tempfile.TemporaryDirectory() as folder:
        for seed in range(1, o.seeds + 1):
            runs += measure(lines, seed, Path(folder), o)
    share = 2 * o.pairs / statistics.mean(run["ranked"] for run in runs if "ranked" in run)
    title = f"average precision; in a random order {share:.3f}"
    table = Table("vectors", "figure", *(f"p = {p:g}" for p in o.probabilities), title=title)
    for program, figure in dict.fromkeys((run["vectors"], run["figure"]) for run in runs):
        mine = [run for run in runs if (run["vectors"], run["figure"]) == (program, figure)]
        values = ([run["value"] for run in mine if run["probability"] == p] for p in o.probabilities)
        table.add_row(program, figure, *(f"{statistics.mean(v):.3f}" if v else "" for v in values))
    Console(width=100).print(table)
    if o.json:
        o.json.write_text(json.dumps(runs, indent=1))


if __name__ == "__main__":
    main()

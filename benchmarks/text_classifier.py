"""Text classification beside fastText's supervised mode and TF-IDF: precision, log loss and time.

    python benchmarks/text_classifier.py                            # needs the package fasttext
    python benchmarks/text_classifier.py --programs ours --seeds 1
    python benchmarks/text_classifier.py --data reviews --dim 10 --json text.json

Three sets: film reviews, positive or negative (NLTK's movie_reviews, 2,000 texts of 750 words);
the category of a sentence (NLTK's Brown corpus, 57,340 sentences, 15 categories); the next word,
among the 3,000 most frequent ones, given up to five words before it (the bundled corpus, 220,000
windows). Each seed has a split of its own, the same for all programs. A program runs as a process
of its own. `seconds` are those from the file of labelled lines to the trained model in memory, on
--threads threads, with compiled kernels; `cpu` is the time of all cores in them, which other
programs on the machine disturb less. Ours and fastText take the same options: dim, epochs, learning
rate, word bigrams, loss. "tfidf" is a `GroupedSoftmaxRegression` on TF-IDF of words and bigrams; it
has no dim.
"""

import argparse
import collections
import json
import os
import platform
import random
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from rich.console import Console
from rich.table import Table

# Loss, epochs, learning rate, share of the texts that are held out.
SETTINGS = {
    "reviews": {"loss": "softmax", "epochs": 25, "lr": 1.0, "held_out": 0.2},
    "categories": {"loss": "softmax", "epochs": 5, "lr": 0.5, "held_out": 0.1},
    "next": {"loss": "hs", "epochs": 5, "lr": 0.5, "held_out": 0.1},
}


def reviews():
    from nltk.corpus import movie_reviews

    for label in movie_reviews.categories():
        for name in movie_reviews.fileids(label):
            yield label, movie_reviews.words(name)


def categories():
    from nltk.corpus import brown

    for label in brown.categories():
        for sentence in brown.sents(categories=label):
            yield label, map(str.lower, sentence)


def next_words(words=3000, before=5, most=220_000):
    from w2v_hs.text import named_corpora

    text = b"".join(named_corpora.open_text("factbook")).decode().lower()
    sentences = [line.split() for line in text.splitlines()]
    counts = collections.Counter(word for sentence in sentences for word in sentence)
    labels = {word for word, _ in counts.most_common(words)}
    found = [
        (sentence[i], sentence[max(0, i - before) : i])
        for sentence in sentences
        for i in range(2, len(sentence))
        if sentence[i] in labels
    ]
    return random.Random(1).sample(found, min(most, len(found)))


DATA = {"reviews": reviews, "categories": categories, "next": next_words}


def write_split(lines, share, seed, folder):
    """Write train.txt and test.txt."""
    lines = random.Random(seed).sample(lines, len(lines))
    cut = int(share * len(lines))
    (folder / "test.txt").write_text("".join(lines[:cut]))
    (folder / "train.txt").write_text("".join(lines[cut:]))


def ours(folder, o):
    from w2v_hs.classifier.text.evaluation import evaluate
    from w2v_hs.classifier.text.labelled import read_labelled
    from w2v_hs.classifier.text.options import TextOptions
    from w2v_hs.classifier.text.training import train

    names = ("dim", "epochs", "lr", "loss", "threads", "seed")
    options = TextOptions(word_ngrams=2, **{name: o[name] for name in names})
    started, cpu = time.perf_counter(), time.process_time()
    model = train(*read_labelled(folder / "train.txt"), options)
    seconds, cpu = time.perf_counter() - started, time.process_time() - cpu
    result = evaluate(model, *read_labelled(folder / "test.txt"))
    return {"seconds": seconds, "cpu": cpu, "precision": result.precision, "log_loss": result.log_loss}


def fasttext(folder, o):
    import fasttext

    options = {"dim": o["dim"], "epoch": o["epochs"], "lr": o["lr"], "loss": o["loss"]}
    options |= {"thread": o["threads"], "seed": o["seed"], "wordNgrams": 2, "verbose": 0}
    started, cpu = time.perf_counter(), time.process_time()
    model = fasttext.train_supervised(str(folder / "train.txt"), **options)
    seconds, cpu = time.perf_counter() - started, time.process_time() - cpu
    _, precision, _ = model.test(str(folder / "test.txt"))
    return {"seconds": seconds, "cpu": cpu, "precision": precision}


def tfidf(folder, o):
    import numpy as np
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.metrics import log_loss
    from sklearn.pipeline import make_pipeline

    from w2v_hs.classifier import GroupedSoftmaxRegression
    from w2v_hs.classifier.text.labelled import read_labelled

    features = TfidfVectorizer(ngram_range=(1, 2), sublinear_tf=True, token_pattern=r"\S+", dtype=np.float32)
    clf = make_pipeline(features, GroupedSoftmaxRegression(random_state=o["seed"], n_jobs=o["threads"]))
    started, cpu = time.perf_counter(), time.process_time()
    clf.fit(*read_labelled(folder / "train.txt"))
    seconds, cpu = time.perf_counter() - started, time.process_time() - cpu
    texts, labels = read_labelled(folder / "test.txt")
    precision = clf.score(texts, labels)
    known = np.isin(labels, clf.classes_)  # as `evaluate` has it
    loss = log_loss(np.array(labels)[known], clf.predict_proba(texts)[known], labels=clf.classes_)
    return {"seconds": seconds, "cpu": cpu, "precision": precision, "log_loss": loss}


PROGRAMS = {"ours": ours, "tfidf": tfidf, "fasttext": fasttext}


def run(program, folder, options):
    """Run a program in a process of its own."""
    command = [sys.executable, __file__, "--worker", program, str(folder), json.dumps(options)]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode != 0:
        sys.exit(f"{program} failed:\n{done.stderr}")
    return json.loads(done.stdout.splitlines()[-1])


def show(runs):
    table = Table("data", "dim", "program", "precision at 1", "log loss", "seconds", "cpu")
    for key in dict.fromkeys((r["data"], r["dim"], r["program"]) for r in runs):
        mine = [r for r in runs if (r["data"], r["dim"], r["program"]) == key]
        precisions = [r["precision"] for r in mine]
        losses = [r["log_loss"] for r in mine if r.get("log_loss") is not None]
        table.add_row(
            key[0],
            str(key[1]),
            key[2],
            f"{statistics.mean(precisions):.4f} ({min(precisions):.4f} to {max(precisions):.4f})",
            f"{statistics.mean(losses):.3f}" if losses else "",
            f"{statistics.median(r['seconds'] for r in mine):.1f}",
            f"{statistics.median(r['cpu'] for r in mine):.1f}",
        )
    Console(width=110).print(table)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", nargs="+", default=list(DATA), choices=DATA)
    parser.add_argument("--programs", nargs="+", default=list(PROGRAMS), choices=PROGRAMS)
    parser.add_argument("--dim", type=int, nargs="+", default=[10, 100])
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--json", type=Path, help="write all runs to this file")
    parser.add_argument("--worker", nargs=3, help=argparse.SUPPRESS)
    o = parser.parse_args()
    if o.worker:
        program, folder, options = o.worker
        print(json.dumps(PROGRAMS[program](Path(folder), json.loads(options))))
        return
    runs = []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for data in o.data:
            lines = [f"__label__{label} {' '.join(text)}\n" for label, text in DATA[data]()]
            settings = {k: v for k, v in SETTINGS[data].items() if k != "held_out"}
            if "ours" in o.programs:  # compiles the kernels
                write_split(lines[: 40 if data == "next" else None], 0.5, 0, folder)
                run("ours", folder, settings | {"dim": 2, "epochs": 2, "threads": o.threads, "seed": 1})
            for seed in range(1, o.seeds + 1):
                write_split(lines, SETTINGS[data]["held_out"], seed, folder)
                for dim in o.dim:
                    options = settings | {"dim": dim, "threads": o.threads, "seed": seed}
                    for program in o.programs:
                        result = run(program, folder, options)
                        runs.append({"data": data, "program": program, **options, **result})
                        print(json.dumps(runs[-1]), file=sys.stderr, flush=True)
    show(runs)
    if o.json:
        machine = {"processor": platform.processor() or platform.machine(), "cores": os.cpu_count()}
        o.json.write_text(json.dumps({"machine": machine, "runs": runs}, indent=1) + "\n")


if __name__ == "__main__":
    main()

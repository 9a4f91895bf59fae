"""Classifiers of many classes on sparse rows, beside napkinXC, fastText and scikit-learn.

    python benchmarks/classifier.py                             # the bundled corpus, 1,000 classes
    python benchmarks/classifier.py --data brown --classes 10000 --json out.json
    python benchmarks/classifier.py --only learned huffman balanced --seeds 3
    python benchmarks/classifier.py --data wiki.txt --classes 10000 --costs 10

The class is a word, one of the most frequent; its features are the words up to five before and five
after it in its sentence, as indicators, scaled to length 1. Every tenth sentence is held out.
Brown needs NLTK's corpus of that name. With a file as `--data`, the class is a line of it, and rows
are its passages of 40 words, as TF-IDF; up to 18 of a line, some of which are held out. napkinXC,
fastText and scikit-learn's solver are left out where they are not installed; the full softmaxes
only run with `--full`, for they take long.

Figures: the share of held-out rows whose class is the first found, and among the first 3 and 5; the
log loss in nats, on the first 1,000 of them, of what has probabilities that sum to 1; and seconds
of processor time, over all threads, to train and to find 5 classes for each held-out row. Programs
that run beside it change processor time little.
"""

import argparse
import json
import statistics
import tempfile
import time
from collections import Counter
from pathlib import Path

import numpy as np
import scipy.sparse
from rich.console import Console
from rich.table import Table
from sklearn.feature_extraction.text import TfidfVectorizer
from threadpoolctl import threadpool_limits

from w2v_hs.classifier import (
    GroupedSoftmaxRegression,
    HierarchicalSoftmaxRegression,
    ProbabilisticLabelTree,
    SoftmaxRegression,
)
from w2v_hs.text import named_corpora

WINDOW = 5
WORDS = 40_000  # the most frequent, which are features
PASSAGE, PASSAGES = 40, 18  # words of a passage, and most passages of a document


def sentences(name):
    if name == "brown":
        from nltk.corpus import brown

        return [[word.lower() for word in sentence] for sentence in brown.sents()]
    text = b"".join(named_corpora.open_text("factbook")).decode()
    return [line.split() for line in text.splitlines()]


def rows(some, index, classes):
    """(X, y) of some sentences."""
    starts, columns, y = [0], [], []
    for sentence in some:
        words = [index.get(word, -1) for word in sentence]
        for i, word in enumerate(words):
            around = {w for w in words[max(0, i - WINDOW) : i] + words[i + 1 : i + 1 + WINDOW] if w >= 0}
            if 0 <= word < classes and around:
                columns += sorted(around)
                starts.append(len(columns))
                y.append(word)
    lengths = np.diff(starts)
    values = np.repeat(1 / np.sqrt(lengths), lengths).astype(np.float32)
    return scipy.sparse.csr_matrix((values, columns, starts), shape=(len(y), len(index))), np.array(y)


def documents(path, classes, most, held_out, seed):
    """As `data`, of the passages of the first lines of a text."""
    generator, passages, y = np.random.default_rng(seed), [], []
    with Path(path).open(encoding="utf-8") as lines:
        for document, line in zip(range(classes), lines, strict=False):
            words = line.split()
            begins = np.arange(0, len(words) - PASSAGE + 1, PASSAGE)
            some = generator.permutation(begins)[:PASSAGES]
            passages += [" ".join(words[begin : begin + PASSAGE]) for begin in some]
            y += [document] * len(some)
    order, y = generator.permutation(len(y)), np.array(y)
    kept, held = order[:-held_out][:most], order[-held_out:]
    known = held[np.isin(y[held], y[kept])]
    features = TfidfVectorizer(token_pattern=r"\S+", min_df=2, sublinear_tf=True, dtype=np.float32)
    X = features.fit_transform([passages[i] for i in kept])
    return X, y[kept], features.transform([passages[i] for i in known]), y[known]


def data(name, classes, most, held_out, seed):
    """Training rows and held-out rows of the classes that occur in training."""
    if name not in ("factbook", "brown"):
        return documents(name, classes, most, held_out, seed)
    text = sentences(name)
    counts = Counter(word for sentence in text for word in sentence)
    index = {word: i for i, (word, _) in enumerate(counts.most_common(WORDS))}
    X, y = rows([s for i, s in enumerate(text) if i % 10], index, classes)
    T, z = rows(text[::10], index, classes)
    generator = np.random.default_rng(seed)
    kept = np.sort(generator.permutation(len(y))[:most])
    X, y = X[kept], y[kept]
    known = generator.permutation(np.flatnonzero(np.isin(z, y)))[:held_out]
    return X, y, T[known], z[known]


# ---- programs: each yields what it is called, and (fit, top 5, log-probabilities or None) -------


def ours(o, seed):
    def tree(**options):
        return HierarchicalSoftmaxRegression(n_jobs=o.threads, random_state=seed, **options)

    def run(clf):
        def log_probs(T, z):
            return clf.predict_log_proba(T)[np.arange(len(z)), np.searchsorted(clf.classes_, z)]

        return clf.fit, lambda T: clf.top_k(T, 5)[0], log_probs

    for cost in o.costs:
        l2 = 1 / (cost * o.rows_found)
        for factor in (1, 2, 4):
            groups = round(factor * o.classes_found**0.5)
            clf = GroupedSoftmaxRegression(n_groups=groups, n_jobs=o.threads, random_state=seed, l2=l2)
            yield f"{factor} sqrt(m) groups, C={cost:g}", run(clf)
        if o.full:
            clf = GroupedSoftmaxRegression(n_groups=1, n_jobs=o.threads, random_state=seed, l2=l2)
            yield f"one group, C={cost:g}", run(clf)
        for name in ("learned", "huffman", "balanced"):
            yield f"{name}, C={cost:g}", run(tree(tree=name, l2=l2))
        yield f"3 learned trees, C={cost:g}", run(tree(n_trees=3, l2=l2))
        label_tree = ProbabilisticLabelTree(n_jobs=o.threads, random_state=seed, l2=l2)
        yield f"ProbabilisticLabelTree, C={cost:g}", (*run(label_tree)[:2], None)
        if o.full:
            yield f"SoftmaxRegression, C={cost:g}", run(SoftmaxRegression(n_jobs=o.threads, l2=l2))


def napkin(o, seed):
    try:
        from napkinxc.models import HSM, PLT
    except ImportError:
        return
    for kind in (PLT, HSM):
        folder = tempfile.TemporaryDirectory()
        clf = kind(folder.name, threads=o.threads, seed=seed)

        def fit(X, y, clf=clf, folder=folder):
            clf.fit(X, y.tolist())

        def top(T, clf=clf):
            found = clf.predict(T, top_k=5)
            return np.array([list(row)[:5] + [-1] * (5 - len(row)) for row in found])

        yield f"napkinXC {kind.__name__}", (fit, top, None)


def fast_text(o, seed):
    try:
        import fasttext
    except ImportError:
        return
    for loss in ("hs", "softmax") if o.full else ("hs",):
        state = {}

        def lines(X):
            return [" ".join(map(str, X.indices[a:b])) for a, b in zip(X.indptr, X.indptr[1:], strict=False)]

        def fit(X, y, loss=loss, state=state, lines=lines):
            with tempfile.NamedTemporaryFile("w", suffix=".txt") as file:
                file.writelines(f"__label__{label} {line}\n" for label, line in zip(y, lines(X), strict=True))
                file.flush()
                state["model"] = fasttext.train_supervised(
                    file.name, loss=loss, dim=100, epoch=10, lr=0.5, thread=o.threads, verbose=0
                )

        def top(T, state=state, lines=lines):
            found = [state["model"].f.predict(line + "\n", 5, 0.0, "strict") for line in lines(T)]
            return np.array([[int(label[9:]) for _, label in row] + [-1] * (5 - len(row)) for row in found])

        yield f"fastText {loss}", (fit, top, None)


def scikit_learn(o, seed):
    if not o.full:
        return
    from sklearn.linear_model import LogisticRegression

    clf = LogisticRegression(max_iter=500)
    yield (
        "LogisticRegression, C=1",
        (
            clf.fit,
            lambda T: clf.classes_[np.argsort(-clf.predict_proba(T), axis=1)[:, :5]],
            lambda T, z: clf.predict_log_proba(T)[np.arange(len(z)), np.searchsorted(clf.classes_, z)],
        ),
    )


def measure(run, X, y, T, z):
    fit, top, log_probs = run
    begun = time.process_time()
    fit(X, y)
    trained = time.process_time()
    found = top(T) == z[:, None]
    done = time.process_time()
    return {
        "first": float(found[:, 0].mean()),
        "in 3": float(found[:, :3].any(axis=1).mean()),
        "in 5": float(found.any(axis=1).mean()),
        "nats": None if log_probs is None else -float(log_probs(T[:1000], z[:1000]).mean()),
        "train": trained - begun,
        "find": done - trained,
    }


def show(title, results):
    table = Table("classifier", "first", "in 3", "in 5", "nats", "train, s", "find, s", title=title)
    for name, runs in results.items():
        figures = [f"{statistics.mean(r[key] for r in runs):.4f}" for key in ("first", "in 3", "in 5")]
        nats = "" if runs[0]["nats"] is None else f"{statistics.mean(r['nats'] for r in runs):.3f}"
        seconds = [f"{statistics.median(r[key] for r in runs):.1f}" for key in ("train", "find")]
        table.add_row(name, *figures, nats, *seconds)
    Console(width=110).print(table)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", default="factbook", help="factbook, brown, or a text of documents")
    parser.add_argument("--classes", type=int, default=1000)
    parser.add_argument("--rows", type=int, default=100_000, help="most training rows")
    parser.add_argument("--held-out", type=int, default=5000, help="most held-out rows")
    parser.add_argument("--costs", type=float, nargs="+", default=[1.0, 10.0], help="C = 1 / (l2 n)")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--seeds", type=int, default=1, help="runs, of which means are shown")
    parser.add_argument("--only", nargs="*", default=[""], help="beginnings of names of classifiers")
    parser.add_argument("--full", action="store_true", help="the full softmaxes, too")
    parser.add_argument("--json", type=Path, help="write the figures to a file")
    o = parser.parse_args()
    results: dict[str, list] = {}
    small = scipy.sparse.csr_matrix(np.eye(4, dtype=np.float32))
    for estimator in (
        GroupedSoftmaxRegression,
        HierarchicalSoftmaxRegression,
        ProbabilisticLabelTree,
        SoftmaxRegression,
    ):
        clf = estimator().fit(small, range(4))
        clf.top_k(small, 1), clf.predict_proba(small)  # compiles
    for seed in range(1, o.seeds + 1):
        X, y, T, z = data(o.data, o.classes, o.rows, o.held_out, seed)
        o.rows_found, o.classes_found = len(y), len(np.unique(y))
        for programs in (ours, napkin, fast_text, scikit_learn):
            for name, run in programs(o, seed):
                if any(name.startswith(beginning) for beginning in o.only):
                    with threadpool_limits(o.threads):
                        results.setdefault(name, []).append(measure(run, X, y, T, z))
    title = f"{o.data}: {len(np.unique(y)):,} classes, {len(y):,} rows, {o.seeds} seeds, {o.threads} threads"
    show(title, results)
    if o.json:
        o.json.write_text(json.dumps({"title": title, "results": results}, indent=1) + "\n")


if __name__ == "__main__":
    main()

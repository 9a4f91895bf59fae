"""Classifiers of many classes on sparse rows, beside napkinXC, fastText and scikit-learn.

    python benchmarks/classifier.py                             # 1,000, 10,000 and 30,000 classes
    python benchmarks/classifier.py --data brown --classes 10000 --json out.json
    python benchmarks/classifier.py --classes 1000 --only learned huffman balanced --seeds 3
    python benchmarks/classifier.py --data wiki.txt --classes 10000

The class is a word, one of the most frequent; its features are the words up to five before and five
after it in its sentence, as indicators, scaled to length 1. Every tenth sentence is held out, and
each class has at least one training row. Words are those of the bundled corpus; Brown needs NLTK's
corpus of that name. With a file as `--data`, the class is a line of it, and rows are its passages
of 40 words, as TF-IDF; up to 18 of a line, some of which are held out. napkinXC and fastText are
left out where they are not installed. Each program runs in a process of its own, which ends when it
reaches the limit of processor time or of memory.

Figures: the share of held-out rows whose class is the first found, and among the first 3 and 5; the
log loss in nats, on the first 1,000 of them, of what has probabilities that sum to 1; and seconds
of processor time, over all threads, to train and to find 5 classes for each held-out row. Programs
that run beside it change processor time little.
"""

import argparse
import functools
import json
import multiprocessing
import resource
import signal
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
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import normalize
from threadpoolctl import threadpool_limits

from w2v_hs.classifier import (
    GroupedSoftmaxRegression,
    HierarchicalSoftmaxRegression,
    ProbabilisticLabelTree,
    SoftmaxRegression,
)
from w2v_hs.text import named_corpora

WINDOW = 5
HOLD_OUT = 10  # every tenth sentence
WORDS = 40_000  # the most frequent, which are features
PASSAGE, PASSAGES = 40, 18  # words of a passage, and most passages of a document


def sentences(name):
    if name == "brown":
        from nltk.corpus import brown

        return [" ".join(sentence).lower() for sentence in brown.sents()]
    return b"".join(named_corpora.open_text("factbook")).decode().splitlines()


@functools.cache
def encoded(name):
    """The words of a text, and their sentences.

    Words are numbers by their frequency in sentences that are not held out; -1 for those that are
    no features.
    """
    text = sentences(name)
    counts = Counter()
    for i, sentence in enumerate(text):
        if i % HOLD_OUT:
            counts.update(sentence.split())
    index = {word: i for i, (word, _) in enumerate(counts.most_common(WORDS))}
    ids = [np.array([index.get(word, -1) for word in sentence.split()], np.int32) for sentence in text]
    return np.concatenate(ids), np.repeat(np.arange(len(ids)), list(map(len, ids)))


def neighbours(ids, sentence, places):
    """(n, 2 * WINDOW): the words around some places, -1 where there is none."""
    around = places[:, None] + np.delete(np.arange(-WINDOW, WINDOW + 1), WINDOW)
    inside = (around >= 0) & (around < len(ids))
    around = np.where(inside, around, 0)
    return np.where(inside & (sentence[around] == sentence[places][:, None]), ids[around], -1)


def rows(ids, sentence, places):
    """(X, y) of some places of a text."""
    found = neighbours(ids, sentence, places)
    row, column = np.nonzero(found >= 0)
    shape = len(places), WORDS
    X = scipy.sparse.coo_matrix((np.ones(len(row), np.float32), (row, found[row, column])), shape).tocsr()
    X.data[:] = 1
    return normalize(X), ids[places].astype(np.int64)


def words(name, classes, most, held_out, seed):
    """As `data`, of words and those around them."""
    ids, sentence = encoded(name)
    generator = np.random.default_rng(seed)
    places = generator.permutation(np.flatnonzero((ids >= 0) & (ids < classes)))
    places = places[(neighbours(ids, sentence, places) >= 0).any(axis=1)]
    held = sentence[places] % HOLD_OUT == 0
    kept, held = places[~held], places[held][:held_out]
    first = np.unique(ids[kept], return_index=True)[1]  # a row of each class
    if len(first) < classes:
        raise SystemExit(f"{name} has training rows of {len(first):,} words: give fewer --classes")
    kept = np.append(kept[first], np.delete(kept, first)[: most - classes])
    return *rows(ids, sentence, np.sort(kept)), *rows(ids, sentence, held)


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


def data(o, classes, seed):
    """Training rows and held-out rows of the classes that occur in training."""
    of = words if o.data in ("factbook", "brown") else documents
    return of(o.data, classes, o.rows or max(100_000, 10 * classes), o.held_out, seed)


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
        clf = GroupedSoftmaxRegression(n_groups=1, n_jobs=o.threads, random_state=seed, l2=l2)
        yield f"one group, C={cost:g}", run(clf)
        for name in ("learned", "huffman", "balanced"):
            yield f"{name}, C={cost:g}", run(tree(tree=name, l2=l2))
        yield f"3 learned trees, C={cost:g}", run(tree(n_trees=3, l2=l2))
        label_tree = ProbabilisticLabelTree(n_jobs=o.threads, random_state=seed, l2=l2)
        yield f"ProbabilisticLabelTree, C={cost:g}", (*run(label_tree)[:2], None)
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
    for loss in ("hs", "softmax"):
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
    for cost in o.costs:
        clf = LogisticRegression(C=cost, max_iter=500)
        yield (
            f"LogisticRegression, C={cost:g}",
            (
                clf.fit,
                lambda T, clf=clf: clf.classes_[np.argsort(-clf.predict_proba(T), axis=1)[:, :5]],
                lambda T, z, clf=clf: clf.predict_log_proba(T)[
                    np.arange(len(z)), np.searchsorted(clf.classes_, z)
                ],
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


def limited(o, *args):
    """`measure` in a process of its own; the limit that it reached, where it reached one."""
    receiver, sender = multiprocessing.Pipe(duplex=False)

    def child():
        resource.setrlimit(resource.RLIMIT_CPU, (o.seconds, o.seconds + 5))  # SIGXCPU, then SIGKILL
        resource.setrlimit(resource.RLIMIT_AS, (o.memory << 30, o.memory << 30))
        with threadpool_limits(o.threads):
            try:
                sender.send(measure(*args))
            except MemoryError:
                sender.send(f"more than {o.memory} GiB")

    process = multiprocessing.get_context("fork").Process(target=child)
    process.start()
    sender.close()
    try:
        return receiver.recv()
    except EOFError:  # the process ended without a result
        process.join()
        slow = process.exitcode == -signal.SIGXCPU
        return f"more than {o.seconds} s" if slow else f"exit code {process.exitcode}"
    finally:
        process.join()


def show(title, results):
    table = Table("classifier", "first", "in 3", "in 5", "nats", "train, s", "find, s", title=title)
    for name, runs in results.items():
        if isinstance(runs[0], str):
            table.add_row(name, runs[0])
            continue
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
    parser.add_argument("--classes", type=int, nargs="+", default=[1000, 10_000, 30_000])
    parser.add_argument("--rows", type=int, help="most training rows; by default 100,000 or 10 a class")
    parser.add_argument("--held-out", type=int, default=5000, help="most held-out rows")
    parser.add_argument("--costs", type=float, nargs="+", default=[10.0], help="C = 1 / (l2 n)")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--seeds", type=int, default=1, help="runs, of which means are shown")
    parser.add_argument("--only", nargs="*", default=[""], help="beginnings of names of classifiers")
    parser.add_argument("--seconds", type=int, default=600, help="most processor time of a program")
    parser.add_argument("--memory", type=int, default=12, help="most memory of a program, in GiB")
    parser.add_argument("--json", type=Path, help="write the figures to a file")
    o = parser.parse_args()
    small = scipy.sparse.csr_matrix(np.eye(4, dtype=np.float32))
    for estimator in (
        GroupedSoftmaxRegression,
        HierarchicalSoftmaxRegression,
        ProbabilisticLabelTree,
        SoftmaxRegression,
    ):
        clf = estimator().fit(small, range(4))
        clf.top_k(small, 1), clf.predict_proba(small)  # compiles
    tables = []
    for classes in o.classes:
        results: dict[str, list] = {}
        for seed in range(1, o.seeds + 1):
            X, y, T, z = data(o, classes, seed)
            o.rows_found, o.classes_found = len(y), len(np.unique(y))
            for programs in (ours, napkin, fast_text, scikit_learn):
                for name, run in programs(o, seed):
                    if any(name.startswith(beginning) for beginning in o.only):
                        results.setdefault(name, []).append(limited(o, run, X, y, T, z))
        size = f"{o.classes_found:,} classes, {len(y):,} rows"
        title = f"{Path(o.data).name}: {size}, {o.seeds} seeds, {o.threads} threads"
        show(title, results)
        tables.append({"title": title, "results": results})
        if o.json:
            o.json.write_text(json.dumps(tables, indent=1) + "\n")


if __name__ == "__main__":
    main()

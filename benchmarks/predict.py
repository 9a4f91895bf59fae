"""How much of the tree the search for the most probable words visits, and how long it takes.

    python benchmarks/predict.py model.safetensors

Best-first search visits every prefix that is more probable than the k-th word. For random contexts,
words drawn with equal chances from the vocabulary, the table shows medians of the visited share of
the inner nodes and of the time of one query. Each answer is compared with the head of the sorted
distribution. Below it the worst case, all leaves, on the same tree and on a balanced one: output
weights of zero make every prefix of a level equally probable, and small random ones, as early in
training, almost so.
"""

import argparse
import json
import time
from dataclasses import replace

import numpy as np
from rich.console import Console
from rich.table import Table

import w2v_hs
from w2v_hs.tree.tree import balanced

KS = (1, 10, 100)


def measure(model, contexts, check: bool) -> list[dict]:
    """A row for each k; `check` compares with the whole distribution."""
    for k in KS:
        model.top_k(contexts[0], k)  # compiles, and reads the tree
    rows = []
    for k in KS:
        seconds, visited = [], []
        for context in contexts:
            started = time.perf_counter()
            found = model.top_k(context, k)
            seconds.append(time.perf_counter() - started)
            visited.append(found.visited)
            if check:
                p = model.distribution(context)
                best = np.argsort(-p, kind="stable")[:k]
                expected = [model.vectors.words[row] for row in best]
                if found.words != expected or not np.array_equal(found.probabilities, p[best]):
                    raise SystemExit(f"k={k}, context {context!r}: found {found.words[:3]} ...")
        share = np.array(visited) / len(model.outputs)
        rows.append(
            {
                "k": k,
                "visited": int(np.median(visited)),
                "visited_share": float(np.median(share)),
                "largest_share": float(share.max()),
                "milliseconds": 1e3 * float(np.median(seconds)),
                "slowest_milliseconds": 1e3 * float(np.max(seconds)),
            }
        )
    return rows


def with_outputs(model, outputs, tree):
    return replace(model, outputs=outputs.astype(np.float32), tree=tree)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("model", help="a model file with a tree")
    parser.add_argument("--contexts", type=int, default=1000)
    parser.add_argument("--size", type=int, default=1, help="words in a context")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--json", action="store_true", help="print JSON")
    o = parser.parse_args()
    model = w2v_hs.load(o.model)
    if model.tree is None:
        parser.error("a model of the full softmax visits every word; give one with a tree")
    generator = np.random.default_rng(o.seed)
    contexts = generator.choice(model.vectors.words, (o.contexts, o.size)).tolist()
    noise = generator.normal(0, 1e-3, model.outputs.shape)
    even = balanced(model.vocabulary.counts)
    cases = {
        "the model": (model, contexts, True),
        "zero weights, its tree": (with_outputs(model, 0 * noise, model.tree), contexts[:9], False),
        "small random weights, its tree": (with_outputs(model, noise, model.tree), contexts[:9], False),
        "zero weights, balanced tree": (with_outputs(model, 0 * noise, even), contexts[:9], False),
        "small random weights, balanced tree": (with_outputs(model, noise, even), contexts[:9], False),
    }
    results = {name: measure(*case) for name, case in cases.items()}
    if o.json:
        print(json.dumps({"words": len(model.vocabulary), "cases": results}, indent=1))
        return
    table = Table("", "k", "nodes visited", "share", "largest", "ms", "slowest ms")
    for name, rows in results.items():
        for row in rows:
            table.add_row(
                name,
                str(row["k"]),
                f"{row['visited']:,}",
                f"{row['visited_share']:.2%}",
                f"{row['largest_share']:.2%}",
                f"{row['milliseconds']:.3f}",
                f"{row['slowest_milliseconds']:.3f}",
            )
    table.caption = f"{len(model.vocabulary):,} words, {o.contexts:,} contexts, all answers checked"
    Console().print(table)


if __name__ == "__main__":
    main()

"""What vectors to begin with are worth: a small text alone, and with what a large one has taught.

    python benchmarks/start.py wiki.txt
    python benchmarks/start.py wiki.txt --small nltk:brown --epochs 5 --seeds 3 --json start.json

Trains a model of the large text, then the small one in each way. All models are measured on the
words that both texts have. Printed are means over the seeds.
"""

import argparse
import copy
import json
import statistics
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.table import Table

import w2v_hs


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("large", help="one sentence a line, in lower case")
    parser.add_argument("--small", default="nltk:brown")
    parser.add_argument("--large-epochs", type=int, default=2)
    parser.add_argument("--epochs", type=int, default=5)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--json", type=Path, help="write all runs to this file")
    o = parser.parse_args()
    runs = []
    for seed in range(1, o.seeds + 1):
        large = w2v_hs.train(o.large, epochs=o.large_epochs, seed=seed)
        options = {"epochs": o.epochs, "lowercase": True, "seed": seed}
        models = {
            "the large text": large,
            "the small text": w2v_hs.train(o.small, **options),
            "the small one, begun with vectors of the large one": w2v_hs.train(
                o.small, **options, init=large
            ),
            "the same, with these vectors frozen": w2v_hs.train(o.small, **options, init=large, freeze=True),
        }
        updated = copy.deepcopy(large)
        updated.update(o.small, **options)
        models["the large one, updated with the small one"] = updated
        words = [word for word in models["the small text"].vectors.words if word in large.vectors]
        for name, model in models.items():
            vectors = w2v_hs.Vectors(words, np.stack([model.vectors[word] for word in words]))
            result = w2v_hs.evaluate(vectors)
            scores = {"google": result.analogies[0].accuracy}
            scores |= {s.name: s.spearman for s in result.similarity}
            runs.append({"model": name, "seed": seed, "words": len(words)} | scores)
    if o.json:
        o.json.write_text(json.dumps(runs, indent=2) + "\n")
    columns = [name for name in runs[0] if name not in ("model", "seed", "words")]
    table = Table("trained on", *columns, title=f"{runs[0]['words']:,} words, {o.seeds} seeds")
    for name in dict.fromkeys(run["model"] for run in runs):
        means = [statistics.mean(r[c] for r in runs if r["model"] == name) for c in columns]
        table.add_row(name, *(f"{mean:.3f}" for mean in means))
    Console(width=120).print(table)


if __name__ == "__main__":
    main()

"""Draw the chart of docs/speed.md from what `peers.py --json` wrote.

python benchmarks/chart.py docs/peers.svg benchmarks/results/*.json
"""

import argparse
import json
from pathlib import Path


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("output", type=Path)
    parser.add_argument("results", type=Path, nargs="+")
    o = parser.parse_args()
    import matplotlib

    matplotlib.use("svg")
    import matplotlib.pyplot as plt

    plt.rcParams["svg.hashsalt"] = "w2v_hs"  # the same picture gives the same file
    results = [json.loads(path.read_text()) for path in o.results]
    height = 0.7 + 0.42 * sum(len(r["summary"]) for r in results) + 0.5 * len(results)
    figure, axes = plt.subplots(
        len(results),
        1,
        figsize=(7.5, height),
        squeeze=False,
        gridspec_kw={"height_ratios": [len(r["summary"]) for r in results]},
    )
    for ax, result in zip(axes[:, 0], results, strict=True):
        rows, options = result["summary"][::-1], result["options"]
        ours = result["summary"][0]["seconds"]
        colours = ["#0b6e4f" if row["program"].startswith("ours") else "#9aa5ad" for row in rows]
        shown = {"ours": "w2v_hs", "ours-learned": "w2v_hs, learned tree"}
        names = [shown.get(row["program"], row["program"]) for row in rows]
        bars = ax.barh(names, [row["seconds"] for row in rows], color=colours)
        labels = [
            f"{row['seconds']:.1f} s, {row['seconds'] / ours:.1f}x"
            + ("" if options["words"] else f", Google {row['google']:.3f}")
            for row in rows
        ]
        ax.bar_label(bars, labels, padding=4, fontsize=8)
        ax.set_xlim(0, 1.45 * max(row["seconds"] for row in rows))
        epochs = options["epochs"]
        ax.set_title(
            f"{options['arch']}, {options['loss']}, {epochs} epoch{'s' if epochs > 1 else ''}, "
            f"dim {options['dim']}, "
            f"{options['threads']} threads: text to exported vectors",
            loc="left",
            fontsize=9,
        )
        ax.spines[["top", "right"]].set_visible(False)
        ax.tick_params(labelsize=8)
    axes[-1, 0].set_xlabel("seconds, the whole process", fontsize=8)
    figure.tight_layout()
    o.output.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(o.output, metadata={"Date": None})


if __name__ == "__main__":
    main()

"""Full softmax beside hierarchical softmax: held-out loss and time on one small vocabulary.

    python benchmarks/output_layers.py            # the bundled corpus, its 2,000 first words

Every tenth sentence is held out. The held-out loss is the mean of -log P(word | context) over all
pairs at most `window` apart (skip-gram) or all words (CBOW), in nats, computed in float64 from the
definition. The unigram row is what relative frequencies alone reach. Subsampling is off: it would
change the distribution that is learned.
"""

import argparse
import json

import numpy as np
from rich.console import Console
from rich.table import Table

import w2v_hs
from w2v_hs.text import named_corpora

LAYERS = {"huffman": {"tree": "huffman"}, "balanced": {"tree": "balanced"}, "softmax": {"loss": "softmax"}}


def examples(sentences, index, window, arch):
    """(contexts, word) for each prediction; the window always reaches its full width."""
    for sentence in sentences:
        rows = [index[token] for token in sentence if token in index]
        for i, word in enumerate(rows):
            contexts = rows[max(0, i - window) : i] + rows[i + 1 : i + 1 + window]
            if arch == "cbow" and contexts:
                yield contexts, word
            elif arch == "skipgram":
                for context in contexts:
                    yield [context], word


def held_out_loss(model, pairs) -> float:
    """Mean of -log P(word | contexts) in nats."""
    vectors = model.vectors.matrix.astype(np.float64)
    outputs = model.outputs.astype(np.float64)
    total = 0.0
    for contexts, word in pairs:
        h = vectors[contexts].mean(axis=0)
        if model.tree is None:
            scores = outputs @ h
            total += np.logaddexp.reduce(scores) - scores[word]
        else:
            steps = slice(model.tree.offsets[word], model.tree.offsets[word + 1])
            signs = 1.0 - 2.0 * model.tree.bits[steps]
            total += np.logaddexp(0, -signs * (outputs[model.tree.nodes[steps]] @ h)).sum()
    return total / len(pairs)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("corpus", nargs="?", default="factbook", help="a named corpus")
    parser.add_argument("--max-vocab", type=int, default=2000)
    parser.add_argument("--epochs", type=int, default=5)
    parser.add_argument("--json", action="store_true", help="print JSON")
    o = parser.parse_args()
    text = b"".join(named_corpora.open_text(o.corpus)).decode()
    sentences = [line.split() for line in text.splitlines()]
    training = [s for i, s in enumerate(sentences) if i % 10]
    held_out = sentences[::10]
    rows = []
    for arch in ("skipgram", "cbow"):
        pairs = counts = None
        for layer, options in LAYERS.items():
            model = w2v_hs.train(
                training, arch=arch, **options, max_vocab=o.max_vocab, epochs=o.epochs, sample=0
            )
            if pairs is None:
                pairs = list(examples(held_out, model.vocabulary.index, model.options.window, arch))
                pairs = pairs[:: len(pairs) // 50_000 + 1]
                counts = model.vocabulary.counts
                words = [word for _, word in pairs]
                unigram = float(-np.log(counts / counts.sum())[words].mean())
                rows.append({"arch": arch, "layer": "unigram", "held_out": unigram, "seconds": 0.0})
            rows.append(
                {
                    "arch": arch,
                    "layer": layer,
                    "held_out": held_out_loss(model, pairs),
                    "seconds": model.provenance["training_seconds"],
                }
            )
    if o.json:
        print(json.dumps(rows, indent=1))
        return
    table = Table("architecture", "output layer", "held-out nats", "training s")
    for row in rows:
        table.add_row(row["arch"], row["layer"], f"{row['held_out']:.3f}", f"{row['seconds']:.1f}")
    Console().print(table)


if __name__ == "__main__":
    main()

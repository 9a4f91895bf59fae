"""The commands of text classification: `classify train`, `predict`, `evaluate`."""

import itertools
import os
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from w2v_hs.checks import shown
from w2v_hs.cli import parameters, show
from w2v_hs.options import ERRORS, TOKENIZERS
from w2v_hs.progress import display

if TYPE_CHECKING:
    from w2v_hs.classifier.text.model import TextModel

# Those of `classifier.text.options`, which imports NumPy.
LOSSES = ("auto", "softmax", "hs")
LABEL_TREES = ("learned", "huffman")
_LINES = 1000  # of standard input that are classified at a time

_encoding_options = parameters.combined(
    click.option(
        "--encoding", default="utf-8", metavar="NAME", help="Encoding of the text, such as latin-1."
    ),
    click.option(
        "--errors",
        type=click.Choice(ERRORS),
        default="strict",
        help="How to handle bytes that cannot be decoded: stop, insert U+FFFD, or drop them.",
    ),
)
_training_options = parameters.combined(
    click.option(
        "--loss",
        type=click.Choice(LOSSES),
        default="auto",
        help="Full softmax, or hierarchical softmax (hs) over a tree of the labels; auto: the first up "
        "to 1,000 labels.",
    ),
    click.option(
        "--tree",
        type=click.Choice(LABEL_TREES),
        default="learned",
        help="Tree of labels for hs: learned from the texts after an epoch, or Huffman's.",
    ),
    click.option(
        "--dim", type=int, help="Dimension of the vectors.  [default: 100, or that of --pretrained]"
    ),
    click.option("--word-ngrams", default=1, help="Longest n-grams of words that have vectors."),
    click.option(
        "--subwords",
        type=parameters.RANGE,
        metavar="MIN-MAX",
        help="Lengths of the n-grams of characters that have vectors, such as 3-6.",
    ),
    click.option("--buckets", default=2_000_000, help="Number of buckets into which n-grams are hashed."),
    click.option("--epochs", default=10, help="Passes over the texts."),
    click.option("--lr", default=1.0, help="Learning rate at the start; it falls linearly to 0."),
    click.option("--min-count", default=1, help="Leave out words that occur less often."),
    click.option("--seed", default=1, help="Random seed."),
    parameters.threads_option,
    click.option("--lowercase", is_flag=True, help="Lowercase the text."),
    click.option(
        "--tokenize",
        type=click.Choice(TOKENIZERS),
        default="none",
        help="For raw text: how to split it into words, as in 'train'.",
    ),
)


@click.group()
def classify() -> None:
    """Classify texts, as fastText's supervised mode does.

    A line of a labelled text holds labels, each with the prefix __label__, and a text:

    \b
    __label__pos a film to remember

    \b
    w2v-hs classify train reviews.txt -o reviews.safetensors
    w2v-hs classify predict reviews.safetensors "a film to remember"
    w2v-hs classify evaluate reviews.safetensors new-reviews.txt
    """


@classify.command("train", context_settings={"show_default": True})
@click.argument("text", nargs=-1, required=True, type=parameters.NAME)
@click.option("-o", "--output", required=True, type=parameters.FILE, help="File of the classifier to write.")
@_training_options
@click.option(
    "--pretrained",
    type=parameters.FILE,
    metavar="VECTORS",
    help="Begin with these vectors: a model, or a file in any format of vectors.",
)
@_encoding_options
def train(
    text: tuple[str, ...],
    output: Path,
    threads: int | None,
    pretrained: Path | None,
    encoding: str,
    errors: str,
    **options: Any,
) -> None:
    """Train a classifier on labelled lines.

    TEXT is one or more files (plain or compressed), folders, quoted patterns, or '-' for standard
    input, one text a line: '__label__pos a film to remember'. A line may have several labels; each
    epoch trains one of them, drawn at random. Blank lines are skipped. A line without a label, or
    with nothing else, is an error.

    \b
    w2v-hs classify train reviews.txt -o reviews.safetensors
    w2v-hs classify train reviews.txt -o m.safetensors --word-ngrams 2 --epochs 25
    w2v-hs classify train reviews.txt -o m.safetensors --tokenize words --lowercase
    w2v-hs classify train reviews.txt -o m.safetensors --loss hs --subwords 3-6
    w2v-hs classify train reviews.txt -o m.safetensors --pretrained vectors.bin
    """
    from w2v_hs.classifier.text import file, training
    from w2v_hs.classifier.text.labelled import read_labelled
    from w2v_hs.classifier.text.options import TextOptions
    from w2v_hs.files.outputs import reserved
    from w2v_hs.options import available_cores
    from w2v_hs.vectors.formats import load_vectors

    if output.suffix != ".safetensors":
        raise click.UsageError(f"the output {shown(output)} must end in .safetensors")
    chosen = TextOptions(threads=available_cores() if threads is None else threads, **options)
    with reserved([output], [*text, pretrained]):
        vectors = None if pretrained is None else load_vectors(pretrained)
        with display(True) as bars:
            texts, labels = read_labelled(*text, encoding=encoding, errors=errors, progress=bars)
            model = training.train(texts, labels, chosen, vectors, bars)
        file.save(model, output)
    click.echo(_summary(model, output), err=True)


def _summary(model: "TextModel", output: Path) -> str:
    facts, features = model.facts, model.features
    tokens = facts["tokens"] * model.options.epochs
    return (
        f"{facts['texts']:,} texts, {len(model.labels):,} labels, {facts['tokens']:,} tokens, "
        f"{len(features.words) - 1:,} words"
        + (f", {len(features.buckets):,} n-grams" if model.options.has_ngrams else "")
        + f"\ntrained in {facts['training_seconds']:.1f} s "
        f"({tokens / max(facts['training_seconds'], 1e-9):,.0f} words/s, {facts['threads']} "
        f"thread{'s' if facts['threads'] > 1 else ''})"
        f"\nloss by epoch: {show.by_epoch(facts['losses'])}\nwrote {shown(output)}"
    )


@classify.command()
@parameters.model_argument
@click.argument("text", nargs=-1, required=True, metavar="TEXT...")
@click.option("-k", default=1, show_default=True, help="Number of labels for each text.")
@parameters.json_option
def predict(model: Path, text: tuple[str, ...], k: int, json_out: bool) -> None:
    """Print the most probable labels of each TEXT.

    TEXT is a text, not a file. A line for each: k times a label and its probability. '-' reads
    texts from standard input, one a line. The search is exact; with fewer labels than k, all are
    printed. A TEXT is prepared as the texts of MODEL were.

    \b
    w2v-hs classify predict reviews.safetensors "a film to remember"
    w2v-hs classify predict reviews.safetensors "a film to remember" "never again" -k 2 --json
    echo "a film to remember" | w2v-hs classify predict reviews.safetensors -
    """
    import numpy as np

    from w2v_hs.checks import whole
    from w2v_hs.classifier.text import file
    from w2v_hs.options import Preprocessing
    from w2v_hs.text.blocks import read_lines
    from w2v_hs.text.sources import find_sources

    if "-" in text and len(text) > 1:
        raise click.UsageError("'-', standard input, stands alone")
    whole("k", k, 1)
    loaded = file.load(model)
    texts = list(text)
    for name in texts:
        if os.path.isfile(name):  # noqa: PTH113 (never raises)
            raise click.UsageError(f"{shown(name)} is a file; to classify its lines: - < {shown(name)}")
    lines: Iterable[str] = texts
    if text == ("-",):
        lines = (line for source in find_sources("-") for line in read_lines(source, Preprocessing()))

    def predicted(some: list[str]) -> list[list[tuple[Any, float]]]:
        best, log_probs = loaded.best(loaded.hidden(some), min(k, len(loaded.labels)))
        labels, probabilities = loaded.labels[best].tolist(), np.exp(log_probs).tolist()
        return [list(zip(*row, strict=True)) for row in zip(labels, probabilities, strict=True)]

    if json_out:
        texts = list(lines)
        found = [[{"label": label, "probability": p} for label, p in row] for row in predicted(texts)]
        show.print_json([{"text": t, "predictions": each} for t, each in zip(texts, found, strict=True)])
        return
    lines = iter(lines)
    while some := list(itertools.islice(lines, _LINES)):
        for row in predicted(some):
            click.echo("  ".join(f"{shown(label)} {p:.4f}" for label, p in row))


@classify.command(context_settings={"show_default": True})
@parameters.model_argument
@click.argument("text", nargs=-1, required=True, type=parameters.NAME)
@click.option("-k", default=1, help="Number of labels that are predicted for each text.")
@_encoding_options
@parameters.json_option
def evaluate(model: Path, text: tuple[str, ...], k: int, encoding: str, errors: str, json_out: bool) -> None:
    """Measure MODEL on labelled lines.

    Prints precision and recall of the k most probable labels, as fastText's 'test', and the log
    loss: the mean of -log P(label | text), in nats. TEXT is as in 'classify train'; use one on
    which MODEL was not trained.

    \b
    w2v-hs classify evaluate reviews.safetensors new-reviews.txt
    w2v-hs classify evaluate reviews.safetensors new-reviews.txt -k 2 --json
    """
    from w2v_hs.classifier.text import file
    from w2v_hs.classifier.text.evaluation import evaluate as score
    from w2v_hs.classifier.text.labelled import read_labelled

    loaded = file.load(model)
    with display(True) as bars:
        texts, labels = read_labelled(*text, encoding=encoding, errors=errors, progress=bars)
        result = score(loaded, texts, labels, k)
    if json_out:
        show.print_json(vars(result))
        return
    rows = show.table(f"{model} on {' '.join(text)}", "", "")
    rows.add_row("texts", f"{result.texts:,}")
    rows.add_row("labels", f"{result.labels:,}")
    rows.add_row("labels that the classifier does not know", f"{result.unknown_labels:,}")
    rows.add_row(f"precision at {result.k}", f"{result.precision:.4f}")
    rows.add_row(f"recall at {result.k}", f"{result.recall:.4f}")
    rows.add_row("log loss, nats", "-" if result.log_loss is None else f"{result.log_loss:.4f}")
    show.console().print(rows)

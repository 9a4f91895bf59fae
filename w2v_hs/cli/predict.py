"""The commands that ask a model for probabilities: `predict`, `perplexity`, `score`."""

from pathlib import Path
from typing import Any

import click

from w2v_hs.checks import shown
from w2v_hs.cli import completion, show
from w2v_hs.cli.text_options import text_options
from w2v_hs.model.description import cell
from w2v_hs.options import COMBINE, Combine, Options, OutOfVocabulary


def _named(context: click.Context, parameter: click.Parameter, value: Any) -> Any:
    """No name may be empty: as a path it would be the current folder."""
    if "" in (value if isinstance(value, tuple) else (value,)):
        raise click.UsageError(f"{parameter.human_readable_name} has an empty name")
    return Path(value) if parameter.name == "model" else value


_model = click.argument("model", type=click.Path(), callback=_named)
_threads = click.option("--threads", type=int, help="Threads.  [default: one a core]")


@click.command()
@_model
@click.argument("words", nargs=-1, required=True, metavar="WORD...")
@click.option("-k", default=10, show_default=True, help="How many.")
@click.option(
    "--combine",
    type=click.Choice(COMBINE),
    default=COMBINE[0],
    show_default=True,
    help="Several words, skip-gram: predict from the mean of their inputs, or take the mean of the "
    "log-probabilities given each of them.",
)
@show.as_json
def predict(model: Path, words: tuple[str, ...], k: int, combine: Combine, json_out: bool) -> None:
    """Show the words that MODEL finds most probable near WORD.

    WORD may be several words. The probabilities are exact, and so is the choice.

    \b
    w2v-hs predict model.safetensors coffee
    w2v-hs predict model.safetensors new york -k 3
    """
    from w2v_hs.model import load

    loaded = load(model)
    found = loaded.top_k(list(words), k, combine=combine)
    if json_out:
        predictions = [{"word": word, "probability": p} for word, p in found]
        rows = len(loaded.outputs)
        show.print_json({"predictions": predictions, "visited": found.visited, "rows": rows})
        return
    table = show.table(f"probable near {' '.join(words)}", "word", "probability")
    for word, probability in found:
        table.add_row(show.plain(word), f"{probability:.4g}")
    show.console().print(table)
    click.echo(f"{found.visited:,} of {len(loaded.outputs):,} rows of output weights read")


@click.command()
@_model
@click.argument("text", nargs=-1, required=True, callback=_named, shell_complete=completion.texts)
@text_options
@_threads
@show.as_json
def perplexity(
    model: Path, text: tuple[str, ...], threads: int | None, json_out: bool, **preprocessing: Any
) -> None:
    """Measure how well MODEL predicts TEXT.

    MODEL should not have been trained on TEXT.

    TEXT is what 'w2v-hs train' takes. Every word is predicted from each word in its window
    (skip-gram) or from their mean (CBOW); words that MODEL does not know are left out and counted.
    Beside the loss stand those of what knows no context: the unigram frequencies of the training
    text (before and after subsampling), and the model before training.

    \b
    w2v-hs perplexity model.safetensors held-out.txt
    """
    from w2v_hs.model import load

    sources = [Path(source) for source in text]
    result = load(model).perplexity(sources, threads=threads, progress=True, **preprocessing)
    if json_out:
        show.print_json(result.as_dict())
        return
    table = show.table(f"{model} on {' '.join(text)}", "", "")
    names = {
        "nats": "nats a prediction",
        "perplexity": "perplexity",
        "pairs": "predictions",
        "tokens": "tokens",
        "oov": "unknown tokens, left out",
        "unigram": "unigram nats",
        "sampled": "unigram nats, subsampled",
        "untrained": "untrained nats",
    }
    for name, value in vars(result).items():
        figure = f"{value:,.4f}" if isinstance(value, float) else cell(value)
        table.add_row(names[name], figure)
    show.console().print(table)


@click.command()
@_model
@click.argument("text", callback=_named, shell_complete=completion.texts)
@click.option(
    "--oov",
    type=click.Choice(("skip", "error")),
    default="skip",
    show_default=True,
    help="What to do with words that MODEL does not know: leave them out, or stop.",
)
@text_options
@_threads
@show.as_json
def score(
    model: Path, text: str, oov: OutOfVocabulary, threads: int | None, json_out: bool,
    **preprocessing: Any,
) -> None:  # fmt: skip
    """Print each line of TEXT behind its score.

    The score is the mean log-probability of a prediction, in nats.

    TEXT is a file, a folder, a quoted pattern, '-' for standard input, or a named corpus. With
    --split-sentences each sentence has a line. A line without a prediction, as one of a single
    word, has '-' for a score (null in JSON). Characters that a terminal would obey are shown as
    escapes; --json gives every line as it is.

    \b
    w2v-hs score model.safetensors sentences.txt
    echo "paris is the capital of france" | w2v-hs score model.safetensors -
    """
    from w2v_hs.model import load
    from w2v_hs.model.scoring import score_sentences
    from w2v_hs.options import Preprocessing
    from w2v_hs.text.blocks import read_lines
    from w2v_hs.text.sources import find_sources

    scorer, cleaned = load(model).scorer, Preprocessing(**preprocessing)
    cores = Options(threads=threads).resolved().threads
    lines = [
        line
        for source in find_sources(text, cleaned.text_column)
        for line in read_lines(source, cleaned)
    ]
    scores = score_sentences(scorer, lines, oov, cores)
    means = [None if mean != mean else mean for mean in scores.means.tolist()]
    if json_out:
        rows = zip(lines, means, scores.pairs.tolist(), scores.oov.tolist(), strict=True)
        names = ("text", "score", "pairs", "oov")
        show.print_json([dict(zip(names, row, strict=True)) for row in rows])
        return
    for line, mean in zip(lines, means, strict=True):
        click.echo(f"{'-' if mean is None else f'{mean:.4f}':>9}  {shown(line, len(line))}")
    if unknown := int(scores.oov.sum()):
        click.echo(f"unknown tokens, left out: {unknown:,}", err=True)

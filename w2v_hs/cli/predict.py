"""The commands that ask a model for probabilities: `predict`, `perplexity`, `score`."""

from pathlib import Path
from typing import Any

import click

from w2v_hs.checks import shown
from w2v_hs.cli import parameters, show
from w2v_hs.formatting import cell
from w2v_hs.options import COMBINE, Combine, Options, OutOfVocabulary

_PERPLEXITY_ROWS = {
    "nats": "loss, nats per prediction",
    "perplexity": "perplexity, exp(loss)",
    "pairs": "predictions",
    "tokens": "tokens",
    "oov": "unknown tokens, left out",
    "unigram": "loss of unigram frequencies",
    "sampled": "loss of subsampled unigram frequencies",
    "untrained": "loss of the untrained model",
}


@click.command()
@parameters.model_argument
@click.argument("words", nargs=-1, required=True, metavar="WORD...")
@click.option("-k", default=10, show_default=True, help="Number of words.")
@click.option("--exclude", multiple=True, metavar="WORD", help="A word to leave out. Can be repeated.")
@click.option(
    "--combine",
    type=click.Choice(COMBINE),
    default=COMBINE[0],
    show_default=True,
    help="For several words and skip-gram: predict from the mean of their input vectors, or "
    "average the log-probabilities given each word.",
)
@parameters.json_option
def predict(
    model: Path, words: tuple[str, ...], k: int, exclude: tuple[str, ...], combine: Combine, json_out: bool
) -> None:
    """Show the words that MODEL predicts near WORD.

    They come after WORD if MODEL was trained with --side left. WORD may be several words. The
    search is exact: these are the most probable of all words, with their exact probabilities.

    \b
    w2v-hs predict model.safetensors coffee
    w2v-hs predict model.safetensors new york -k 3
    w2v-hs predict model.safetensors coffee --exclude the --exclude of
    """
    from w2v_hs.model import load

    loaded = load(model)
    found = loaded.top_k(list(words), k, exclude=exclude, combine=combine)
    if json_out:
        predictions = [{"word": word, "probability": p} for word, p in found]
        rows = len(loaded.outputs)
        show.print_json({"predictions": predictions, "visited": found.visited, "rows": rows})
        return
    where = {"left": "after", "right": "before", "both": "near"}[loaded.options.side]
    table = show.table(f"probable {where} {' '.join(words)}", "word", "probability")
    for word, probability in found:
        table.add_row(show.plain(word), f"{probability:.4g}")
    show.console().print(table)
    visited = f"{found.visited:,} of {len(loaded.outputs):,}"
    kind = "words" if loaded.tree is None else "inner nodes of the tree"
    click.echo(f"exact: visited {visited} {kind}; no other can lead to a more probable word")


@click.command()
@parameters.model_argument
@parameters.texts_argument
@parameters.preprocessing_options
@parameters.threads_option
@parameters.json_option
def perplexity(
    model: Path, text: tuple[str, ...], threads: int | None, json_out: bool, **preprocessing: Any
) -> None:
    """Measure how well MODEL predicts TEXT.

    Use a TEXT on which MODEL was not trained.

    TEXT is as in 'w2v-hs train', and is prepared as the text of MODEL was. Every word is predicted
    from each word in its window (skip-gram) or from their mean (CBOW). Words unknown to MODEL are
    left out and counted. For comparison, the table gives the loss of predictors that ignore the
    context: the unigram frequencies of the training text, before and after subsampling, and the
    untrained model.

    \b
    w2v-hs perplexity model.safetensors held-out.txt
    """
    from w2v_hs.model import load

    sources = [Path(source) for source in text]
    loaded = load(model)
    result = loaded.perplexity(sources, threads=threads, progress=True, **preprocessing)
    if json_out:
        show.print_json(result.as_dict())
        return
    table = show.table(f"{model} on {' '.join(text)}", "", "")
    for name, value in vars(result).items():
        figure = f"{value:,.4f}" if isinstance(value, float) else cell(value)
        table.add_row(_PERPLEXITY_ROWS[name], figure)
    show.console().print(table)
    if result.nats > result.unigram and loaded.options.sample:
        click.echo(
            "above the loss of unigram frequencies: the model learned from subsampled text; if you want "
            "probabilities, train with --sample 0"
        )


@click.command()
@parameters.model_argument
@click.argument("text", type=parameters.NAME, shell_complete=parameters.complete_texts)
@click.option(
    "--oov",
    type=click.Choice(("skip", "error")),
    default="skip",
    show_default=True,
    help="How to handle words unknown to MODEL: leave them out, or stop.",
)
@parameters.preprocessing_options
@parameters.threads_option
@parameters.json_option
def score(
    model: Path, text: str, oov: OutOfVocabulary, threads: int | None, json_out: bool, **preprocessing: Any
) -> None:
    """Print each line of TEXT, preceded by its score.

    The score is the mean log-probability of its predictions, in nats.

    TEXT is a file, a folder, a quoted pattern, '-' for standard input, or a named corpus, and is
    prepared as the text of MODEL was. With --split-sentences each sentence is a line. A line
    without predictions, such as a single word, has the score '-' (null in JSON). Control characters
    are escaped for the terminal; --json prints every line unchanged.

    \b
    w2v-hs score model.safetensors sentences.txt
    echo "paris is the capital of france" | w2v-hs score model.safetensors -
    """
    from w2v_hs.model import load
    from w2v_hs.model.scoring import score_sentences
    from w2v_hs.text.blocks import read_lines
    from w2v_hs.text.sources import find_sources

    loaded = load(model)
    cleaning = loaded.preprocessing_of(text, **preprocessing)
    cores = Options(threads=threads).resolved().threads
    sources = find_sources(text, cleaning.text_column, cleaning.encoding)
    lines = [line for source in sources for line in read_lines(source, cleaning)]
    scores = score_sentences(loaded.scorer, lines, oov, cores)
    means = [None if mean != mean else mean for mean in scores.means.tolist()]  # NaN: no prediction
    if json_out:
        rows = zip(lines, means, scores.pairs.tolist(), scores.oov.tolist(), strict=True)
        names = ("text", "score", "pairs", "oov")
        show.print_json([dict(zip(names, row, strict=True)) for row in rows])
        return
    for line, mean in zip(lines, means, strict=True):
        click.echo(f"{'-' if mean is None else f'{mean:.4f}':>9}  {shown(line, len(line))}")
    if unknown := int(scores.oov.sum()):
        click.echo(f"unknown tokens, left out: {unknown:,}", err=True)

"""The commands for a model or a vector file: `info`, `neighbors`, `analogy`, `export`."""

import os
from pathlib import Path
from typing import Any

import click

from w2v_hs.checks import shown
from w2v_hs.cli import parameters, show
from w2v_hs.errors import UnknownWordError
from w2v_hs.files.outputs import reserved
from w2v_hs.formatting import cell, flat

_vectors_argument = click.argument("vectors", type=parameters.FILE)
_LABELS = 10  # of a classifier that are shown
_k_option = click.option("-k", default=10, show_default=True, help="Number of words.")


@click.command()
@parameters.model_argument
@parameters.json_option
def info(model: Path, json_out: bool) -> None:
    """Show options, corpus, counts, tree and losses of MODEL.

    MODEL may also be a text classifier, of 'classify train'.

    \b
    w2v-hs info model.safetensors
    w2v-hs info model.safetensors --json
    """
    from w2v_hs.classifier.text import file as classifiers
    from w2v_hs.files.container import holds_array
    from w2v_hs.model import load

    is_classifier = holds_array(model, "labels.words.bytes")
    summary = (classifiers.load if is_classifier else load)(model).summary()
    if json_out:
        show.print_json(summary)
        return
    table = show.table(str(model), "", "")
    if is_classifier:
        labels = summary["labels"]
        table.add_row("kind", summary["kind"])
        names = ", ".join(map(str, labels[:_LABELS])) + ", …" * (len(labels) > _LABELS)
        table.add_row("labels", show.plain(f"{len(labels):,}: {names}"))
    for part in ("options", "vocabulary", "tree"):
        for name, value in (summary[part] or {}).items():
            table.add_row(f"{part} {name}", show.plain(cell(value)))
    table.add_row("loss by epoch", " ".join(cell(loss) for loss in summary["losses"]))
    if summary.get("holdout_losses"):
        losses = " ".join(cell(loss) for loss in summary["holdout_losses"])
        table.add_row("loss of the holdout by epoch", losses)
    for name, value in summary["provenance"].items():
        for heading, fact in flat(name, value):
            table.add_row(show.plain(heading), show.plain(fact))
    show.console().print(table)


@click.command()
@_vectors_argument
@click.argument("words", metavar="WORD...", nargs=-1, required=True)
@_k_option
@parameters.format_option
@parameters.json_option
@click.pass_context
def neighbors(
    ctx: click.Context,
    /,
    vectors: Path,
    words: tuple[str, ...],
    k: int,
    json_out: bool,
    format_name: str | None,
) -> None:
    """Show the words nearest to each WORD by cosine.

    VECTORS is a model or a vector file. With subwords, WORD may be one that was never seen. Several
    words give a table each; as JSON, an object with a list for each. Unknown words are an error,
    reported after the tables of the others.

    \b
    w2v-hs neighbors model.safetensors paris
    w2v-hs neighbors model.safetensors paris berlin
    w2v-hs neighbors vectors.bin paris -k 3 --json
    """
    from w2v_hs.vectors.formats import load_vectors

    known = load_vectors(vectors, format=format_name)
    found, faults = {}, []
    for word in words:
        try:
            found[word] = known.most_similar(word, k=k)
        except UnknownWordError as error:
            faults.append(error)
    for word in found:
        if word not in known:
            lower = f", but {shown(word.lower())} is" if known.knows_lower_case_of(word) else ""
            message = f"{shown(word)} is not in the vocabulary{lower}; its vector is that of its n-grams"
            click.echo(message, err=True)
    if json_out and found:
        lists = {word: show.words_as_json(near) for word, near in found.items()}
        show.print_json(lists if len(words) > 1 else lists[words[0]])
    else:
        for word, near in found.items():
            show.print_words(f"nearest to {word}", near)
    show.end(ctx, faults)


@click.command()
@_vectors_argument
@click.argument("a")
@click.argument("b")
@click.argument("c")
@_k_option
@parameters.format_option
@parameters.json_option
def analogy(vectors: Path, a: str, b: str, c: str, k: int, json_out: bool, format_name: str | None) -> None:
    """Answer "A is to B as C is to ?".

    The answers are the words nearest to B - A + C. VECTORS is a model or a vector file.

    \b
    w2v-hs analogy model.safetensors paris france berlin
    """
    from w2v_hs.vectors.formats import load_vectors

    found = load_vectors(vectors, format=format_name).analogy(a, b, c, k=k)
    if json_out:
        show.print_json(show.words_as_json(found))
    else:
        show.print_words(f"{a} is to {b} as {c} is to", found)


@click.command()
@parameters.model_argument
@click.argument("output", type=parameters.FILE)
@click.option(
    "--format",
    "format_name",
    type=click.Choice(parameters.FORMAT_NAMES),
    help="Format of OUTPUT, if its suffix does not tell; projector and sentence-transformers write a folder.",
)
@click.option(
    "--from-format",
    type=click.Choice(parameters.FORMAT_NAMES),
    help="Format of MODEL, if its suffix does not tell.",
)
@click.option(
    "--top",
    type=int,
    help="Write only this many words, the most frequent first; for inner nodes, the heaviest.",
)
@click.option("--normalize", is_flag=True, help="Scale each vector to length 1.")
@click.option("--float16", is_flag=True, help="Round values to half precision.")
@click.option(
    "--no-subwords",
    is_flag=True,
    help="With --format fasttext: leave out the vectors of n-grams. No other format holds them.",
)
@click.option(
    "--weights",
    type=click.Choice(("input", "output")),
    default="input",
    show_default=True,
    help="output: the output vectors of a model, those of the full softmax or of the tree's inner "
    "nodes, named node:BITS.",
)
def export(
    model: Path,
    output: Path,
    format_name: str | None,
    from_format: str | None,
    weights: str,
    no_subwords: bool,
    **options: Any,
) -> None:
    """Write the vectors of MODEL to OUTPUT.

    MODEL may also be a vector file or folder.

    .txt, .vec: word2vec text. .bin: word2vec binary; with --format fasttext a model of fastText.
    .glove: GloVe text. .npz: NumPy. .safetensors: vectors and words. .parquet, .arrow, .feather: a
    table, with the extra 'parquet' installed.

    \b
    w2v-hs export model.safetensors vectors.txt --top 10000 --normalize
    w2v-hs export model.safetensors folder --format sentence-transformers
    w2v-hs export model.safetensors vectors.bin --format fasttext
    """
    from w2v_hs.model import load
    from w2v_hs.vectors.formats import load_vectors, save_vectors

    if weights == "output" and from_format is not None:
        raise click.UsageError("--from-format with --weights output: only models have those")
    files = [] if os.path.isdir(output) else [output]  # noqa: PTH112 (a folder is never replaced)
    with reserved(files, [model]):
        if weights == "output":
            vectors = load(model).output_vectors()
        else:
            vectors = load_vectors(model, format=from_format)
        save_vectors(vectors, output, format=format_name, subwords=not no_subwords, **options)
    rows = min(len(vectors), options["top"] or len(vectors))
    click.echo(f"wrote {rows:,} vectors of length {vectors.dim} to {shown(output)}", err=True)

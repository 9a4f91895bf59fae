"""The commands for a model or a file of vectors: `info`, `neighbors`, `analogy`, `export`."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from w2v_hs.checks import shown
from w2v_hs.cli import show
from w2v_hs.model.description import cell, flat

if TYPE_CHECKING:
    from w2v_hs.vectors.vectors import Vectors

FORMAT_NAMES = (
    "word2vec-text",
    "word2vec-binary",
    "glove",
    "npz",
    "safetensors",
    "parquet",
    "arrow",
    "projector",
    "sentence-transformers",
)
in_format = click.option(
    "--format",
    "format_name",
    type=click.Choice(FORMAT_NAMES),
    help="Format of a file of vectors whose suffix does not say it.",
)


def read_vectors(path: Path, format_name: str | None = None) -> "Vectors":
    """Vectors of a model, or of a file or folder in any format that can be read."""
    from w2v_hs.vectors.formats import load_vectors

    return load_vectors(path, format=format_name)


@click.command()
@click.argument("model", type=click.Path(path_type=Path))
@show.as_json
def info(model: Path, json_out: bool) -> None:
    """Show options, corpus, counts, tree and figures of MODEL.

    \b
    w2v-hs info model.safetensors
    w2v-hs info model.safetensors --json
    """
    from w2v_hs.model import load

    summary = load(model).summary()
    if json_out:
        show.print_json(summary)
        return
    table = show.table(str(model), "", "")
    for part in ("options", "vocabulary", "tree"):
        for name, value in (summary[part] or {}).items():
            table.add_row(f"{part} {name}", show.plain(cell(value)))
    table.add_row("loss by epoch", " ".join(cell(loss) for loss in summary["losses"]))
    if summary["holdout_losses"]:
        losses = " ".join(cell(loss) for loss in summary["holdout_losses"])
        table.add_row("loss of the holdout by epoch", losses)
    for name, value in summary["provenance"].items():
        for heading, fact in flat(name, value):
            table.add_row(show.plain(heading), show.plain(fact))
    show.console().print(table)


@click.command()
@click.argument("vectors", type=click.Path(path_type=Path))
@click.argument("word")
@click.option("-k", default=10, show_default=True, help="How many.")
@in_format
@show.as_json
def neighbors(vectors: Path, word: str, k: int, json_out: bool, format_name: str | None) -> None:
    """Show the words nearest to WORD by cosine.

    VECTORS is a model or a file of vectors.

    \b
    w2v-hs neighbors model.safetensors paris
    w2v-hs neighbors vectors.bin paris -k 3 --json
    """
    found = read_vectors(vectors, format_name).most_similar(word, k=k)
    show.print_words(f"nearest to {word}", found, json_out)


@click.command()
@click.argument("vectors", type=click.Path(path_type=Path))
@click.argument("a")
@click.argument("b")
@click.argument("c")
@click.option("-k", default=10, show_default=True, help="How many.")
@in_format
@show.as_json
def analogy(
    vectors: Path, a: str, b: str, c: str, k: int, json_out: bool, format_name: str | None
) -> None:
    """Answer "A is to B as C is to ?".

    The answers are the words nearest to B - A + C. VECTORS is a model or a file of vectors.

    \b
    w2v-hs analogy model.safetensors paris france berlin
    """
    found = read_vectors(vectors, format_name).analogy(a, b, c, k=k)
    show.print_words(f"{a} is to {b} as {c} is to", found, json_out)


@click.command()
@click.argument("model", type=click.Path(path_type=Path))
@click.argument("output", type=click.Path(path_type=Path))
@click.option(
    "--format",
    "format_name",
    type=click.Choice(FORMAT_NAMES),
    help="Where the suffix of OUTPUT does not say it; projector and sentence-transformers make a "
    "folder.",
)
@click.option("--from-format", type=click.Choice(FORMAT_NAMES), help="The same of MODEL.")
@click.option(
    "--top", type=int, help="Only this many words, the most frequent; of inner nodes, the heaviest."
)
@click.option("--normalize", is_flag=True, help="Scale each vector to length 1.")
@click.option("--float16", is_flag=True, help="Round values to half precision.")
@click.option(
    "--weights",
    type=click.Choice(("input", "output")),
    default="input",
    show_default=True,
    help="output: of a model, the vectors of the full softmax, or of the tree's inner nodes, "
    "named node:BITS.",
)
def export(
    model: Path,
    output: Path,
    format_name: str | None,
    from_format: str | None,
    weights: str,
    **options: Any,
) -> None:
    """Write the vectors of MODEL to OUTPUT.

    MODEL may be a file or folder of vectors, too.

    .txt, .vec: word2vec text. .bin: word2vec binary. .glove: GloVe text. .npz: NumPy. .safetensors:
    vectors and words. .parquet, .arrow, .feather: a table, with the extra 'parquet' installed.

    \b
    w2v-hs export model.safetensors vectors.txt --top 10000 --normalize
    w2v-hs export model.safetensors folder --format sentence-transformers
    """
    from w2v_hs.model import load
    from w2v_hs.vectors.formats import save_vectors

    show.check_distinct([output], [model])
    if weights == "output":
        if from_format is not None:
            raise click.UsageError("--from-format with --weights output: only models have those")
        vectors = load(model).output_vectors()
    else:
        vectors = read_vectors(model, from_format)
    save_vectors(vectors, output, format=format_name, **options)
    rows = min(len(vectors), options["top"] or len(vectors))
    click.echo(f"wrote {rows:,} vectors of length {vectors.dim} to {shown(output)}", err=True)

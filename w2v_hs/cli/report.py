"""The command that makes a page on a model: `report`."""

from pathlib import Path

import click

from w2v_hs.checks import shown
from w2v_hs.cli import show
from w2v_hs.cli.vectors import in_format, read_vectors

PROJECTIONS = ("pca", "tsne", "umap")


@click.command()
@click.argument("model", type=click.Path(path_type=Path))
@click.option(
    "-o",
    "--output",
    required=True,
    type=click.Path(path_type=Path),
    help="The page, an .html file.",
)
@click.option(
    "--words",
    default=10_000,
    show_default=True,
    type=click.IntRange(min=1),
    help="How many of the most frequent words to show.",
)
@click.option(
    "--projection",
    type=click.Choice(PROJECTIONS),
    default="pca",
    show_default=True,
    help="Of the map: tsne needs scikit-learn, umap needs umap-learn.",
)
@click.option(
    "--analogies",
    multiple=True,
    help="Questions: 'google' or a file. Can be repeated.  [default: google]",
)
@click.option(
    "--similarity",
    multiple=True,
    help="Rated pairs: 'wordsim353', 'simlex999' or a file. Can be repeated.  [default: both]",
)
@in_format
def report(
    model: Path,
    output: Path,
    words: int,
    projection: str,
    analogies: tuple[str, ...],
    similarity: tuple[str, ...],
    format_name: str | None,
) -> None:
    """Write a page on MODEL for a browser.

    It needs no network. On it are losses, evaluation with intervals, a map of the words with search
    and neighbours, the tree, the options and where the model comes from; for a file of vectors what
    there is of it. With --analogies or --similarity the page measures only what they name.

    \b
    w2v-hs report model.safetensors -o report.html
    w2v-hs report vectors.bin -o report.html --words 2000
    """
    from w2v_hs.files.atomic import check_writable
    from w2v_hs.model import load
    from w2v_hs.report.report import write_report

    if output.suffix.lower() not in (".html", ".htm"):
        raise click.UsageError(f"{output}: the name of a page must end in .html")
    check_writable(output)
    show.check_distinct([output], [model, *map(Path, (*analogies, *similarity))])
    is_model = model.suffix == ".safetensors" and format_name is None
    sets = (analogies, similarity) if analogies or similarity else (None, None)
    write_report(
        load(model) if is_model else read_vectors(model, format_name),
        output,
        title=model.name,
        words=words,
        projection=projection,
        analogies=sets[0],
        similarity=sets[1],
        progress=True,
    )
    click.echo(f"wrote {shown(output)}: {output.stat().st_size / 1e6:.1f} MB", err=True)

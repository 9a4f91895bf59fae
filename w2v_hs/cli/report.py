"""The command `report`: a page about a model, for a browser."""

from pathlib import Path

import click

from w2v_hs.checks import shown
from w2v_hs.cli import parameters
from w2v_hs.files.outputs import check_distinct

PROJECTIONS = ("pca", "tsne", "umap")  # of `reporting.word_map`, which imports NumPy


@click.command()
@parameters.model_argument
@click.option("-o", "--output", required=True, type=parameters.FILE, help="The page to write, an .html file.")
@click.option(
    "--words",
    default=10_000,
    show_default=True,
    type=click.IntRange(min=1),
    help="Number of words to show, the most frequent first.",
)
@click.option(
    "--projection",
    type=click.Choice(PROJECTIONS),
    help="Projection of the word map: tsne (openTSNE, in the extra 'report') and umap (umap-learn) keep "
    "neighbours together; pca shows the directions of largest variance.  [default: tsne if "
    "installed, else pca]",
)
@parameters.test_set_options
@parameters.format_option
def report(
    model: Path,
    output: Path,
    words: int,
    projection: str | None,
    analogies: tuple[str, ...],
    similarity: tuple[str, ...],
    format_name: str | None,
) -> None:
    """Write an HTML report on MODEL.

    The page works offline. It shows losses, evaluation with intervals, a word map with search and
    neighbours, the tree, the options and the provenance of the model. MODEL may also be a vector
    file, which gives a page without the parts that need a model. With --analogies or --similarity
    the page shows results only for the sets they name.

    \b
    w2v-hs report model.safetensors -o report.html
    w2v-hs report vectors.bin -o report.html --words 2000
    """
    from w2v_hs.model import load
    from w2v_hs.reporting.content import report as write_report
    from w2v_hs.vectors.formats import load_vectors

    if output.suffix.lower() not in (".html", ".htm"):
        raise click.UsageError(f"{output}: the name of a page must end in .html")
    check_distinct([output], [model])
    is_model = model.suffix == ".safetensors" and format_name is None
    chosen = (analogies, similarity) if analogies or similarity else (None, None)
    write_report(
        load(model) if is_model else load_vectors(model, format=format_name),
        output,
        title=model.name,
        words=words,
        projection=projection,
        analogies=chosen[0],
        similarity=chosen[1],
        progress=True,
    )
    click.echo(f"wrote {shown(output)}: {output.stat().st_size / 1e6:.1f} MB", err=True)

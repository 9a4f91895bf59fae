"""The command `report`: a page about a model or two, for a browser."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

from w2v_hs.checks import shown
from w2v_hs.cli import parameters
from w2v_hs.files.outputs import check_distinct

if TYPE_CHECKING:
    from w2v_hs.model import Model
    from w2v_hs.vectors import Vectors

PROJECTIONS = ("pca", "tsne", "umap")  # of `reporting.word_map`, which imports NumPy


@click.command()
@parameters.model_argument
@click.argument("new", required=False, type=parameters.FILE)
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
    new: Path | None,
    output: Path,
    words: int,
    projection: str | None,
    analogies: tuple[str, ...],
    similarity: tuple[str, ...],
    format_name: str | None,
) -> None:
    """Write an HTML report on MODEL, or on change from it to NEW.

    The page works offline. It shows losses, evaluation with intervals, a word map with search and
    neighbours, the tree, the options and the provenance of the model. MODEL may also be a vector
    file, which gives a page without the parts that need a model. With --analogies or --similarity
    the page shows results only for the sets they name.

    With NEW, a model of another text, the page shows what 'shift' finds: the words that changed
    most, where they moved on a map of both models, and the neighbours of each word then and now.
    Both may be folders of runs. 'shift --page' writes this page, too, with the options of 'shift'.

    \b
    w2v-hs report model.safetensors -o report.html
    w2v-hs report vectors.bin -o report.html --words 2000
    w2v-hs report old.safetensors new.safetensors -o change.html
    """
    from w2v_hs.comparison.sides import read_runs
    from w2v_hs.reporting.content import report as write_report

    parameters.check_page_name(output)
    check_distinct([output], [model] if new is None else [model, new])
    chosen: tuple[tuple[str, ...] | None, ...] = (analogies or None, similarity or None)
    if new is None and any(chosen):  # only the sets that are named
        chosen = analogies, similarity
    write_report(
        _read(model, format_name) if new is None else read_runs([model], format_name),
        output,
        new=None if new is None else read_runs([new], format_name),
        title=model.name if new is None else f"{model.name} → {new.name}",
        words=words,
        projection=projection,
        analogies=chosen[0],
        similarity=chosen[1],
        progress=True,
    )
    click.echo(f"wrote {shown(output)}: {output.stat().st_size / 1e6:.1f} MB", err=True)


def _read(path: Path, format_name: str | None) -> "Model | Vectors":
    """A model or vectors; a file that looks like a model must be a whole one."""
    from w2v_hs.model import load
    from w2v_hs.vectors import load_vectors

    is_model = path.suffix == ".safetensors" and format_name is None
    return load(path) if is_model else load_vectors(path, format=format_name)

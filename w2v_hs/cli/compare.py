"""The commands that compare models: `align`, `shift` and `stability`."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import click

from w2v_hs.checks import shown
from w2v_hs.cli import parameters, show
from w2v_hs.files.outputs import check_distinct, reserved

_show_option = click.option(
    "--show",
    "count",
    type=click.IntRange(min=0),
    default=20,
    show_default=True,
    help="Without WORDs, the number of words to show; 0 for all.",
)


@click.command()
@click.argument("old", type=parameters.FILE)
@click.argument("new", type=parameters.FILE)
@click.option(
    "-o",
    "--output",
    required=True,
    type=parameters.FILE,
    help="File to write: a model if NEW is one and the suffix is .safetensors, else vectors.",
)
@click.option(
    "--weight",
    type=click.Choice(("none", "frequency")),
    default="none",
    show_default=True,
    help="How much each word counts in the fit; frequency needs two models.",
)
@click.option(
    "--centre", is_flag=True, help="Subtract the mean vectors in the fit. OUTPUT is rotated, not shifted."
)
@click.option(
    "--iterate",
    default=0,
    show_default=True,
    help="Repeat the fit this many times, without the tenth of the words that moved most.",
)
@parameters.format_option
@parameters.json_option
def align(
    old: Path, new: Path, output: Path, format_name: str | None, json_out: bool, **options: Any
) -> None:
    """Rotate NEW onto OLD and show the fit.

    OLD and NEW are models or vector files. Two runs have axes of their own; after the rotation that
    brings their shared words closest (orthogonal Procrustes), vectors of the same word can be
    compared. A rotated model keeps its probabilities.

    \b
    w2v-hs align old.safetensors new.safetensors -o new-aligned.safetensors
    w2v-hs align old.safetensors new.safetensors -o aligned.bin --weight frequency --iterate 2
    """
    from w2v_hs import comparison
    from w2v_hs.comparison.sides import read_side, vectors_of
    from w2v_hs.comparison.tables import print_alignment
    from w2v_hs.model import Model
    from w2v_hs.vectors import save_vectors

    with reserved([output], [old, new]):
        found = comparison.align(read_side(old, format_name), read_side(new, format_name), **options)
        if isinstance(found.aligned, Model) and output.suffix.lower() == ".safetensors":
            found.aligned.save(output)
        else:
            save_vectors(vectors_of(found.aligned), output)
    if json_out:
        show.print_json(found.as_dict())
    else:
        print_alignment(found, show.console())
    click.echo(f"wrote {shown(output)}", err=True)


@click.command()
@click.argument("old", type=parameters.FILE)
@click.argument("new", type=parameters.FILE)
@click.argument("words", metavar="[WORD]...", nargs=-1)
@click.option(
    "--old",
    "more_old",
    multiple=True,
    type=parameters.FILE,
    help="Another run of the text of OLD, with another seed. Can be repeated.",
)
@click.option(
    "--new",
    "more_new",
    multiple=True,
    type=parameters.FILE,
    help="Another run of the text of NEW. Can be repeated.",
)
@click.option(
    "--by",
    type=click.Choice(("overlap", "distance")),
    default="overlap",
    show_default=True,
    help="What ranks: the share of neighbours that stayed, or the distance after alignment.",
)
@click.option("--raw", is_flag=True, help="Rank by the figure itself, whatever the frequency of the word.")
@click.option(
    "--top",
    default=10_000,
    show_default=True,
    help="Rank only this many shared words, the most frequent; 0 for all.",
)
@click.option(
    "--min-count",
    type=int,
    help="Rank only words that occur this often in both texts. Not for files of vectors and models "
    "trained against a compass: they hold no counts of their text.  [default: 100]",
)
@click.option(
    "--neighbors",
    type=int,
    help="Nearest neighbours of a word that are compared.  [default: 1000, at most a tenth of "
    "the candidates]",
)
@click.option(
    "--candidates",
    default=10_000,
    show_default=True,
    help="Neighbours come from this many shared words, the most frequent.",
)
@_show_option
@click.option(
    "-k", default=10, show_default=True, help="Number of neighbours to show of each WORD, if any is given."
)
@click.option("--confidence", default=0.95, show_default=True, help="Confidence level of all intervals.")
@click.option("--seed", default=1, show_default=True, help="Random seed of bootstrap and control.")
@click.option(
    "--control",
    default=0,
    show_default=True,
    help="Train both models again this many times, on their texts with the documents shuffled between "
    "the two, for p values. OLD and NEW are then models.",
)
@click.option(
    "--shuffle",
    type=click.Choice(("sentences", "files")),
    default="sentences",
    show_default=True,
    help="The documents of the control.",
)
@click.option(
    "--texts",
    nargs=2,
    type=parameters.NAME,
    metavar="OLD NEW",
    help="The texts of the models, for the control, if they have moved.",
)
@click.option(
    "--page",
    type=parameters.FILE,
    help="Also write what is found as an HTML page with a map, as 'report OLD NEW' does.",
)
@parameters.format_option
@parameters.json_option
@click.pass_context
def shift(
    ctx: click.Context,
    /,
    old: Path,
    new: Path,
    words: tuple[str, ...],
    more_old: tuple[Path, ...],
    more_new: tuple[Path, ...],
    format_name: str | None,
    json_out: bool,
    count: int,
    texts: tuple[str, str] | None,
    page: Path | None,
    **options: Any,
) -> None:
    """Show which words changed between two texts.

    OLD and NEW are models or vector files, one of each text, or folders of several runs, such as
    'train --keep-replicas' writes. With WORDs: their neighbours then and now. Unknown words are an
    error, reported after the tables of the others.

    overlap is the share of a word's nearest neighbours that stayed the same; distance is 1 - cosine
    of its two vectors after NEW is rotated onto OLD. Rare words move more by chance, so each figure
    is followed by the usual one, the median of words of similar frequency, and words rank by the
    difference. With further runs, figures are means, with intervals for the noise of training.
    With --control, p is the share of words that change as much, for their frequency, where the
    documents are shuffled between the texts, and q is p adjusted for the number of words.

    \b
    w2v-hs shift old.safetensors new.safetensors
    w2v-hs shift old.safetensors new.safetensors king dog
    w2v-hs shift old.safetensors new.safetensors --new new-2.safetensors --by distance --json
    w2v-hs shift old.safetensors new.safetensors --control 5
    w2v-hs shift old.safetensors new.safetensors --control 5 --page change.html
    """
    from w2v_hs import comparison
    from w2v_hs.comparison.sides import read_runs, word_faults
    from w2v_hs.comparison.tables import print_shift
    from w2v_hs.reporting.change import change_page
    from w2v_hs.reporting.content import write_page
    from w2v_hs.reporting.figures import bokeh

    if words:
        _refuse(ctx, "count", "--show with WORDs: all of them are shown")
    else:
        _refuse(ctx, "k", "-k without WORDs: neighbours are shown of WORDs alone")
    places = texts and (Path(texts[0]), Path(texts[1]))
    files = (old, *more_old), (new, *more_new)
    if page is not None:
        parameters.check_page_name(page)
        bokeh()  # before a control trains for hours
    with reserved([page], [*files[0], *files[1], *(places or ())]):
        before, after = (read_runs(paths, format_name) for paths in files)
        check_distinct([page], _texts([*before, *after]))
        faults = word_faults(words, {"old": before, "new": after})
        known = _known(ctx, words, faults)
        found = comparison.shift(before, after, known or None, texts=places, progress=True, **options)
        if page is not None:
            title = f"{old.name} → {new.name}"
            write_page(page, partial(change_page, before, after, found, title), progress=True)
    _print(found, print_shift, 0 if words else count, json_out)
    if page is not None:
        click.echo(f"wrote {shown(page)}: {page.stat().st_size / 1e6:.1f} MB", err=True)
    show.end(ctx, faults.values())


def _texts(runs: list[Any]) -> list[str]:
    """The names of the texts of models; vectors have none."""
    facts = [getattr(run, "provenance", {}).get("corpus", {}) for run in runs]
    return [name for each in facts for name in each.get("names", ())]


@click.command()
@click.argument("runs", type=parameters.FILE)
@click.argument("words", metavar="[WORD]...", nargs=-1)
@click.option(
    "--run",
    "more",
    multiple=True,
    type=parameters.FILE,
    help="Another run of the same text, or a folder of them. Can be repeated.",
)
@click.option("-k", default=10, show_default=True, help="Number of neighbours of each word.")
@click.option(
    "--top",
    default=1000,
    show_default=True,
    help="Take the mean over this many words, the most frequent; 0 for all.",
)
@click.option(
    "--candidates",
    default=10_000,
    show_default=True,
    help="Neighbours come from this many words, the most frequent.",
)
@_show_option
@click.option("--confidence", default=0.95, show_default=True, help="Confidence level of all intervals.")
@parameters.format_option
@parameters.json_option
@click.pass_context
def stability(
    ctx: click.Context,
    /,
    runs: Path,
    words: tuple[str, ...],
    more: tuple[Path, ...],
    format_name: str | None,
    json_out: bool,
    count: int,
    **options: Any,
) -> None:
    """Show how far several runs of one text agree.

    RUNS is a folder of models or vector files, such as 'train --keep-replicas' writes; or a single
    one, and --run the others. Without WORDs, the most frequent words are shown.

    Neighbours are those of highest mean cosine, each with the number of runs that have it among
    their own nearest. With WORDs, cosines have intervals, also those of all pairs of WORDs: one for
    the mean over endlessly many such runs, one for a single further run. Unknown words are an
    error, reported after the tables of the others.

    \b
    w2v-hs stability m-replicas/
    w2v-hs stability m-replicas/ king queen
    w2v-hs stability m.safetensors --run m2.safetensors -k 5 --json
    """
    from w2v_hs import comparison
    from w2v_hs.comparison.sides import named_runs, run_files, word_faults
    from w2v_hs.comparison.tables import print_stability
    from w2v_hs.vectors import load_vectors

    if words:
        _refuse(ctx, "count", "--show with WORDs: all of them are shown")
    files = [file for path in (runs, *more) for file in run_files(path)]
    vectors = [load_vectors(file, format=format_name) for file in files]
    faults = word_faults(words, named_runs(vectors))
    known = _known(ctx, words, faults)
    found = comparison.stability(vectors, known or None, **options)
    _print(found, print_stability, 0 if words else count, json_out)
    show.end(ctx, faults.values())


def _known(ctx: click.Context, words: Sequence[str], faults: dict[str, str]) -> list[str]:
    """The WORDs without a fault; if there are WORDs but none of these, exit."""
    known = [word for word in words if word not in faults]
    if words and not known:
        show.end(ctx, faults.values())
    return known


def _refuse(ctx: click.Context, name: str, why: str) -> None:
    """Refuse an option that was given and would be ignored."""
    if ctx.get_parameter_source(name) is click.core.ParameterSource.COMMANDLINE:
        raise click.UsageError(f"{why}; leave it out")


def _print(found: Any, as_tables: Callable[[Any, Any], None], count: int, json_out: bool) -> None:
    """Print a result; count: how many of its words, 0 for all."""
    if count:
        found = replace(found, words=found.words[:count])
    if json_out:
        show.print_json(found.as_dict())
    else:
        as_tables(found, show.console())

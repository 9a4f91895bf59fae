"""The commands that compare two models: `align` and `shift`."""

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from w2v_hs.checks import shown
from w2v_hs.cli import parameters, show
from w2v_hs.files.distinct import check_distinct
from w2v_hs.formatting import cell

if TYPE_CHECKING:
    from w2v_hs.comparison.change import Figure, Shift, WordShift

ABSENT = "-"  # in a cell without a figure


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
    help="Repeat the fit so many times without the tenth of the words that moved most.",
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
    from w2v_hs.files.atomic import holding
    from w2v_hs.model import Model
    from w2v_hs.vectors import save_vectors

    check_distinct([output], [old, new])
    with holding(output):
        found = comparison.align(read_side(old, format_name), read_side(new, format_name), **options)
        if isinstance(found.aligned, Model) and output.suffix.lower() == ".safetensors":
            found.aligned.save(output)
        else:
            save_vectors(vectors_of(found.aligned), output)
    if json_out:
        show.print_json(found.as_dict())
    else:
        table = show.table(f"{new} rotated onto {old}", "", "")
        for name, value in found.as_dict().items():
            table.add_row(name.replace("_", " "), cell(value))
        show.console().print(table)
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
    help="Rank only so many shared words, the most frequent; 0 for all.",
)
@click.option(
    "--min-count",
    type=int,
    help="Rank only words that occur so often in both texts.  [default: 100; files of vectors hold "
    "no counts]",
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
    help="Neighbours are found among so many shared words, the most frequent.",
)
@click.option("--show", "count", default=20, show_default=True, help="Number of words to show; 0 for all.")
@click.option("-k", default=10, show_default=True, help="Number of neighbours to show of each WORD.")
@click.option("--confidence", default=0.95, show_default=True, help="Confidence level of all intervals.")
@click.option("--seed", default=1, show_default=True, help="Random seed of the bootstrap.")
@parameters.format_option
@parameters.json_option
def shift(
    old: Path,
    new: Path,
    words: tuple[str, ...],
    more_old: tuple[Path, ...],
    more_new: tuple[Path, ...],
    format_name: str | None,
    json_out: bool,
    count: int,
    **options: Any,
) -> None:
    """Show which words changed between two texts.

    OLD and NEW are models or vector files, one of each text. With WORDs: their neighbours then and
    now.

    overlap is the share of a word's nearest neighbours that stayed the same; distance is 1 - cosine
    of its two vectors after NEW is rotated onto OLD. Rare words move more by chance. So beside each
    figure stands the usual one, the median of words of about the same frequency, and a word ranks
    by the difference. With further runs, figures are means, with intervals for the noise of
    training.

    \b
    w2v-hs shift old.safetensors new.safetensors
    w2v-hs shift old.safetensors new.safetensors king dog
    w2v-hs shift old.safetensors new.safetensors --new new-2.safetensors --by distance --json
    """
    from w2v_hs import comparison
    from w2v_hs.comparison.sides import read_side

    if count < 0:
        raise click.UsageError(f"--show {count}: expected a number of words, or 0 for all")
    before, after = (
        [read_side(path, format_name) for path in runs] for runs in ((old, *more_old), (new, *more_new))
    )
    found = comparison.shift(before, after, words or None, **options)
    if count and not words:
        found = replace(found, words=found.words[:count])
    if json_out:
        show.print_json(found.as_dict())
        return
    if words:
        for each in found.words:
            _print_neighbors(each, found)
    else:
        _print_ranking(found)
    click.echo(_summary(found), err=True)


def _print_ranking(found: "Shift") -> None:
    """A row for each word; with several runs the interval of what ranks, in 80 columns."""
    several = max(found.runs) > 1
    other = "distance" if found.by == "overlap" else "overlap"
    columns = [found.by, "usual", *([_interval(found)] if several else []), other]
    columns += ([] if several else ["usual"]) + (["old\ncount", "new\ncount"] if found.min_count else [])
    table = show.table("", "word", *columns)
    for each in found.words:
        first, second = _cells(getattr(each, found.by)), _cells(getattr(each, other))
        counts = [f"{count:,}" for count in each.counts or ()]
        table.add_row(show.plain(each.word), *first, *second[: 1 if several else None], *counts)
    show.console().print(table)


def _print_neighbors(each: "WordShift", found: "Shift") -> None:
    """The figures of one word, and its neighbours side by side."""
    rank = "not ranked" if each.rank is None else f"rank {each.rank:,} of {found.ranked_words:,}"
    figures = [rank]
    for name, figure in (("overlap", each.overlap), ("distance", each.distance)):
        value, usual, *interval = _cells(figure)
        within = f" ({_interval(found)} {interval[0]})" if interval else ""
        figures.append(f"{name} {value}{within}, usual {usual}")
    if each.counts is not None:
        figures.append("count {:,} and {:,}".format(*each.counts))
    table = show.table("", "then", "cosine", "now", "cosine")
    show.console().print(show.plain(f"{each.word}: {'; '.join(figures)}"), soft_wrap=True)
    for (then, old), (now, new) in zip(each.old_neighbors or [], each.new_neighbors or [], strict=True):
        table.add_row(show.plain(then), f"{old:.3f}", show.plain(now), f"{new:.3f}")
    show.console().print(table)


def _cells(figure: "Figure") -> list[str]:
    """The value, what is usual, and the interval if there is one."""
    usual = ABSENT if figure.usual is None else f"{figure.usual:.3f}"
    interval = [] if figure.interval is None else ["{:.3f} to {:.3f}".format(*figure.interval)]
    return [f"{figure.value:.3f}", usual, *interval]


def _interval(found: "Shift") -> str:
    return f"{100 * found.confidence:g}% interval"


def _summary(found: "Shift") -> str:
    """What was compared, in a line."""
    least = f" (count of {found.min_count:,} or more in both texts)" if found.min_count else ""
    return (
        f"{found.ranked_words:,} of {found.shared_words:,} shared words ranked{least}; overlap of "
        f"{found.neighbors:,} neighbours among {found.candidates:,} words"
    )

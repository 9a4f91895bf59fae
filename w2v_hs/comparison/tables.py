"""Alignments, words by change and agreement of runs as tables: on a console, as text, as HTML."""

from typing import TYPE_CHECKING

from w2v_hs.checks import option
from w2v_hs.comparison.agreement import Similarity, Stability
from w2v_hs.comparison.alignment import Alignment
from w2v_hs.comparison.change import Figure, Shift, WordShift
from w2v_hs.evaluation.evaluation import Result
from w2v_hs.evaluation.tables import ABSENT
from w2v_hs.formatting import cell, plain, recorded_html, recorded_text

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

MOST_ROWS = 20  # of the text and the HTML
ENOUGH = 20  # rounds of a control: q of k words of smallest p is 1 / (rounds * k)


def as_text(result: Result) -> str:
    """The tables as text of 100 columns; of a ranking, its first rows."""
    return recorded_text(lambda console: _print(result, console))


def as_html(result: Result) -> str:
    """The tables for a notebook."""
    return recorded_html(lambda console: _print(result, console))


def _print(result: Result, console: "Console") -> None:
    if isinstance(result, Shift):
        print_shift(result, console, MOST_ROWS)
    elif isinstance(result, Stability):
        print_stability(result, console, MOST_ROWS)
    elif isinstance(result, Alignment):
        print_alignment(result, console)


def print_alignment(found: Alignment, console: "Console") -> None:
    """Print the figures of the fit."""
    from rich.table import Table

    meanings = {"without_direction": ": zero or not finite", "residual": ": 0 if equal, 1.41 if unrelated"}
    table = Table(show_header=False)
    for name, value in found.as_dict().items():
        table.add_row(name.replace("_", " ") + meanings.get(name, ""), cell(value))
    console.print(table)


def print_shift(found: Shift, console: "Console", most: int | None = None) -> None:
    """Print a table of the words by change, or of the neighbours of each word asked for."""
    if all(each.old_neighbors is None for each in found.words):
        _print_ranking(found, console, most)
    else:
        for each in found.words:
            _print_neighbors(each, found, console)
    least = f" (count of {found.min_count:,} or more in both texts)" if found.min_count else ""
    console.print(
        f"{found.ranked_words:,} of {found.shared_words:,} shared words ranked{least}; "
        f"overlap of {found.neighbors:,} neighbours among {found.candidates:,} words"
    )
    if found.control:
        rounds = f"{found.control:,} round{'s' if found.control > 1 else ''} of shuffled {found.shuffle}"
        enough = "" if found.control >= ENOUGH else f"; {ENOUGH} can find a single word"
        console.print(f"{found.changed_words:,} with q < 0.05 in {found.by}, by {rounds}{enough}")


def _print_ranking(found: Shift, console: "Console", most: int | None) -> None:
    """A row for each word; with several runs the interval of what ranks, in 80 columns.

    Then there is no room for all of the measure that does not rank. Long words are folded, headers
    and figures never.
    """
    from rich.table import Column, Table

    several, tested = max(found.runs) > 1, bool(found.control)
    other = "distance" if found.by == "overlap" else "overlap"
    shown = 2 - several - (several and tested)  # of the value and the usual value of the other one
    columns = [found.by, "usual", *([_interval(found)] if several else [])]
    columns += ["p", "q"] if tested else []
    columns += [other, "usual"][:shown] + (["old\ncount", "new\ncount"] if found.min_count else [])
    figures = (Column(name, justify="right", no_wrap=True) for name in columns)
    # On 80 columns, beside p values, words need the space of the padding.
    padding = 0 if tested and console.width < 100 else 1
    table = Table(Column("word", overflow="fold"), *figures, padding=(0, padding))
    for each in found.words[:most]:
        first, second = _cells(getattr(each, found.by)), _cells(getattr(each, other))
        counts = [f"{count:,}" for count in each.counts or ()]
        chances = _chances(each) if tested else []
        table.add_row(plain(each.word), *first, *chances, *second[:shown], *counts)
    console.print(table)


def _print_neighbors(each: WordShift, found: Shift, console: "Console") -> None:
    """The figures of one word, and its neighbours side by side."""
    from rich.table import Column, Table

    console.print(plain(f"{each.word}: {figures_of(each, found)}"), soft_wrap=True)
    table = Table(Column("then", overflow="fold"), "cosine", Column("now", overflow="fold"), "cosine")
    for (then, old), (now, new) in zip(each.old_neighbors or [], each.new_neighbors or [], strict=True):
        table.add_row(plain(then), f"{old:.3f}", plain(now), f"{new:.3f}")
    console.print(table)


def figures_of(each: WordShift, found: Shift) -> str:
    """The figures of one word, in a line."""
    figures = [_rank(each, found)]
    for name, figure in (("overlap", each.overlap), ("distance", each.distance)):
        value, usual, *interval = _cells(figure)
        within = f" ({_interval(found)} {interval[0]})" if interval else ""
        figures.append(f"{name} {value}{within}, usual {usual}")
    if each.p is not None:
        figures.append("p {}, q {}".format(*_chances(each)))
    if each.counts is not None:
        figures.append("count {:,} and {:,}".format(*each.counts))
    return "; ".join(figures)


def _rank(each: WordShift, found: Shift) -> str:
    """The rank of a word, or the option that keeps it from having one."""
    if each.rank is not None:
        return f"rank {each.rank:,} of {found.ranked_words:,}"
    if each.counts and found.min_count and min(each.counts) < found.min_count:
        return f"too rare to be ranked: {option('min_count')} is {found.min_count:,}"
    return f"too rare to be ranked: raise {option('top')}"


def print_stability(found: Stability, console: "Console", most: int | None = None) -> None:
    """Print a row for each word; or tables of the words asked for and of their pairs."""
    from rich.table import Column, Table
    from rich.text import Text

    console.print(
        f"{found.runs} runs: two of them share {found.k * found.overlap:.1f} of the {found.k} nearest "
        f"neighbours of a word (mean over the {found.ranked_words:,} most frequent of "
        f"{found.shared_words:,} shared words)",
        soft_wrap=True,
    )
    if not found.asked:
        near = "neighbours, each with the number of runs that have it"
        table = Table(Column("word", overflow="fold"), "shared", Column(near, overflow="fold"))
        for each in found.words[:most]:
            words = Text(", ").join(plain(f"{one.word} {one.runs}") for one in each.neighbors)
            table.add_row(plain(each.word), f"{found.k * each.overlap:.1f}", words)
        console.print(table)
        return
    for each in found.words:
        share = f"{each.word}: two runs share {found.k * each.overlap:.1f} of {found.k} neighbours"
        console.print(plain(share), soft_wrap=True)
        rows = [([one.word, one.runs], one.cosine) for one in each.neighbors]
        console.print(_similarities(["neighbour", "runs"], rows, found))
    if found.pairs:
        console.print(_similarities(["", ""], [([*pair.words], pair.cosine) for pair in found.pairs], found))


def _similarities(names: list[str], rows: list[tuple[list[object], Similarity]], found: Stability) -> "Table":
    """A table of cosines; each row begins with cells under the `names`."""
    from rich.table import Column, Table

    level = f"{100 * found.confidence:g}%"
    columns = ["cosine", f"{level} interval\nof the mean", f"{level} interval\nof one more run"]
    table = Table(*(Column(name, overflow="fold") for name in names), *columns)
    for cells, cosine in rows:
        intervals = ("{:.3f} to {:.3f}".format(*each) for each in (cosine.interval, cosine.prediction))
        table.add_row(*map(plain, map(str, cells)), f"{cosine.mean:.3f}", *intervals)
    return table


def _chances(each: WordShift) -> list[str]:
    """p and q of a ranked word."""
    return [f"{chance:.2g}" for chance in (each.p, each.q) if chance is not None]


def _cells(figure: Figure) -> list[str]:
    """The value, what is usual, and the interval if there is one."""
    usual = ABSENT if figure.usual is None else f"{figure.usual:.3f}"
    interval = [] if figure.interval is None else ["{:.3f} to {:.3f}".format(*figure.interval)]
    return [f"{figure.value:.3f}", usual, *interval]


def _interval(found: Shift) -> str:
    return f"{100 * found.confidence:g}% interval"

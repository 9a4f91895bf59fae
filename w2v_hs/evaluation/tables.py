"""Evaluations and comparisons as tables: on a console, as text, as HTML."""

from itertools import product
from string import ascii_uppercase
from typing import TYPE_CHECKING

from w2v_hs.evaluation.comparison import Compared, Comparison
from w2v_hs.evaluation.evaluation import Analogies, Evaluation, Result, Section
from w2v_hs.evaluation.statistics import Interval
from w2v_hs.formatting import plain, recorded_html, recorded_text

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

METHOD_NAMES = {"3cosadd": "3CosAdd", "3cosmul": "3CosMul"}
FIGURES = {"accuracy": "accuracy", "spearman": "Spearman"}
FORMS = {"accuracy": ".1%", "spearman": ".3f"}
ABSENT = "-"  # in a cell without a figure
LETTERS = [*ascii_uppercase, *map("".join, product(ascii_uppercase, repeat=2))]  # of models


def as_text(result: Result) -> str:
    """The tables as text of 100 columns."""
    return recorded_text(lambda console: _print(result, console))


def as_html(result: Result) -> str:
    """The tables for a notebook."""
    return recorded_html(lambda console: _print(result, console))


def _print(result: Result, console: "Console") -> None:
    if isinstance(result, Comparison):
        print_comparison(result, console)
    elif isinstance(result, Evaluation):
        print_evaluation(result, console)


def print_evaluation(result: Evaluation, console: "Console") -> None:
    """Print a table for each analogy setting and one for all similarity sets."""
    for whole in result.analogies:
        _print_heading(console, f"Analogies: {whole.name}, {METHOD_NAMES[whole.method]}")
        console.print(_answers(console, whole, result.confidence), f"{_answered_among(whole)}.")
    if result.similarity:
        heading = _interval_of(result.confidence)
        _print_heading(console, "Similarity")
        table = _table(console, "pairs", "Spearman", heading, "Pearson", heading, "used", "total")
        for done in result.similarity:
            figures = (
                cell
                for value, interval in (
                    (done.spearman, done.spearman_interval),
                    (done.pearson, done.pearson_interval),
                )
                for cell in (_figure(value, ".3f", done.used), _bounds(interval, ".3f"))
            )
            table.add_row(plain(done.name), *figures, f"{done.used:,}", f"{done.total:,}")
        console.print(table, "Pairs: all words.")
        for done in result.similarity:
            if done.from_subwords:
                console.print(plain(f"{done.name}: {_subwords(done.from_subwords, done.total - done.used)}"))
        for done in result.similarity:
            if done.columns:
                named = ", ".join(done.columns)
                console.print(plain(f"{done.name}: the first line names the columns; read: {named}."))
    sections = [part.seen for whole in result.analogies for part in whole.sections]
    if not all([*sections, *(done.used for done in result.similarity)]):
        console.print(f"{ABSENT}: none is usable, for the vectors lack words of each.")
    console.print(_case(result.case_insensitive))
    if result.left_out_vectors:
        console.print(f"Left out: {result.left_out_vectors:,} zero or non-finite vectors.")


def print_comparison(result: Comparison, console: "Console") -> None:
    """Print a letter for each model, and a table for each test set with a row per model."""
    letters = dict(zip(result.models, LETTERS, strict=False))
    interval = _interval_of(result.confidence)
    for model, letter in letters.items():
        console.print(plain(f"{letter}  {model}"), soft_wrap=True)
    for done in result.compared:
        console.print()
        _print_heading(console, _heading(done))
        difference = f"difference\nfrom {letters[result.models[0]]}"
        p_values = (f"p vs\n{letters[earlier]}" for earlier in result.models[:-1])
        table = _table(console, "model", FIGURES[done.figure], interval, difference, interval, *p_values)
        form = FORMS[done.figure]
        differences = {(d.first, d.second): d for d in done.differences}
        for standing in done.models:
            name = standing.model
            tests = [differences.get((earlier, name)) for earlier in result.models[:-1]]
            table.add_row(
                letters[name],
                _figure(standing.value, form, done.used),
                _bounds(standing.interval, form),
                _figure(tests[0].difference, "+" + form, done.used) if tests[0] else ABSENT,
                _bounds(tests[0].interval if tests[0] else None, "+" + form),
                *(_p(test.p_holm, done.used) if test else ABSENT for test in tests),
            )
        console.print(table)
    pairs = len(result.models) * (len(result.models) - 1) // 2
    adjusted = f", adjusted by Holm for {pairs} pairs of models" if pairs > 1 else ""
    console.print(
        f"Figures are over the items that all models can answer; {ABSENT}: none.\n"
        f"p, two-sided{adjusted}: exact McNemar test of questions, paired bootstrap of pairs "
        f"({result.resamples:,} resamples, seed {result.seed})."
    )
    console.print(_case(result.case_insensitive))
    for model, one in zip(result.models, result.evaluations, strict=True):
        if one.left_out_vectors:
            left_out = f"{one.left_out_vectors:,} zero or non-finite vectors"
            console.print(plain(f"Left out of {model}: {left_out}."))


def _print_heading(console: "Console", text: str) -> None:
    """Print the heading of a table above it: within the table it would fold to its width."""
    console.print(plain(text), style="bold", soft_wrap=True)


def _table(console: "Console", first: str, *numbers: str) -> "Table":
    """An empty table with a column of names and columns of numbers."""
    from rich.table import Table

    # On 80 columns, the width of a pipe, names need the space of the padding.
    empty = Table(padding=(0, 1 if console.width >= 100 else 0))
    empty.add_column(first, overflow="fold")
    for heading in numbers:
        # Where many models leave too little room, intervals take two lines.
        empty.add_column(heading, justify="right", no_wrap="interval" not in heading)
    return empty


def _answers(console: "Console", whole: Analogies, confidence: float) -> "Table":
    """The table of one analogy set: its sections, then their totals."""
    # On 80 columns section names need its space; it is seen / total.
    coverage = ["coverage"] if console.width >= 100 else []
    table = _table(
        console, "section", "correct", "seen", "total", *coverage, "accuracy", _interval_of(confidence)
    )

    def add(name: str, part: Section) -> None:
        share = "" if part.coverage is None else f"{part.coverage:.1%}"
        table.add_row(
            plain(name),
            *(f"{count:,}" for count in (part.correct, part.seen, part.total)),
            *(share for _ in coverage),
            _figure(part.accuracy, ".1%", part.seen),
            _bounds(part.interval, ".1%"),
        )

    for part in whole.sections:
        add(part.name, part)
    table.add_section()
    for kind in (whole.semantic, whole.syntactic):
        if kind is not None:
            add(f"all {kind.name}", kind)
    add("all sections", whole)
    return table


def _answered_among(whole: Analogies | Compared) -> str:
    """The vocabulary limit of questions and answers, and whose convention it is."""
    limit = f"the {whole.restrict_vocab:,} most frequent" if whole.restrict_vocab else "all"
    by = f", the convention of {whole.convention}" if whole.convention else ""
    return f"Questions and answers: {limit} words{by}"


def _heading(done: Compared) -> str:
    """The heading of a block: test set, method and coverage."""
    if done.figure == "spearman":
        return f"{done.name}: {done.used:,} of {done.total:,} pairs"
    limit = f"{done.restrict_vocab:,} words" if done.restrict_vocab else "all words"
    by = f" ({done.convention})" if done.convention else ""
    part = f" {done.part}" if done.part else ""
    assert done.method is not None  # for mypy: analogies always have one
    return (
        f"{done.name}{part}, {METHOD_NAMES[done.method]}, {limit}{by}: "
        f"{done.used:,} of {done.total:,} questions"
    )


def _figure(figure: float | None, form: str, used: int) -> str:
    """The figure as text; a dash where no item is usable."""
    if figure is not None:
        return format(figure, form)
    return "undefined" if used else ABSENT


def _bounds(interval: Interval | None, form: str) -> str:
    return ABSENT if interval is None else " to ".join(format(bound, form) for bound in interval)


def _interval_of(confidence: float) -> str:
    return f"{100 * confidence:g}% interval"


def _p(p: float | None, used: int) -> str:
    return "<0.001" if p is not None and p < 0.001 else _figure(p, ".3f", used)


def _subwords(words: int, without: int) -> str:
    """How many words got a vector from n-grams, and how many pairs hold one that did not."""
    rest = f"; {_count(without, 'pair')} with a word none of whose n-grams is known" if without else ""
    return f"{_count(words, 'word')} from subwords{rest}."


def _count(number: int, noun: str) -> str:
    return f"{number:,} {noun}{'s' if number != 1 else ''}"


def _case(case_insensitive: bool) -> str:
    return "Case: " + ("ignored." if case_insensitive else "as written.")

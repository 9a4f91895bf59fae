"""The command `evaluate`: analogies, word similarity, and comparison of models."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from w2v_hs.cli import parameters, show
from w2v_hs.files.outputs import reserved
from w2v_hs.progress import Display, display

if TYPE_CHECKING:
    from rich.console import Console

Models = Iterator[tuple[str, object]]  # name and vectors
Results = tuple[object, Callable[["Console"], None]]  # value for JSON, printer of the tables


@click.command()
@click.argument("vectors", nargs=-1, required=True, type=parameters.FILE)
@parameters.test_set_options
@click.option(
    "--columns",
    nargs=3,
    metavar="WORD WORD SCORE",
    help="Names of the three columns to read, for --similarity files with a header.",
)
@click.option(
    "--method",
    multiple=True,
    type=click.Choice(["3cosadd", "3cosmul"]),
    default=["3cosadd"],
    show_default=True,
    help="How to answer analogies. Can be repeated.",
)
@click.option(
    "--restrict-vocab",
    multiple=True,
    type=int,
    default=[30_000],
    show_default=True,
    help="Limit analogies to this many most frequent words; 0 for all. Can be repeated: 30000 is "
    "the convention of word2vec.c, 300000 that of gensim.",
)
@click.option(
    "--oov",
    type=click.Choice(["skip", "subwords"]),
    default="skip",
    show_default=True,
    help="Rated pairs with a word outside the vocabulary: leave them out, or compose its vector of "
    "its n-grams.",
)
@click.option("--case-sensitive", is_flag=True, help="Distinguish upper and lower case.")
@click.option(
    "--compare",
    "side_by_side",
    is_flag=True,
    help="Compare several VECTORS side by side, on the items all can answer, with significance tests.",
)
@click.option("--confidence", default=0.95, show_default=True, help="Confidence level of all intervals.")
@click.option("--seed", default=1, show_default=True, help="Random seed of all bootstraps.")
@parameters.format_option
@click.option(
    "--json",
    "json_path",
    type=parameters.FILE,
    help="Write JSON to a file; - prints it. Several VECTORS without --compare give a list.",
)
def evaluate(
    vectors: tuple[Path, ...],
    analogies: tuple[str, ...],
    similarity: tuple[str, ...],
    case_sensitive: bool,
    side_by_side: bool,
    format_name: str | None,
    json_path: Path | None,
    **options: Any,
) -> None:
    """Answer analogies and correlate with human ratings.

    VECTORS are models or vector files.

    The default test sets are Google's analogies, WordSim-353 and SimLex-999. With --analogies or
    --similarity, only the sets they name are used. Several VECTORS are evaluated one after the
    other, or side by side with --compare.

    \b
    w2v-hs evaluate model.safetensors
    w2v-hs evaluate vectors.bin --json -
    w2v-hs evaluate model.safetensors --analogies google --similarity pairs.tsv --json result.json
    w2v-hs evaluate learned.safetensors huffman.safetensors --compare
    """
    if side_by_side and len(vectors) < 2:
        raise click.UsageError("--compare takes two files of vectors or more")
    if len(set(vectors)) < len(vectors):
        raise click.UsageError("a file of vectors is given twice")
    if options["columns"] and not set(similarity) - set(parameters.SIMILARITY_SETS):
        raise click.UsageError("--columns without a file of --similarity: it names its columns")
    to_stdout = str(json_path) == "-"
    if analogies or similarity:
        options |= {"analogies": analogies, "similarity": similarity}
    options["case_insensitive"] = not case_sensitive
    json_file = None if to_stdout else json_path
    with reserved([json_file], [*vectors, *analogies, *similarity]):
        with display(True) as bars:
            models = _load_each(vectors, format_name, bars)
            found, print_tables = (_compare if side_by_side else _evaluate_each)(models, options)
        if to_stdout:
            show.print_json(found)
            return
        print_tables(show.console())
        if json_file is not None:
            show.write_json(json_file, found)


def _load_each(paths: tuple[Path, ...], format_name: str | None, bars: Display) -> Models:
    """Load one file at a time, since all together may exceed the memory."""
    from w2v_hs.vectors.formats import load_vectors

    for number, path in enumerate(paths, start=1):
        bars.step("evaluating" + (f" {number} of {len(paths)}" if len(paths) > 1 else ""))
        # Among several files, --format does not apply to models.
        of_model = len(paths) > 1 and path.suffix == ".safetensors"
        yield str(path), load_vectors(path, format=None if of_model else format_name)


def _compare(models: Models, options: dict[str, Any]) -> Results:
    """Compare the models with each other."""
    from w2v_hs import evaluation
    from w2v_hs.evaluation.tables import print_comparison

    comparison = evaluation.compare(models, **options)
    return comparison.as_dict(), lambda console: print_comparison(comparison, console)


def _evaluate_each(models: Models, options: dict[str, Any]) -> Results:
    """Evaluate each model on its own."""
    from w2v_hs import evaluation
    from w2v_hs.evaluation.tables import print_evaluation

    results = []
    for name, vectors in models:
        results.append((name, evaluation.evaluate(vectors, **options)))
        del vectors  # frees its memory before the next file is read
    found = [{"vectors": name, **result.as_dict()} for name, result in results]

    def print_tables(console: "Console") -> None:
        for name, result in results:
            if len(results) > 1:
                console.print(show.plain(name), style="bold")
            print_evaluation(result, console)

    return found if len(found) > 1 else found[0], print_tables

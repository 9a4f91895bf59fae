"""The command that says how good vectors are: `evaluate`."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click

from w2v_hs.cli import completion, show
from w2v_hs.cli.vectors import in_format, read_vectors
from w2v_hs.progress import Display, display


@click.command()
@click.argument("vectors", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option(
    "--analogies",
    multiple=True,
    shell_complete=completion.files_or(lambda: ("google",)),
    help="Questions: 'google' or a file. Can be repeated.  [default: google]",
)
@click.option(
    "--similarity",
    multiple=True,
    shell_complete=completion.files_or(lambda: ("wordsim353", "simlex999")),
    help="Rated pairs: 'wordsim353', 'simlex999' or a file. Can be repeated.  [default: both]",
)
@click.option(
    "--columns",
    nargs=3,
    metavar="WORD WORD SCORE",
    help="Files of pairs: the three columns to read, by their names in the first line.",
)
@click.option(
    "--method",
    multiple=True,
    type=click.Choice(["3cosadd", "3cosmul"]),
    default=["3cosadd"],
    show_default=True,
    help="How analogies are answered. Can be repeated.",
)
@click.option(
    "--restrict-vocab",
    multiple=True,
    type=int,
    default=[30_000],
    show_default=True,
    help="Analogies only among this many most frequent words; 0 for all. Can be repeated: "
    "30000 is the convention of word2vec.c, 300000 that of gensim.",
)
@click.option("--case-sensitive", is_flag=True, help="Take words as they are written.")
@click.option(
    "--compare",
    "side_by_side",
    is_flag=True,
    help="Several VECTORS in one table, on what all can answer, with tests of the differences.",
)
@click.option("--confidence", default=0.95, show_default=True, help="Of all intervals.")
@click.option("--seed", default=1, show_default=True, help="Seed of all bootstraps.")
@in_format
@click.option(
    "--json",
    "json_path",
    type=click.Path(path_type=Path),
    help="Write JSON to a file; - prints it. Of several VECTORS without --compare, a list.",
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
    """Answer analogies and correlate with rated pairs.

    VECTORS are models or files of vectors.

    Without --analogies and --similarity: Google's analogies, WordSim-353 and SimLex-999; with
    either of them only what they name. Several VECTORS are evaluated one after the other, or side
    by side with --compare.

    \b
    w2v-hs evaluate model.safetensors
    w2v-hs evaluate vectors.bin --json -
    w2v-hs evaluate model.safetensors --analogies google --similarity pairs.tsv --json result.json
    w2v-hs evaluate learned.safetensors huffman.safetensors --compare
    """
    from w2v_hs.cli.evaluation_tables import print_comparison, print_evaluation
    from w2v_hs.evaluation.comparison import compare
    from w2v_hs.evaluation.evaluation import evaluate as run
    from w2v_hs.files.atomic import check_writable

    if side_by_side and len(vectors) < 2:
        raise click.UsageError("--compare takes two files of vectors or more")
    if len(set(vectors)) < len(vectors):
        raise click.UsageError("a file of vectors is given twice")
    if options["columns"] and not set(similarity) - {"wordsim353", "simlex999"}:
        raise click.UsageError("--columns without a file of --similarity: it names its columns")
    if "" in (*analogies, *similarity):
        raise click.UsageError("one of the test sets has an empty name")
    printed = str(json_path) == "-"
    if json_path is not None and not printed:
        check_writable(json_path)
        show.check_distinct([json_path], [*vectors, *map(Path, (*analogies, *similarity))])
    if analogies or similarity:
        options |= {"analogies": analogies, "similarity": similarity}
    options["case_insensitive"] = not case_sensitive
    with display(True) as bars:
        models = _loaded(vectors, format_name, bars)
        if side_by_side:
            comparison = compare(models, **options)
        else:
            results = []
            for name, loaded in models:
                results.append((name, run(loaded, **options)))
                del loaded  # before the next is read
    console = show.console()
    if side_by_side:
        found: Any = comparison.as_dict()
        if not printed:
            print_comparison(comparison, console)
    else:
        found = [{"vectors": name, **result.as_dict()} for name, result in results]
        found = found if len(vectors) > 1 else found[0]
        for name, result in results if not printed else ():
            if len(vectors) > 1:
                console.print(show.plain(name), style="bold")
            print_evaluation(result, console)
    if printed:
        show.print_json(found)
    elif json_path is not None:
        show.write_json(json_path, found)


def _loaded(
    paths: tuple[Path, ...], format_name: str | None, bars: Display
) -> Iterator[tuple[str, object]]:
    """The name and the vectors of each file, one at a time: together they may not fit."""
    for number, path in enumerate(paths, start=1):
        bars.step("evaluating" + (f" {number} of {len(paths)}" if len(paths) > 1 else ""))
        # Beside a model, --format is about the others.
        of_model = len(paths) > 1 and path.suffix == ".safetensors"
        yield str(path), read_vectors(path, None if of_model else format_name)

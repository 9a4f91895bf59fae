"""The command that says how good vectors are: `evaluate`."""

from pathlib import Path

import click

from w2v_hs import completion, show
from w2v_hs.vector_commands import in_format, read_vectors


@click.command()
@click.argument("vectors", type=click.Path(path_type=Path))
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
    "--restrict-vocab",
    default=30_000,
    show_default=True,
    help="Analogies only among this many most frequent words; 0 for all.",
)
@click.option("--case-sensitive", is_flag=True, help="Take words as they are written.")
@in_format
@click.option(
    "--json",
    "json_path",
    type=click.Path(path_type=Path),
    help="Write JSON to a file; - prints it.",
)
def evaluate(
    vectors: Path,
    analogies: tuple[str, ...],
    similarity: tuple[str, ...],
    restrict_vocab: int,
    case_sensitive: bool,
    format_name: str | None,
    json_path: Path | None,
) -> None:
    """Answer analogies and correlate with rated pairs.

    VECTORS is a model or a file of vectors.

    Without --analogies and --similarity: Google's analogies, WordSim-353 and SimLex-999; with
    either of them only what they name.

    \b
    w2v-hs evaluate model.safetensors
    w2v-hs evaluate vectors.bin --json -
    w2v-hs evaluate model.safetensors --analogies google --similarity pairs.tsv --json result.json
    """
    from w2v_hs.atomic import check_writable
    from w2v_hs.evaluation import evaluate as run
    from w2v_hs.evaluation import print_evaluation

    if json_path is not None and str(json_path) != "-":
        check_writable(json_path)
        show.check_distinct([json_path], [vectors, *map(Path, (*analogies, *similarity))])
    sets = {"analogies": analogies, "similarity": similarity} if analogies or similarity else {}
    result = run(
        read_vectors(vectors, format_name),
        restrict_vocab=restrict_vocab,
        case_insensitive=not case_sensitive,
        **sets,
    )
    if str(json_path) == "-":
        show.print_json(result.as_dict())
        return
    print_evaluation(result, show.console())
    if json_path is not None:
        show.write_json(json_path, result.as_dict())

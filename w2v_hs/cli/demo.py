"""The command `demo`: train, export, evaluate and query on the bundled corpus."""

import json
import os
from pathlib import Path

import click

from w2v_hs.checks import shown
from w2v_hs.cli import parameters, show
from w2v_hs.cli.stopping import exit_when_interrupted

_RESULTS = ("model.safetensors", "vectors.txt", "evaluation.json")  # the last has checksums of the others
_LARGEST = 1 << 20  # bytes of an evaluation that is read
_EXAMPLE_WORDS = ("france", "island", "religion", "copper", "coffee", "army")


@click.command()
@click.argument("corpus", default="factbook", shell_complete=parameters.complete_texts)
@click.option(
    "-o",
    "--output",
    type=parameters.FILE,
    default=Path("w2v-demo"),
    show_default=True,
    help="Folder for the results; those of an earlier demo are replaced, other files are not.",
)
@click.option("--epochs", default=20, show_default=True, help="Passes over the text.")
@click.option("--seed", default=1, show_default=True, help="Random seed.")
def demo(corpus: str, output: Path, epochs: int, seed: int) -> None:
    """Train on CORPUS, export, evaluate, show neighbours.

    The default CORPUS is the embedded one, the text of the CIA World Factbook. The window is 10,
    which suits such a small text.

    \b
    w2v-hs demo
    w2v-hs demo factbook --epochs 5 -o tour
    """
    from w2v_hs import training
    from w2v_hs.evaluation import evaluate
    from w2v_hs.evaluation.tables import print_evaluation
    from w2v_hs.files.outputs import reserved

    path, vectors, results = (output / name for name in _RESULTS)
    _make_folder(output)
    console = show.console()
    console.print(f"Training on {corpus} ...", markup=False)
    with reserved([path, vectors, results], [corpus]):
        with exit_when_interrupted():
            model = training.train(corpus, window=10, epochs=epochs, seed=seed, progress=True)
            model.save(path)
        model.export(vectors)
        click.echo(f"{show.training_summary(model, path)}\nwrote {vectors}")
        for word in _EXAMPLE_WORDS:
            if word in model.vectors:
                found = " ".join(w for w, _ in model.vectors.most_similar(word, k=6))  # on 80 columns
                console.print(f"{word:>9}  {found}", highlight=False, markup=False)
        result = evaluate(model)
        print_evaluation(result, console)
        show.write_json(results, result.as_dict() | {"sha256": _checksums(output)})
    console.print(
        f"Vectors of {len(model.vocabulary):,} words lie in {output}. Next, try:\n"
        f"  w2v-hs neighbors {path} island\n"
        f"  w2v-hs train YOUR-TEXT.txt -o model.safetensors --tokenize words --lowercase\n"
        "For fewer than two million words add --epochs 20 --window 10, as here.",
        highlight=False,
    )


def _make_folder(output: Path) -> None:
    """Make the folder for the results, or take that of an earlier demo with all as it left them."""
    from w2v_hs.errors import OutputError

    try:
        output.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(f"{shown(output)}: cannot make this folder: {error.strerror}") from error
    there = [path for path in (output / name for name in _RESULTS) if os.path.lexists(path)]
    if there and not _is_of_a_demo(output):
        raise OutputError(
            f"{shown(there[0])}: is there already, and not as a demo left it; remove it, or give another "
            "folder with -o"
        )


def _is_of_a_demo(folder: Path) -> bool:
    """Whether the results in a folder are those of a demo."""
    evaluation = folder / _RESULTS[-1]
    try:
        small = evaluation.is_file() and evaluation.stat().st_size <= _LARGEST
        return small and json.loads(evaluation.read_bytes())["sha256"] == _checksums(folder)
    except (OSError, ValueError, LookupError, TypeError, RecursionError):
        return False


def _checksums(folder: Path) -> dict[str, str | None]:
    """The SHA-256 of the model and the vectors."""
    from w2v_hs.files.outputs import checksum

    return {name: checksum(folder / name) for name in _RESULTS[:-1]}

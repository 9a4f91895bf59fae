"""The command `demo`: train, export, evaluate and query on the bundled corpus."""

import os
from pathlib import Path

import click

from w2v_hs.checks import shown
from w2v_hs.cli import parameters, show
from w2v_hs.cli.stopping import exit_when_interrupted

_RESULTS = ("model.safetensors", "vectors.txt", "evaluation.json")
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
        show.write_json(results, result.as_dict())
    console.print(
        f"Vectors of {len(model.vocabulary):,} words lie in {output}. Next, try:\n"
        f"  w2v-hs neighbors {path} island\n"
        f"  w2v-hs train YOUR-TEXT.txt -o model.safetensors --tokenize words --lowercase\n"
        "For fewer than two million words add --epochs 20 --window 10, as here.",
        highlight=False,
    )


def _make_folder(output: Path) -> None:
    """Make the folder for the results, or take that of an earlier demo, which left them all."""
    from w2v_hs.errors import OutputError

    try:
        output.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(f"{shown(output)}: cannot make this folder: {error.strerror}") from error
    there = [path for path in (output / name for name in _RESULTS) if os.path.lexists(path)]
    if 0 < len(there) < len(_RESULTS):
        raise OutputError(f"{shown(there[0])}: is there already; remove it, or give another folder with -o")

"""The commands that compare two models: `align`."""

from pathlib import Path
from typing import Any

import click

from w2v_hs.checks import shown
from w2v_hs.cli import parameters, show
from w2v_hs.files.distinct import check_distinct
from w2v_hs.formatting import cell


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

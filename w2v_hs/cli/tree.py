"""The commands for trees: `tree stats`, `tree compare`, `tree show`, `tree export`."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from w2v_hs.cli import parameters, show
from w2v_hs.files.outputs import reserved
from w2v_hs.formatting import cell

if TYPE_CHECKING:
    from rich.table import Table

    from w2v_hs.model.model import Model
    from w2v_hs.tree.tree import Tree as WordTree

_text_option = click.option(
    "--text",
    multiple=True,
    shell_complete=parameters.complete_texts,
    help="Also measure the loss on this text. Can be repeated.",
)
_ROWS = {
    "words": "words",
    "expected_length": "expected length, bits",
    "entropy": "entropy, bits",
    "gap": "gap, bits",
    "shallowest_leaf": "shallowest leaf",
    "deepest_leaf": "deepest leaf",
    "nats": "loss, nats per prediction",
}


@click.group()
def tree() -> None:
    """Show, compare and export the trees of models.

    \b
    w2v-hs tree stats model.safetensors
    w2v-hs tree show model.safetensors coffee -k 30
    """


@tree.command()
@parameters.model_argument
@_text_option
@click.option(
    "--levels",
    type=click.IntRange(min=0),
    default=2,
    show_default=True,
    help="Number of tree levels whose splits to show.",
)
@parameters.json_option
def stats(model: Path, text: tuple[str, ...], levels: int, json_out: bool) -> None:
    """Show code lengths, mass by depth and the first splits.

    Each side of a split is shown by its most frequent words and by its most typical ones, those
    nearest to the mean of the side.

    \b
    w2v-hs tree stats model.safetensors
    w2v-hs tree stats model.safetensors --text held-out.txt --json
    """
    facts = _statistics(model, text, levels)
    if json_out:
        show.print_json(facts)
        return
    console = show.console()
    table = show.table(f"{model.name}: {facts['kind']} tree", "", "")
    for name, title in _ROWS.items():
        if name in facts:
            table.add_row(title, _figure(facts[name]))
    console.print(table)
    console.print(_depth_table(facts))
    if facts["splits"]:
        console.print(_split_table(facts["splits"]))


@tree.command()
@click.argument("a", type=parameters.FILE)
@click.argument("b", type=parameters.FILE)
@_text_option
@parameters.json_option
def compare(a: Path, b: Path, text: tuple[str, ...], json_out: bool) -> None:
    """Show the trees of two models side by side.

    \b
    w2v-hs tree compare huffman.safetensors learned.safetensors --text held-out.txt
    """
    from rich.markup import escape

    both = [_statistics(model, text, 0) for model in (a, b)]
    if json_out:
        show.print_json([{"model": str(m), **f} for m, f in zip((a, b), both, strict=True)])
        return
    table = show.table("Trees", "", *(escape(model.name) for model in (a, b)))
    table.add_row("kind", *(facts["kind"] for facts in both))
    for name, title in _ROWS.items():
        if name in both[0]:
            table.add_row(title, *(_figure(facts[name]) for facts in both))
    depths = max(len(facts["mass_by_depth"]) for facts in both)
    for depth in range(depths):
        shares = [dict(enumerate(facts["mass_by_depth"])).get(depth, 0.0) for facts in both]
        if any(shares):
            table.add_row(f"share of text at depth {depth}", *(f"{share:.2%}" for share in shares))
    show.console().print(table)


@tree.command("show")
@parameters.model_argument
@click.argument("word")
@click.option("-k", default=20, show_default=True, help="Maximum number of words to show.")
@parameters.json_option
def show_word(model: Path, word: str, k: int, json_out: bool) -> None:
    """Draw the part of the tree around WORD.

    JSON gives nested lists, the form in which `w2v_hs.train(tree=...)` takes a whole tree.

    \b
    w2v-hs tree show model.safetensors coffee -k 30
    """
    from rich.tree import Tree

    from w2v_hs.model.tree_statistics import Nested, neighbourhood

    code, part = neighbourhood(_with_tree(model)[0], word, k)
    if json_out:
        show.print_json({"code": code, "part": part})
        return

    def draw(subtree: Nested, into: Tree) -> None:
        for member in subtree:
            if isinstance(member, str):
                into.add(show.plain(member + (" ◀" if member == word else "")))
            else:
                draw(member, into.add("┐"))

    drawing = Tree(show.plain(code or "root"))
    draw(part, drawing)
    show.console().print(drawing)


@tree.command()
@parameters.model_argument
@click.argument("output", type=parameters.FILE)
def export(model: Path, output: Path) -> None:
    """Write the tree of MODEL to OUTPUT.

    The file has one 'word bits' line per word, as 'w2v-hs train --tree OUTPUT' reads it.

    \b
    w2v-hs tree export model.safetensors tree.txt
    """
    from w2v_hs.tree.user_trees import save_codes

    with reserved([output], [model]):
        loaded, tree = _with_tree(model)
        save_codes(output, tree, loaded.vocabulary.words)
    click.echo(f"wrote the codes of {len(loaded.vocabulary):,} words to {output}", err=True)


def _with_tree(path: Path) -> "tuple[Model, WordTree]":
    """Load a model and its tree; `OptionError` if it has none."""
    from w2v_hs.errors import OptionError
    from w2v_hs.model import load

    model = load(path)
    if model.tree is None:
        raise OptionError(f"{path}: a model of the full softmax has no tree")
    return model, model.tree


def _statistics(path: Path, text: tuple[str, ...], levels: int) -> dict[str, Any]:
    """Statistics of the tree in a model file, and the loss on the text if there is one."""
    from w2v_hs.model.tree_statistics import anatomy

    model, _ = _with_tree(path)
    facts = anatomy(model, levels).as_dict()
    if text:
        facts["nats"] = model.perplexity([Path(name) for name in text], progress=True).nats
    return facts


def _depth_table(facts: dict[str, Any]) -> "Table":
    """Words and share of the text at each depth, with a bar chart."""
    most = max(facts["mass_by_depth"])
    table = show.table("Mass by depth", "depth", "words", "share of text", "")
    rows = zip(facts["words_by_depth"], facts["mass_by_depth"], strict=True)
    for depth, (words, mass) in enumerate(rows):
        if words:
            bar = "█" * max(1, round(30 * mass / most))
            table.add_row(str(depth), f"{words:,}", f"{mass:.2%}", bar)
    return table


def _split_table(splits: list[dict[str, Any]]) -> "Table":
    """Two rows per split: its left and its right side."""
    columns = ("node", "side", "share", "words", "most frequent", "typical")
    table = show.table("First splits", *columns)
    for split in splits:
        for node, side in ((split["code"] or "root", "left"), ("", "right")):
            part = split[side]
            examples = (show.plain(" ".join(part[kind])) for kind in ("frequent", "typical"))
            table.add_row(node, side, f"{part['mass']:.1%}", f"{part['words']:,}", *examples)
    return table


def _figure(value: object) -> str:
    return f"{value:,.4f}" if isinstance(value, float) else cell(value)

"""The commands that show trees: `tree stats`, `tree compare`, `tree show`, `tree export`."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from w2v_hs.cli import completion, show
from w2v_hs.model.description import cell

if TYPE_CHECKING:
    from w2v_hs.model.model import Model
    from w2v_hs.tree.tree import Tree as WordTree

_model = click.argument("model", type=click.Path(path_type=Path))
_text = click.option(
    "--text",
    multiple=True,
    shell_complete=completion.texts,
    help="Measure the loss of this text too. Can be repeated.",
)
FIGURES = {
    "words": "words",
    "expected_length": "expected length, bits",
    "entropy": "entropy, bits",
    "gap": "gap, bits",
    "shallowest_leaf": "shallowest leaf",
    "deepest_leaf": "deepest leaf",
    "nats": "nats a prediction",
}


@click.group()
def tree() -> None:
    """Show, compare and export the trees of models.

    \b
    w2v-hs tree stats model.safetensors
    w2v-hs tree show model.safetensors coffee -k 30
    """


@tree.command()
@_model
@_text
@click.option(
    "--levels",
    type=click.IntRange(min=0),
    default=2,
    show_default=True,
    help="Levels of splits to show.",
)
@show.as_json
def stats(model: Path, text: tuple[str, ...], levels: int, json_out: bool) -> None:
    """Show lengths, mass by depth and the first splits of a tree.

    A split is shown by the most frequent words of each side and by the most typical, those nearest
    to the middle of the side.

    \b
    w2v-hs tree stats model.safetensors
    w2v-hs tree stats model.safetensors --text held-out.txt --json
    """
    facts = _facts(model, text, levels)
    if json_out:
        show.print_json(facts)
        return
    console = show.console()
    table = show.table(f"{model.name}: {facts['kind']} tree", "", "")
    for name, title in FIGURES.items():
        if name in facts:
            table.add_row(title, _figure(facts[name]))
    console.print(table)
    most = max(facts["mass_by_depth"])
    depths = show.table("Mass by depth", "depth", "words", "share of text", "")
    rows = zip(facts["words_by_depth"], facts["mass_by_depth"], strict=True)
    for depth, (words, mass) in enumerate(rows):
        if words:
            bar = "█" * max(1, round(30 * mass / most))
            depths.add_row(str(depth), f"{words:,}", f"{mass:.2%}", bar)
    console.print(depths)
    if not facts["splits"]:
        return
    splits = show.table(
        "First splits", "node", "side", "share", "words", "most frequent", "typical"
    )
    for split in facts["splits"]:
        for side in ("left", "right"):
            part = split[side]
            splits.add_row(
                (split["code"] or "root") if side == "left" else "", side, f"{part['mass']:.1%}",
                f"{part['words']:,}", show.plain(" ".join(part["frequent"])),
                show.plain(" ".join(part["typical"])),
            )  # fmt: skip
    console.print(splits)


@tree.command()
@click.argument("a", type=click.Path(path_type=Path))
@click.argument("b", type=click.Path(path_type=Path))
@_text
@show.as_json
def compare(a: Path, b: Path, text: tuple[str, ...], json_out: bool) -> None:
    """Show the trees of two models side by side.

    \b
    w2v-hs tree compare huffman.safetensors learned.safetensors --text held-out.txt
    """
    from rich.markup import escape

    both = [_facts(model, text, 0) for model in (a, b)]
    if json_out:
        show.print_json([{"model": str(m), **f} for m, f in zip((a, b), both, strict=True)])
        return
    table = show.table("Trees", "", *(escape(model.name) for model in (a, b)))
    table.add_row("kind", *(facts["kind"] for facts in both))
    for name, title in FIGURES.items():
        if name in both[0]:
            table.add_row(title, *(_figure(facts[name]) for facts in both))
    depth = max(len(facts["mass_by_depth"]) for facts in both)
    for at in range(depth):
        shares = [dict(enumerate(facts["mass_by_depth"])).get(at, 0.0) for facts in both]
        if any(shares):
            table.add_row(f"share of text at depth {at}", *(f"{share:.2%}" for share in shares))
    show.console().print(table)


@tree.command("show")
@_model
@click.argument("word")
@click.option("-k", default=20, show_default=True, help="The most words to show.")
@show.as_json
def show_word(model: Path, word: str, k: int, json_out: bool) -> None:
    """Draw the part of the tree around WORD.

    JSON gives nested lists, which `w2v_hs.train(tree=...)` takes for a whole tree.

    \b
    w2v-hs tree show model.safetensors coffee -k 30
    """
    from rich.tree import Tree

    from w2v_hs.model.tree_statistics import Nested, neighbourhood

    code, part = neighbourhood(_with_tree(model)[0], word, k)
    if json_out:
        show.print_json({"code": code, "part": part})
        return

    def draw(inside: Nested, into: Tree) -> None:
        for member in inside:
            if isinstance(member, str):
                into.add(show.plain(member + (" ◀" if member == word else "")))
            else:
                draw(member, into.add("┐"))

    drawing = Tree(show.plain(code or "root"))
    draw(part, drawing)
    show.console().print(drawing)


@tree.command()
@_model
@click.argument("output", type=click.Path(path_type=Path))
def export(model: Path, output: Path) -> None:
    """Write the tree of MODEL to OUTPUT.

    The file has a line 'word bits' for each word. 'w2v-hs train --tree OUTPUT' takes such a file.

    \b
    w2v-hs tree export model.safetensors tree.txt
    """
    from w2v_hs.tree.user_trees import save_codes

    show.check_distinct([output], [model])
    loaded, tree = _with_tree(model)
    save_codes(output, tree, loaded.vocabulary.words)
    click.echo(f"wrote the codes of {len(loaded.vocabulary):,} words to {output}", err=True)


def _with_tree(path: Path) -> "tuple[Model, WordTree]":
    """The model of a file and its tree; `OptionError` where it has none."""
    from w2v_hs.errors import OptionError
    from w2v_hs.model import load

    model = load(path)
    if model.tree is None:
        raise OptionError(f"{path}: a model of the full softmax has no tree")
    return model, model.tree


def _facts(path: Path, text: tuple[str, ...], levels: int) -> dict[str, Any]:
    from w2v_hs.model.tree_statistics import anatomy

    model, _ = _with_tree(path)
    facts = anatomy(model, levels).as_dict()
    if text:
        facts["nats"] = model.perplexity([Path(name) for name in text], progress=True).nats
    return facts


def _figure(value: object) -> str:
    return f"{value:,.4f}" if isinstance(value, float) else cell(value)

"""What the command line prints: tables for people, JSON for programs."""

import glob
import json
import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from w2v_hs.checks import shown
from w2v_hs.files.atomic import replacing

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    from w2v_hs.model.model import Model

as_json = click.option("--json", "json_out", is_flag=True, help="Print JSON instead of a table.")


def console() -> "Console":
    """A rich console on standard output."""
    from rich.console import Console

    return Console()


def table(title: str, *columns: str) -> "Table":
    """An empty table; without names of columns it has no header."""
    from rich.table import Column, Table

    # What is longer than the screen is wide goes on in the next line; by default it would be cut.
    folded = [Column(name, overflow="fold") for name in columns]
    return Table(*folded, title=plain(title), title_justify="left", show_header=any(columns))


def plain(text: str) -> "Text":
    """Text that rich shows as it is: brackets in a word are no markup."""
    from rich.text import Text

    return Text(shown(text))


def print_words(title: str, found: list[tuple[str, float]], as_json: bool) -> None:
    """Words with their cosines."""
    if as_json:
        print_json([{"word": word, "similarity": similarity} for word, similarity in found])
        return
    rows = table(title, "word", "cosine")
    for word, similarity in found:
        rows.add_row(plain(word), f"{similarity:.3f}")
    console().print(rows)


def print_json(value: object) -> None:
    """JSON on standard output."""
    click.echo(json.dumps(value, indent=2, ensure_ascii=False, allow_nan=False))


def write_json(path: Path, value: object) -> None:
    """JSON to a file, which stays as it was if anything fails."""
    with replacing(path) as temporary:
        temporary.write_text(json.dumps(value, indent=2, allow_nan=False) + "\n")


def summary(model: "Model", path: Path) -> str:
    """Three lines that say what a run gave."""
    facts, corpus = model.provenance, model.provenance["corpus"]
    tokens = corpus["retained_tokens"] * len(model.losses)
    seconds, threads = facts["training_seconds"], model.options.threads
    mended = corpus["mended_utf8"]
    return (
        f"{len(model.vocabulary):,} of {corpus['types']:,} types, "
        f"{corpus['retained_tokens']:,} of {corpus['tokens']:,} tokens"
        + (f", {mended:,} malformed UTF-8 sequences mended" if mended else "")
        + f"\ntrained in {seconds:.1f} s ({tokens / seconds:,.0f} words/s, {threads} "
        f"thread{'s' if threads > 1 else ''}), loss by epoch: "
        + " ".join("-" if loss is None else f"{loss:.3f}" for loss in model.losses)
        + _holdout(model)
        + _cluster(facts.get("cluster"))
        + f"; peak memory {facts['peak_memory_bytes'] / 1e6:.0f} MB\nwrote {shown(path)}"
    )


def update_summary(model: "Model", path: Path) -> str:
    """Two lines that say what more text gave to a model."""
    facts = model.provenance["updates"][-1]
    corpus, losses = facts["corpus"], facts["losses"]
    seconds = facts["training_seconds"]
    return (
        f"{corpus['retained_tokens']:,} of {corpus['tokens']:,} tokens trained in {seconds:.1f} s "
        f"from the learning rate {facts['lr']:g}, loss by epoch: "
        + " ".join("-" if loss is None else f"{loss:.3f}" for loss in losses)
        + f"; peak memory {facts['peak_memory_bytes'] / 1e6:.0f} MB\nwrote {shown(path)}"
    )


def _cluster(cost: dict[str, float] | None) -> str:
    """What the rounds on a cluster cost, where there was one."""
    if cost is None:
        return ""
    sent = cost["sent"] / max(cost["rounds"], 1)
    return (
        f"\n{cost['rounds']} rounds on {cost['parts']} workers, which sent {sent / 1e6:,.1f} MB a "
        f"round and trained for {cost['training']:.1f} s"
    )


def _holdout(model: "Model") -> str:
    """The losses of the sentences set aside, where there are any."""
    if not model.holdout_losses:
        return ""
    facts = model.provenance["holdout"]
    return (
        f"\nloss of the {facts['sentences']:,} sentences set aside by epoch: "
        + " ".join(f"{loss:.3f}" for loss in model.holdout_losses)
        + f" (unigram {facts['unigram_nats']:.3f}"
        + (f", subsampled {facts['sampled_unigram_nats']:.3f}" if model.options.sample else "")
        + ")"
        + (f"; kept epoch {facts['best_epoch']}" if model.options.patience else "")
    )


def check_distinct(outputs: Sequence[Path | None], inputs: Sequence[Path | None]) -> None:
    """Refuse to write over what is read, by a folder or pattern too, to write a file twice, or to
    write to '-', which stands for standard output elsewhere."""
    given = [path for path in inputs if path is not None]
    taken = {path.resolve() for path in given}
    for path in outputs:
        if path is None:
            continue
        if str(path) == "-":
            raise click.UsageError("the output '-': a file is written, give its name")
        real = path.resolve()
        if real in taken:
            raise click.UsageError(f"{path} is given twice; writing it would destroy the other")
        for source in given if os.path.exists(path) else ():  # noqa: PTH110 (never raises)
            if real in _taken_in(source):
                raise click.UsageError(
                    f"{path} is one of the files of {source}; writing it would destroy what is read"
                )
        taken.add(real)


def _taken_in(source: Path) -> Iterator[Path]:
    """The files that a folder or a pattern stands for."""
    if os.path.isdir(source):  # noqa: PTH112 (never raises)
        yield from (path.resolve() for path in source.rglob("*") if path.is_file())
    elif glob.has_magic(str(source)) and not os.path.exists(source):  # noqa: PTH110
        for name in glob.iglob(str(source), recursive=True):  # noqa: PTH207 (as `find_sources`)
            found = Path(name)
            yield found.resolve()
            if found.is_dir():
                yield from _taken_in(found)

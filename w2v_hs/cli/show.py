"""Printed results: tables for people, JSON for programs, summaries of training runs."""

import json
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

import click

from w2v_hs.checks import shown
from w2v_hs.formatting import HELD_OUT_LOSS, mended, rise, sparkline
from w2v_hs.formatting import plain as plain

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

    from w2v_hs.model.model import Model


def console() -> "Console":
    """A rich console on standard output."""
    from rich.console import Console

    return Console()


def table(title: str, *columns: str) -> "Table":
    """An empty table, with a header if any column has a name."""
    from rich.table import Column, Table

    # Long cells wrap; by default rich would cut them. A title would fold to the width of its table.
    folded, text = [Column(name, overflow="fold") for name in columns], plain(title)
    return Table(*folded, title=text, title_justify="left", min_width=text.cell_len, show_header=any(columns))


def words_as_json(found: list[tuple[Any, float]]) -> list[dict[str, Any]]:
    """Words with their cosines as JSON objects."""
    return [{"word": word, "similarity": similarity} for word, similarity in found]


def print_words(title: str, found: list[tuple[Any, float]]) -> None:
    """Print a table of words with their cosines."""
    rows = table(title, "word", "cosine")
    for word, similarity in found:
        rows.add_row(plain(word), f"{similarity:.3f}")
    console().print(rows)


def print_json(value: object) -> None:
    """Print JSON on standard output."""
    click.echo(json.dumps(value, indent=2, ensure_ascii=False, allow_nan=False))


def end(ctx: click.Context, faults: Iterable[object]) -> NoReturn:
    """Print an error for each fault; exit with 1 if there is any."""
    faults = list(faults)
    for fault in faults:
        click.echo(f"error: {fault}", err=True)
    ctx.exit(1 if faults else 0)


def write_json(path: Path, value: object) -> None:
    """Write JSON to a file; on failure an existing file stays unchanged."""
    from w2v_hs.files.atomic import replacing

    with replacing(path) as temporary:
        temporary.write_text(json.dumps(value, indent=2, allow_nan=False) + "\n")


def training_summary(model: "Model", path: Path) -> str:
    """The corpus, speed and losses of the run that trained a model, in four lines or more."""
    from w2v_hs.training.start import describe

    facts, corpus = model.provenance, model.provenance["corpus"]
    others = facts.get("replicas", [])[1:]  # whose losses are in the means
    epochs = len(model.losses) + sum(len(run["losses"]) for run in others)
    tokens = corpus["retained_tokens"] * epochs
    seconds, threads = facts["training_seconds"], model.options.threads
    return (
        f"{_files(corpus)}{len(model.vocabulary):,} of {corpus['types']:,} types, "
        f"{corpus['retained_tokens']:,} of {corpus['tokens']:,} tokens"
        + (f", {_mended(corpus)}" if corpus["decoding_errors"] else "")
        + (f"\n{describe(facts)}" if describe(facts) else "")
        + f"\ntrained in {seconds:.1f} s ({tokens / seconds:,.0f} words/s, {threads} "
        f"thread{'s' if threads > 1 else ''}) with sample {model.options.sample:g}, lr {model.options.lr:.3g}"
        + _memory(facts["peak_memory_bytes"])
        + (_replica_losses(model.losses) if "replicas" in facts else _training_losses(model.losses))
        + _holdout_summary(model)
        + _cluster_summary(facts.get("cluster"))
        + f"\nwrote {shown(path)}"
    )


def _files(corpus: dict[str, Any]) -> str:
    """How many files were read, if several."""
    return f"{len(corpus['names']):,} files, " if len(corpus["names"]) > 1 else ""


def _mended(corpus: dict[str, Any]) -> str:
    preprocessing = corpus["preprocessing"]
    return mended(corpus["decoding_errors"], preprocessing["encoding"], preprocessing["errors"])


def update_summary(model: "Model", path: Path) -> str:
    """The corpus, speed and losses of the latest update of a model, in three lines or more."""
    facts = model.provenance["updates"][-1]
    corpus = facts["corpus"]
    return (
        f"{_files(corpus)}{corpus['retained_tokens']:,} of {corpus['tokens']:,} tokens trained"
        + (f" ({_mended(corpus)})" if corpus["decoding_errors"] else "")
        + f" in {facts['training_seconds']:.1f} s from the learning rate {facts['lr']:g}"
        + _memory(facts["peak_memory_bytes"])
        + _training_losses(facts["losses"])
        + f"\nwrote {shown(path)}"
    )


def _memory(peak_bytes: int) -> str:
    return f"; peak memory {peak_bytes / 1e6:.0f} MB"


def _training_losses(losses: list[float | None]) -> str:
    """The running losses; if they rise at the end, what that means."""
    why = rise(losses)
    return f"\nloss by epoch: {by_epoch(losses)}" + (f"\n  {why}" if why else "")


def _replica_losses(losses: list[float | None]) -> str:
    """The mean losses of the runs, and of the tree that is fitted to their merged vectors."""
    return (
        _training_losses(losses[:-1]) + f"\nloss of the tree of the merged vectors: {by_epoch(losses[-1:])}"
    )


def by_epoch(losses: list[float | None]) -> str:
    """Up to five losses; of more the first, a sparkline, the last and the lowest."""
    known = [loss for loss in losses if loss is not None]
    if len(losses) <= 5 or not known:
        return " ".join("-" if loss is None else f"{loss:.3f}" for loss in losses)
    lowest = f"lowest {min(known):.3f} in epoch {losses.index(min(known)) + 1}"
    return f"first {known[0]:.3f} {sparkline(known)} last {known[-1]:.3f}, {lowest}"


def _cluster_summary(cost: dict[str, float] | None) -> str:
    """Rounds, traffic and training time on a cluster; empty for a run in one process."""
    if cost is None:
        return ""
    sent = cost["sent"] / max(cost["rounds"], 1)
    return (
        f"\n{cost['rounds']} rounds on {cost['parts']} workers, which sent {sent / 1e6:,.1f} MB a "
        f"round and trained for {cost['training']:.1f} s"
    )


def _holdout_summary(model: "Model") -> str:
    """Losses of the held-out sentences; empty for a run without any."""
    if not model.holdout_losses:
        return ""
    facts, losses = model.provenance["holdout"], list[float | None](model.holdout_losses)
    subsampled = ""
    if model.options.sample:
        subsampled = (
            " (it can be lower than the model's: this learns from subsampled text, where it is "
            f"{facts['sampled_unigram_nats']:.3f})"
        )
    if model.options.patience:
        kept = f"; kept epoch {facts['best_epoch']}"
    else:
        why = rise(losses, HELD_OUT_LOSS)
        kept = f"\n  {why}" if why else ""
    return (
        f"\nheld-out loss by epoch ({facts['sentences']:,} sentences): {by_epoch(losses)}{kept}\n"
        f"  of unigram frequencies: {facts['unigram_nats']:.3f}{subsampled}"
    )

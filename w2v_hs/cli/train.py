"""The commands that train: `train` and `resume`."""

import contextlib
import os
import signal
from collections.abc import Iterator
from dataclasses import fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from w2v_hs.checks import argument, shown
from w2v_hs.cli import parameters, show
from w2v_hs.cli.stopping import exit_when_interrupted
from w2v_hs.files.outputs import check_unchanged, checksum, reserved
from w2v_hs.options import COMPASS_OPTIONS, SENTENCE, Options, Preprocessing

if TYPE_CHECKING:
    from w2v_hs.model.model import Model
    from w2v_hs.training.observers.checkpoint import CheckpointSettings

# An update with --resume-from can set these; the model determines all other training options.
_UPDATE_OPTIONS = ("epochs", "min_count", "lr", "threads", "seed")
_FIXED_BY_MODEL = {field.name for field in fields(Options)} | {"vocab"}

_scheduler_option = click.option(
    "--scheduler",
    metavar="ADDRESS",
    help="Train on the workers of this Dask scheduler, such as tcp://host:8786.",
)


@click.command(context_settings={"show_default": True})
@parameters.texts_argument
@click.option(
    "-o",
    "--output",
    type=parameters.FILE,
    help="Model file to write.  [default: with --resume-from, that model is replaced]",
)
@parameters.training_options
@click.option(
    "--vocab",
    type=parameters.FILE,
    help="Read words and counts from this file of 'word count' lines; --min-count and "
    "--max-vocab are then ignored.",
)
@click.option(
    "--keep-replicas",
    is_flag=True,
    help="With --replicas: save each run, too, when it ends, in a new folder beside OUTPUT: "
    "m-replicas/1.safetensors and so on. See 'stability'.",
)
@click.option("--save-vocab", type=parameters.FILE, help="Write 'word count' lines to this file.")
@click.option(
    "--resume-from",
    type=parameters.FILE,
    metavar="MODEL",
    help="Continue training this model instead of a new one.",
)
@click.option(
    "--update-vocab",
    is_flag=True,
    help="With --resume-from: add words of TEXT that MODEL does not know; by default they are left out.",
)
@parameters.start_options
@parameters.preprocessing_options
@click.option(
    "--checkpoint-every",
    default=300.0,
    metavar="SECONDS",
    help="Seconds between checkpoints; 0: only when interrupted.",
)
@_scheduler_option
@click.option(
    "--rounds",
    type=click.IntRange(1, 1_000_000),
    help="With --scheduler, but not --replicas: how often the updates of the workers are merged in each "
    "epoch."
    "  [default: chosen by cost]",
)
@click.pass_context
def train(
    ctx: click.Context,
    /,
    text: tuple[str, ...],
    output: Path | None,
    vocab: Path | None,
    keep_replicas: bool,
    save_vocab: Path | None,
    resume_from: Path | None,
    update_vocab: bool,
    init: Path | None,
    freeze: str | None,
    compass: Path | None,
    checkpoint_every: float,
    scheduler: str | None,
    rounds: int | None,
    **options: Any,
) -> None:
    """Train vectors on TEXT and write a model.

    TEXT is one or more files (plain, .gz, .bz2, .xz; .zst with the extra zst), folders, quoted
    patterns, '-' for standard input, 'nltk:NAME' for a corpus of NLTK, or a named corpus ('w2v-hs
    corpus list'). One sentence per line, tokens separated by white space; raw text needs
    '--tokenize words --lowercase'. Parquet files and JSON lines need --text-column.

    'w2v-hs resume' continues an interrupted run from its checkpoint, beside the output.

    \b
    w2v-hs train wiki.txt -o wiki.safetensors
    w2v-hs train a.txt b.txt.gz texts/ -o m.safetensors --arch cbow --dim 200 --threads 2
    w2v-hs train - -o m.safetensors < wiki.txt
    w2v-hs train wiki.txt -o m.safetensors --epochs 50 --holdout 0.01 --patience 2
    w2v-hs train wiki.txt -o m.safetensors --tree huffman
    w2v-hs train wiki.txt -o m.safetensors --subwords 3-6
    w2v-hs train wiki.txt -o wiki.safetensors --replicas 3 --keep-replicas --resample
    w2v-hs train raw.txt -o m.safetensors --tokenize words --lowercase
    w2v-hs train 'data/*.parquet' -o m.safetensors --text-column text
    w2v-hs train --resume-from m.safetensors --update-vocab news.txt -o m2.safetensors
    w2v-hs train wiki.txt -o m2.safetensors --init m.safetensors
    w2v-hs train news.txt -o m2.safetensors --compass m.safetensors
    w2v-hs train s3://bucket/texts -o m.safetensors --tree huffman --scheduler tcp://host:8786
    """
    from w2v_hs.files.atomic import growing_folder
    from w2v_hs.model import load
    from w2v_hs.training.api import train_with
    from w2v_hs.training.observers.checkpoint import CheckpointSettings, checkpoint_path, new_checkpoint
    from w2v_hs.training.observers.run_texts import named_texts
    from w2v_hs.training.recipe import warn_of_small_text
    from w2v_hs.training.start import read_compass, read_init
    from w2v_hs.tree.user_trees import choose_tree

    explicit = _explicit_options(ctx)
    _check_combinations(ctx.params, explicit)
    output = _checked_output(output, resume_from)
    prepared = {field.name: options.pop(field.name) for field in fields(Preprocessing)}
    kind, tree = choose_tree(options["tree"])
    run = Options(**options | {"tree": kind})
    sources, checkpoint = _sources(text, scheduler), checkpoint_path(output)
    vocab_name = None if save_vocab is None else _seen_from(checkpoint, save_vocab)
    settings = CheckpointSettings(checkpoint, checkpoint_every, named_texts(sources), save_vocab=vocab_name)
    tree_file = None if tree is None else Path(options["tree"])
    model_read = resume_from if output != resume_from else None
    read = [vocab, tree_file, model_read, init, freeze, compass]
    beside = output.with_name(f"{output.stem}-replicas") if keep_replicas else None
    with (
        reserved([output, save_vocab], [*text, *read], [checkpoint, beside]),
        exit_when_interrupted(scheduler),
        contextlib.nullcontext() if beside is None else growing_folder(beside) as folder,
        # Also for replicas, which write none: that of an earlier run stays.
        new_checkpoint(settings, keep_ended=run.replicas == 1),
        _connected(scheduler) as client,
    ):
        settings = replace(settings, output_before=checksum(output), vocab_before=checksum(save_vocab))
        if resume_from is None:
            preprocessing = Preprocessing(**{n: value for n, value in prepared.items() if value is not None})
            dim = run.dim if "dim" in explicit else None
            frozen = freeze == "all" if freeze in (None, "all") else freeze
            base = read_compass(compass)
            if base is not None:
                preprocessing = base.model.preprocessing_of([*map(Path, text)], **prepared)
            model = train_with(
                run,
                sources,
                tree=tree,
                vocab=vocab,
                preprocessing=preprocessing,
                settings=replace(settings, preprocessing=preprocessing) if run.replicas == 1 else None,
                client=client,
                rounds=rounds,
                init=read_init(init, frozen, dim),
                compass=base,
                keep_replicas=folder,
                show=True,
            )
            if not {"epochs", "window"} & set(explicit):
                warn_of_small_text(model)
        else:
            given = {name: options[name] for name in _UPDATE_OPTIONS if name in explicit}
            model = load(resume_from)
            preprocessing = model.preprocessing_of([*map(Path, text)], **prepared)
            _update(model, sources, replace(settings, preprocessing=preprocessing), update_vocab, given)
        _finish(model, output, save_vocab, checkpoint if run.replicas == 1 else None)
    if beside is not None:
        click.echo(f"wrote {run.replicas} runs to {shown(beside)}", err=True)


@click.command()
@click.argument("checkpoint", type=parameters.FILE)
@click.argument("text", nargs=-1, type=parameters.NAME, shell_complete=parameters.complete_texts)
@_scheduler_option
def resume(checkpoint: Path, text: tuple[str, ...], scheduler: str | None) -> None:
    """Resume an interrupted run of 'train' from CHECKPOINT.

    The run writes its model as if it had not been interrupted: m.checkpoint.safetensors leads to
    m.safetensors, unless another file came there meanwhile. With one thread the result is identical
    to the bit. Give TEXT if it has moved or came from standard input.

    \b
    w2v-hs resume m.checkpoint.safetensors
    w2v-hs resume m.checkpoint.safetensors - < wiki.txt
    w2v-hs resume m.checkpoint.safetensors --scheduler tcp://host:8786
    """
    from w2v_hs.training.observers.checkpoint import load_checkpoint, output_path
    from w2v_hs.training.resuming import resumed

    output, saved = output_path(checkpoint), load_checkpoint(checkpoint)
    run, folder = saved.settings, checkpoint.parent
    save_vocab = None if run.save_vocab is None else Path(os.path.realpath(folder / run.save_vocab))
    with reserved([output, save_vocab], text or run.texts or (), [checkpoint]):
        check_unchanged(output, run.output_before)
        check_unchanged(save_vocab, run.vocab_before)
        with (
            exit_when_interrupted(scheduler),
            _connected(scheduler) as client,
            resumed(saved, _sources(text, scheduler) or None, client, progress=True) as model,
        ):
            _finish(model, output, save_vocab, checkpoint)


# ---- usage --------------------------------------------------------------------------------------


def _explicit_options(ctx: click.Context) -> list[str]:
    """Names of the parameters that the user gave."""
    commandline = click.core.ParameterSource.COMMANDLINE
    return [name for name in ctx.params if ctx.get_parameter_source(name) is commandline]


def _check_combinations(params: dict[str, Any], explicit: list[str]) -> None:
    """Refuse options that exclude each other, or lack the one they need."""
    updates, grows = params["resume_from"] is not None, params["update_vocab"]
    on_cluster, freeze = params["scheduler"] is not None, params["freeze"] is not None
    # Options that name a model, and what can be set beside them.
    own = {"resume_from": _UPDATE_OPTIONS, "compass": COMPASS_OPTIONS}
    bases = [name for name in own if params[name] is not None]
    other = next((name for name in ("init", "compass") if params[name] is not None), None)
    contradictions = (
        (
            updates and other is not None,
            f"--resume-from with --{other}: the model has vectors and tree; leave one of them out",
        ),
        (updates and on_cluster, "--resume-from with --scheduler: an update runs in one process"),
        (
            params["rounds"] is not None and not on_cluster,
            "--rounds without --scheduler: only a cluster merges updates in rounds",
        ),
        (updates and params["keep_replicas"], "--resume-from with --keep-replicas: an update is one run"),
        (freeze and params["init"] is None, "--freeze needs --init, the vectors to keep"),
        (grows and not updates, "--update-vocab needs --resume-from, the model to extend"),
        (
            updates and not grows and "min_count" in explicit,
            "--min-count without --update-vocab: no new words are added",
        ),
        (
            "buckets" in explicit and params["subwords"] is None and not bases,
            "--buckets without --subwords: only n-grams are hashed",
        ),
        (
            "shrink_windows" in explicit and params["window"] == SENTENCE,
            f"--shrink-windows with --window {SENTENCE}: such a window has its full size; leave it out",
        ),
        (
            params["loss"] == "softmax" and "tree" in explicit,
            "--tree with --loss softmax: the full softmax has none",
        ),
    )
    for found, message in contradictions:
        if found:
            raise click.UsageError(message)
    for base in bases:
        for name in explicit:
            if name in _FIXED_BY_MODEL.difference(own[base]):
                option, model = name.replace("_", "-"), base.replace("_", "-")
                raise click.UsageError(f"--{option} with --{model}: the model determines it; leave it out")


def _checked_output(output: Path | None, resume_from: Path | None) -> Path:
    """The model file to write; `resume_from` must not be the checkpoint of an unfinished run."""
    from w2v_hs.files.atomic import CHECKPOINT_SUFFIX

    output = output or resume_from
    if output is None:
        raise click.UsageError("Missing option '-o' / '--output'.")
    if output.suffix != ".safetensors":
        raise click.UsageError(f"the output {shown(output)} must end in .safetensors")
    if resume_from is not None and resume_from.name.endswith(CHECKPOINT_SUFFIX):
        raise click.UsageError(
            f"--resume-from {shown(resume_from)}: the checkpoint of an unfinished run; finish it "
            f"with w2v-hs resume {argument(resume_from)}"
        )
    return output


# ---- training -----------------------------------------------------------------------------------


def _seen_from(checkpoint: Path, path: Path) -> str:
    """The name of an output in a checkpoint: if both are relative, they may move together."""
    if path.is_absolute() or checkpoint.is_absolute():
        return str(path.absolute())
    return os.path.relpath(os.path.realpath(path), os.path.realpath(checkpoint.parent))


def _sources(text: tuple[str, ...], scheduler: str | None) -> list[str | Path]:
    """Texts as paths or, on a cluster, as addresses."""
    return [source if scheduler is not None and "://" in source else Path(source) for source in text]


@contextlib.contextmanager
def _connected(scheduler: str | None) -> Iterator[object]:
    """A client of the scheduler; None without one."""
    if scheduler is None:
        yield None
        return
    from w2v_hs.training.cluster.client import connect

    with connect(scheduler) as client:
        yield client


def _update(
    model: "Model",
    sources: list[str | Path],
    settings: "CheckpointSettings",
    new_words: bool,
    given: dict[str, Any],
) -> None:
    """Update a model with more text; `given` are the options that override those of the model."""
    from w2v_hs.training.update import update

    known = len(model.vocabulary)
    update(model, sources, settings.preprocessing, new_words=new_words, settings=settings, show=True, **given)
    words = len(model.vocabulary)
    click.echo(f"{words - known:,} new words, {words:,} in all", err=True)
    corpus = model.provenance["updates"][-1]["corpus"]
    unknown = corpus["tokens"] - corpus["retained_tokens"]
    if unknown and not new_words:
        click.echo(
            f"left out {unknown:,} tokens of words that the model does not know; --update-vocab adds words",
            err=True,
        )


def _finish(model: "Model", output: Path, save_vocab: Path | None, checkpoint: Path | None) -> None:
    """Write the results of a run, remove its checkpoint, which is held, and print its summary.

    A signal comes too late to stop what is done but for the writing; a second one ends it at once.
    """
    from w2v_hs.training.observers.interruption import StopSignals

    with StopSignals((signal.SIGINT, signal.SIGTERM), lambda note: None):
        model.save(output)
        if save_vocab is not None:
            model.vocabulary.save(save_vocab)
        if checkpoint is not None:
            checkpoint.unlink(missing_ok=True)
    updated = "updates" in model.provenance
    click.echo((show.update_summary if updated else show.training_summary)(model, output), err=True)

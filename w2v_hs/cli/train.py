"""The commands that train: `train` and `demo`."""

import contextlib
import shlex
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from w2v_hs.checks import argument, shown
from w2v_hs.cli import completion, show, text_options
from w2v_hs.errors import Interrupted
from w2v_hs.options import ARCHITECTURES, LOSSES, ORDERS, TREES, Options

if TYPE_CHECKING:
    from w2v_hs.model.model import Model
    from w2v_hs.training.checkpoint import CheckpointSettings

Command = TypeVar("Command", bound=Callable[..., Any])

# Options that make sense for a model that goes on with more text.
_UPDATED = ("epochs", "min_count", "lr", "threads", "seed")
_RESUMED = (
    "text", "output", "save_vocab", "resume_from", "update_vocab", "errors", "lowercase",
    "tokenize", "split_sentences", "text_column", "checkpoint_every", *_UPDATED,
)  # fmt: skip


def _training_options(command: Command) -> Command:
    """Options of `train`; the defaults are those of `Options`."""
    default = Options()
    for option in reversed(
        (
            click.option(
                "--arch",
                type=click.Choice(ARCHITECTURES),
                default=default.arch,
                help="Architecture: predict each word from one context word, or from their mean.",
            ),
            click.option(
                "--loss",
                type=click.Choice(LOSSES),
                default=default.loss,
                help="Hierarchical softmax, or full softmax for small vocabularies.",
            ),
            click.option(
                "--tree",
                default=default.tree,
                metavar="[learned|huffman|balanced|FILE]",
                shell_complete=completion.files_or(lambda: TREES[:3]),
                help="Tree for hierarchical softmax: learned while vectors are trained, of the "
                "shortest paths, of equal depths, or from a file of 'word bits' lines.",
            ),
            click.option(
                "--tree-order",
                type=click.Choice(ORDERS),
                default=default.tree_order,
                help="Order of the words in a balanced tree.",
            ),
            click.option("--dim", default=default.dim, help="Length of a vector."),
            click.option(
                "--window", default=default.window, help="Farthest context word to either side."
            ),
            click.option("--epochs", default=default.epochs, help="Passes over the text."),
            click.option(
                "--min-count", default=default.min_count, help="Leave out words rarer than this."
            ),
            click.option("--max-vocab", type=int, help="Keep this many words at most."),
            click.option(
                "--sample",
                default=default.sample,
                help="Subsampling threshold of frequent words; 0 turns it off.",
            ),
            click.option(
                "--lr",
                type=float,
                help="Learning rate at the start.  [default: 0.025, CBOW 0.05]",
            ),
            click.option("--threads", type=int, help="Threads.  [default: one a core]"),
            click.option("--seed", default=default.seed, help="Seed of all random numbers."),
            click.option(
                "--holdout",
                default=default.holdout,
                help="Set this share of the sentences aside and measure their loss after each "
                "epoch.",
            ),
            click.option(
                "--patience",
                type=int,
                help="With --holdout: stop after this many epochs without a smaller loss of the "
                "sentences set aside, and keep the best.  [default: all epochs]",
            ),
        )
    ):
        command = option(command)
    return command


_scheduler = click.option(
    "--scheduler",
    metavar="ADDRESS",
    help="Train on the workers of this Dask scheduler, as in tcp://host:8786.",
)


@click.command(context_settings={"show_default": True})
@click.argument("text", nargs=-1, required=True, shell_complete=completion.texts)
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path),
    help="Model file.  [default: with --resume-from that model, which is replaced]",
)
@_training_options
@click.option(
    "--vocab",
    type=click.Path(path_type=Path),
    help="Take words and counts from this file of 'word count' lines; then --min-count and "
    "--max-vocab do not apply.",
)
@click.option(
    "--save-vocab", type=click.Path(path_type=Path), help="Write 'word count' lines to this file."
)
@click.option(
    "--resume-from",
    type=click.Path(path_type=Path),
    metavar="MODEL",
    help="Go on with this model instead of a new one.",
)
@click.option(
    "--update-vocab",
    is_flag=True,
    help="With --resume-from: words of TEXT that MODEL does not know join it; else they are left "
    "out.",
)
@text_options.text_options
@text_options.errors
@click.option(
    "--checkpoint-every",
    default=300.0,
    metavar="SECONDS",
    help="Write a checkpoint beside the output so often, from which 'w2v-hs resume' goes on; "
    "0: only when stopped by Ctrl-C or SIGTERM.",
)
@_scheduler
@click.option(
    "--rounds",
    type=click.IntRange(1, 1_000_000),
    help="With --scheduler: how often in an epoch the workers put together what they have learned."
    "  [default: by what that costs]",
)
@click.pass_context
def train(
    ctx: click.Context, /, text: tuple[str, ...], output: Path | None, vocab: Path | None,
    save_vocab: Path | None, resume_from: Path | None, update_vocab: bool, lowercase: bool,
    errors: str, tokenize: str, split_sentences: str | None, text_column: str | None,
    checkpoint_every: float, scheduler: str | None, rounds: int | None, **options: Any,
) -> None:  # fmt: skip
    """Train vectors on TEXT and write a model.

    TEXT is one or more files (plain, .gz, .bz2, .xz; .zst with the extra zst), folders, quoted
    patterns, '-' for standard input, 'nltk:NAME' for a corpus of NLTK, or a named corpus ('w2v-hs
    corpus list'). One sentence a line, tokens separated by white space; raw text needs --tokenize.
    Parquet files and JSON lines need --text-column.

    \b
    w2v-hs train wiki.txt -o wiki.safetensors
    w2v-hs train a.txt b.txt.gz texts/ -o m.safetensors --arch cbow --dim 200 --threads 2
    w2v-hs train - -o m.safetensors < wiki.txt
    w2v-hs train wiki.txt -o m.safetensors --epochs 50 --holdout 0.01 --patience 2
    w2v-hs train wiki.txt -o m.safetensors --tree huffman
    w2v-hs train raw.txt -o m.safetensors --tokenize treebank
    w2v-hs train 'data/*.parquet' -o m.safetensors --text-column text
    w2v-hs train --resume-from m.safetensors --update-vocab news.txt -o m2.safetensors
    w2v-hs train s3://bucket/texts -o m.safetensors --tree huffman --scheduler tcp://host:8786
    """
    from w2v_hs.files.atomic import check_writable, holding
    from w2v_hs.options import Preprocessing
    from w2v_hs.training.api import train_with
    from w2v_hs.training.checkpoint import SUFFIX, CheckpointSettings, checkpoint_path, named_texts
    from w2v_hs.tree.user_trees import choose_tree

    if scheduler is not None and resume_from is not None:
        raise click.UsageError("--resume-from with --scheduler: a model goes on in one process")
    if rounds is not None and scheduler is None:
        raise click.UsageError("--rounds without --scheduler: one process needs none")
    if update_vocab and resume_from is None:
        raise click.UsageError("--update-vocab needs --resume-from, the model that is to grow")
    if resume_from is not None and not update_vocab and _is_given(ctx, "min_count"):
        raise click.UsageError("--min-count without --update-vocab: no new words are to join")
    if options["loss"] == "softmax" and _is_given(ctx, "tree"):
        raise click.UsageError("--tree with --loss softmax: the full softmax has none")
    output = output or resume_from
    if output is None:
        raise click.UsageError("Missing option '-o' / '--output'.")
    if output.suffix != ".safetensors":
        raise click.UsageError(f"the output {shown(output)} must end in .safetensors")
    if output.name.endswith(SUFFIX):
        raise click.UsageError(
            f"the output {shown(output)} has the name of a checkpoint, which 'w2v-hs resume' goes "
            "on with; give another by -o"
        )
    if resume_from is not None and resume_from.name.endswith(SUFFIX):
        raise click.UsageError(
            f"--resume-from {shown(resume_from)}: a checkpoint, whose run has not ended; end it "
            f"with w2v-hs resume {argument(resume_from)}"
        )
    if "" in text:
        raise click.UsageError("one of the texts has an empty name")
    given_options = [name for name in ctx.params if _is_given(ctx, name)]
    options["tree"], tree = choose_tree(options["tree"])
    preprocessing = Preprocessing(lowercase, errors, tokenize, split_sentences, text_column)
    run = Options(**options)
    sources = _sources(text, scheduler)
    kept = checkpoint_path(output)
    settings = CheckpointSettings(
        kept, checkpoint_every, named_texts(sources), preprocessing,
        None if save_vocab is None else str(save_vocab.absolute()),
    )  # fmt: skip
    tree_file = Path(ctx.params["tree"]) if tree is not None else None
    model_read = resume_from if output != resume_from else None
    show.check_distinct(
        [output, save_vocab, kept], [*map(Path, text), vocab, tree_file, model_read]
    )
    if save_vocab is not None:
        check_writable(save_vocab)
    with holding(output), _stoppable(scheduler), _connected(scheduler) as client:
        if resume_from is not None:
            for name in given_options:
                if name in ctx.params and name not in _RESUMED:
                    raise click.UsageError(
                        f"--{name.replace('_', '-')} with --resume-from: that is settled by the "
                        "model; leave it out"
                    )
        if kept.exists():
            check_writable(kept)
            click.echo(
                f"warning: {shown(kept)} is there from a run that was stopped; this run replaces "
                f"it (to go on instead: w2v-hs resume {argument(kept)})",
                err=True,
            )
        if resume_from is not None:
            given = {name: options[name] for name in _UPDATED if name in given_options}
            model = _update(sources, resume_from, update_vocab, settings, given)
        else:
            model = train_with(
                run,
                sources,
                tree=tree,
                vocab=vocab,
                preprocessing=preprocessing,
                settings=settings,
                client=client,
                rounds=rounds,
                show=True,
            )
        _finish(model, output, save_vocab)
        kept.unlink(missing_ok=True)


def _is_given(ctx: click.Context, name: str) -> bool:
    """Whether the user gave this option."""
    return ctx.get_parameter_source(name) is click.core.ParameterSource.COMMANDLINE


@contextlib.contextmanager
def _connected(scheduler: str | None) -> Iterator[object]:
    """A client of the scheduler, None where there is none."""
    if scheduler is None:
        yield None
        return
    from w2v_hs.training.cluster.client import connect

    with connect(scheduler) as client:
        yield client


def _sources(text: tuple[str, ...], scheduler: str | None) -> list[str | Path]:
    """Texts by path or, on a cluster, by address."""
    return [
        source if scheduler is not None and "://" in source else Path(source) for source in text
    ]


@contextlib.contextmanager
def _stoppable(scheduler: str | None = None) -> Iterator[None]:
    """Training that a signal stopped ends the command: what it left, and the exit code of the
    signal."""
    try:
        yield
    except Interrupted as stop:
        go_on = ""
        if stop.checkpoint is not None:
            go_on = f"; to go on: w2v-hs resume {argument(stop.checkpoint)}"
            if scheduler is not None:
                go_on += f" --scheduler {shlex.quote(scheduler)}"
        click.echo(f"{stop}{go_on}", err=True)
        click.get_current_context().exit(128 + stop.signal)


def _update(
    sources: list[str | Path],
    resume_from: Path,
    new_words: bool,
    settings: "CheckpointSettings",
    given: dict[str, Any],
) -> "Model":
    """Go on with a model and more text; returns that model."""
    from w2v_hs.model import load
    from w2v_hs.training.update import update, update_options

    model = load(resume_from)
    words = len(model.vocabulary)
    options = update_options(model.options, **given)
    update(
        model,
        sources,
        options,
        settings.preprocessing,
        new_words=new_words,
        settings=settings,
        show=True,
    )
    click.echo(
        f"{len(model.vocabulary) - words:,} new words, {len(model.vocabulary):,} in all", err=True
    )
    corpus = model.provenance["updates"][-1]["corpus"]
    unknown = corpus["tokens"] - corpus["retained_tokens"]
    if unknown and not new_words:
        click.echo(
            f"left out {unknown:,} tokens of words that the model does not know; --update-vocab "
            "adds words",
            err=True,
        )
    return model


def _finish(model: "Model", output: Path, save_vocab: Path | None) -> None:
    """Write what a run gave, and say what that is."""
    model.save(output)
    if save_vocab is not None:
        model.vocabulary.save(save_vocab)
    updated = "updates" in model.provenance
    click.echo((show.update_summary if updated else show.summary)(model, output), err=True)


@click.command()
@click.argument("checkpoint", type=click.Path(path_type=Path))
@click.argument("text", nargs=-1, shell_complete=completion.texts)
@_scheduler
def resume(checkpoint: Path, text: tuple[str, ...], scheduler: str | None) -> None:
    """Go on with a run of 'train' that was stopped, to its end.

    The model is written where the run would have written it: m.checkpoint.safetensors leads to
    m.safetensors. With one thread it is the same, to the bit, as without the stop. TEXT is needed
    where it has moved, or came from standard input.

    \b
    w2v-hs resume m.checkpoint.safetensors
    w2v-hs resume m.checkpoint.safetensors - < wiki.txt
    w2v-hs resume m.checkpoint.safetensors --scheduler tcp://host:8786
    """
    from w2v_hs.files.atomic import check_writable, holding
    from w2v_hs.training.api import resume
    from w2v_hs.training.checkpoint import load_checkpoint, output_path

    output = output_path(checkpoint)
    show.check_distinct([output, checkpoint], [*map(Path, text)])
    with holding(output), _stoppable(scheduler), _connected(scheduler) as client:
        named = load_checkpoint(checkpoint).settings.save_vocab
        save_vocab = None if named is None else check_writable(Path(named))
        corpus = _sources(text, scheduler) or None
        model = resume(checkpoint, corpus, client=client, progress=True)
        _finish(model, output, save_vocab)
        checkpoint.unlink(missing_ok=True)


@click.command()
@click.argument("corpus", default="factbook", shell_complete=completion.texts)
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path),
    default=Path("w2v-demo"),
    show_default=True,
    help="Folder for what the demo makes.",
)
@click.option("--epochs", default=20, show_default=True, help="Passes over the text.")
@click.option("--seed", default=1, show_default=True, help="Seed of all random numbers.")
def demo(corpus: str, output: Path, epochs: int, seed: int) -> None:
    """Train on CORPUS, export, evaluate, show neighbours.

    Without CORPUS the embedded one is taken, the text of the CIA World Factbook. The window is 10,
    which suits a text as small as that.

    \b
    w2v-hs demo
    w2v-hs demo factbook --epochs 5 -o tour
    """
    from w2v_hs.cli.evaluation_tables import print_evaluation
    from w2v_hs.errors import OutputError
    from w2v_hs.evaluation.evaluation import evaluate
    from w2v_hs.training.api import train_with

    try:
        output.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(f"{output}: cannot make this folder: {error.strerror}") from error
    console = show.console()
    path, vectors = output / "model.safetensors", output / "vectors.txt"
    console.print(f"Training on {corpus} ...", markup=False)
    with _stoppable():
        model = train_with(Options(window=10, epochs=epochs, seed=seed), corpus, show=True)
    model.save(path)
    model.export(vectors)
    click.echo(f"{show.summary(model, path)}\nwrote {vectors}")
    for word in ("france", "island", "religion", "copper", "coffee", "army"):
        if word in model.vectors:
            found = " ".join(w for w, _ in model.vectors.most_similar(word, k=8))
            console.print(f"{word:>9}  {found}", highlight=False, markup=False)
    result = evaluate(model)
    print_evaluation(result, console)
    show.write_json(output / "evaluation.json", result.as_dict())
    console.print(
        f"Vectors of {len(model.vocabulary):,} words lie in {output}. Next, try:\n"
        f"  w2v-hs neighbors {path} island\n"
        f"  w2v-hs train YOUR-TEXT.txt -o model.safetensors",
        highlight=False,
    )

"""What commands share: arguments and options, and shell completion."""

import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TypeVar

import click
from click.shell_completion import CompletionItem

from w2v_hs.options import (
    ARCHITECTURES,
    ERRORS,
    LANGUAGES,
    LOSSES,
    ORDERS,
    SENTENCE,
    SIDES,
    TOKENIZERS,
    TREES,
    Options,
)

Command = TypeVar("Command", bound=Callable[..., Any])
Completer = Callable[[click.Context, click.Parameter, str], list[CompletionItem]]

# Those of `vectors.formats`, which takes too long to import for a help text.
FORMAT_NAMES = (
    "word2vec-text",
    "word2vec-binary",
    "fasttext",
    "glove",
    "npz",
    "safetensors",
    "parquet",
    "arrow",
    "projector",
    "sentence-transformers",
)
NAMED_TREES = TREES[:3]  # all but "given"
SIMILARITY_SETS = ("wordsim353", "simlex999")


class _Name(click.Path):
    """The name of a file or text; an empty one, which `Path` takes for ".", is refused."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        if value == "":
            self.fail("an empty name", param, ctx)
        return super().convert(value, param, ctx)


class _Range(click.ParamType):  # type: ignore[type-arg]  # generic only since click 8.4
    """Two whole numbers with a hyphen between, such as 3-6; one number is both."""

    name = "range"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        if not isinstance(value, str):
            return value
        found = re.fullmatch(r"(\d{1,9})(?:-(\d{1,9}))?", value)
        if found is None:
            self.fail(f"{value!r} is not a range such as 3-6", param, ctx)
        return int(found[1]), int(found[2] or found[1])


class _Window(click.ParamType):  # type: ignore[type-arg]  # generic only since click 8.4
    """A whole number, or 'sentence'."""

    name = "window"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        try:
            return value if value == SENTENCE else int(value)
        except ValueError:
            self.fail(f"{value!r} is neither a whole number nor {SENTENCE!r}", param, ctx)


FILE = _Name(path_type=Path)
RANGE = _Range()
NAME = _Name()  # as a string: it may also name a corpus or a test set


def check_page_name(output: Path) -> None:
    """Refuse a page that a browser would not take for one."""
    if output.suffix.lower() not in (".html", ".htm"):
        raise click.UsageError(f"{output}: the name of a page must end in .html")


def combined(*options: Callable[[Any], Any]) -> Callable[[Command], Command]:
    """A decorator that adds several options, listed by --help in this order."""

    def decorate(command: Command) -> Command:
        for option in reversed(options):
            command = option(command)
        return command

    return decorate


# ---- shell completion ---------------------------------------------------------------------------


def complete_or_files(names: Callable[[], Sequence[str]]) -> Completer:
    """Complete names that begin as typed; if there are none, the shell completes files."""

    def complete(context: click.Context, parameter: click.Parameter, begin: str) -> list[CompletionItem]:
        found = [CompletionItem(name) for name in names() if begin and name.startswith(begin)]
        return found or [CompletionItem(begin, type="file")]

    return complete


def _corpora() -> Sequence[str]:
    from w2v_hs.text.catalog import names

    return names()


complete_texts = complete_or_files(_corpora)


def complete_corpora(context: click.Context, parameter: click.Parameter, begin: str) -> list[CompletionItem]:
    """Complete named corpora only."""
    return [CompletionItem(name) for name in _corpora() if name.startswith(begin)]


# ---- arguments and options ----------------------------------------------------------------------

model_argument = click.argument("model", type=FILE)
texts_argument = click.argument("text", nargs=-1, required=True, type=NAME, shell_complete=complete_texts)
json_option = click.option("--json", "json_out", is_flag=True, help="Print JSON instead of a table.")
threads_option = click.option("--threads", type=int, help="Number of threads.  [default: one per core]")
format_option = click.option(
    "--format",
    "format_name",
    type=click.Choice(FORMAT_NAMES),
    help="Format of a vector file, if its suffix does not tell.",
)
# Names and choices are those of `options.Preprocessing`.
preprocessing_options = combined(
    click.option(
        "--lowercase/--no-lowercase",
        default=None,
        help="Lowercase the text.  [default: no; with a model: as its text]",
    ),
    click.option(
        "--tokenize",
        type=click.Choice(TOKENIZERS),
        help="For raw text: how to split it into words. 'words' is fast and right for most text; the "
        "others are NLTK's, about a megabyte per second.  [default: none; with a model: as its text]",
    ),
    click.option(
        "--split-sentences",
        metavar="LANGUAGE",
        type=click.Choice(("none", *LANGUAGES)),
        help="For raw text: split into sentences with NLTK's model for this language, such as "
        "english.  [default: none, each line is a sentence; with a model: as its text]",
    ),
    click.option(
        "--text-column",
        metavar="NAME",
        help="Read Parquet files or JSON lines, with the text in this column.",
    ),
    click.option(
        "--encoding",
        metavar="NAME",
        help="Encoding of TEXT, such as latin-1 or utf-16.  [default: utf-8; with a model: as its text]",
    ),
    click.option(
        "--errors",
        type=click.Choice(ERRORS),
        help="How to handle bytes that cannot be decoded: stop, insert U+FFFD, or drop them.  "
        "[default: strict; with a model: as its text]",
    ),
)
test_set_options = combined(
    click.option(
        "--analogies",
        multiple=True,
        type=NAME,
        shell_complete=complete_or_files(lambda: ("google",)),
        help="Analogy questions: 'google' or a file. Can be repeated.  [default: google]",
    ),
    click.option(
        "--similarity",
        multiple=True,
        type=NAME,
        shell_complete=complete_or_files(lambda: SIMILARITY_SETS),
        help="Rated word pairs: 'wordsim353', 'simlex999' or a file. Can be repeated.  [default: both]",
    ),
)

_DEFAULTS = Options()
training_options = combined(
    click.option(
        "--arch",
        type=click.Choice(ARCHITECTURES),
        default=_DEFAULTS.arch,
        help="Architecture: predict each word from one context word (skipgram), or from the mean "
        "of all (cbow).",
    ),
    click.option(
        "--loss",
        type=click.Choice(LOSSES),
        default=_DEFAULTS.loss,
        help="Hierarchical softmax (hs), or full softmax: for a few thousand words, since its time per "
        "word grows with the vocabulary; at 5,000 words it takes over a hundred times as long as hs.",
    ),
    click.option(
        "--tree",
        default=_DEFAULTS.tree,
        metavar="[learned|huffman|balanced|FILE]",
        shell_complete=complete_or_files(lambda: NAMED_TREES),
        help="Tree for hierarchical softmax: learned during training, with the shortest expected "
        "path (huffman), with equal depths (balanced), or read from a file of 'word bits' lines.",
    ),
    click.option(
        "--tree-order",
        type=click.Choice(ORDERS),
        default=_DEFAULTS.tree_order,
        help="Order of the words in a balanced tree.",
    ),
    click.option(
        "--subwords",
        type=RANGE,
        metavar="MIN-MAX",
        help="Lengths of the character n-grams that make a word's vector together with its own, such as "
        "3-6, so that words never seen have vectors, too.",
    ),
    click.option(
        "--buckets",
        default=_DEFAULTS.buckets,
        help="With --subwords: number of buckets into which n-grams are hashed.",
    ),
    click.option("--dim", default=_DEFAULTS.dim, help="Dimension of the vectors; with --init, theirs."),
    click.option(
        "--window",
        type=_Window(),
        metavar="[INTEGER|sentence]",
        default=_DEFAULTS.window,
        help="Maximum distance of context words; 'sentence': all other words of the sentence, for baskets "
        "and sets. The time then grows with the square of the length of sentences, below 1,000 words.",
    ),
    click.option(
        "--shrink-windows/--no-shrink-windows",
        default=_DEFAULTS.shrink_windows,
        help="Draw the reach of each window from 1 to --window, or give every window its full size.",
    ),
    click.option(
        "--side",
        type=click.Choice(SIDES),
        default=_DEFAULTS.side,
        help="Where the context words stand that predict a word: with left only before it, so that "
        "'predict' tells what comes next.",
    ),
    click.option("--epochs", default=_DEFAULTS.epochs, help="Passes over the text."),
    click.option("--min-count", default=_DEFAULTS.min_count, help="Leave out words that occur less often."),
    click.option("--max-vocab", type=int, help="Maximum vocabulary size."),
    click.option(
        "--sample",
        type=float,
        help="Subsampling threshold for frequent words; 0 turns subsampling off.  [default: 1e-4; 1e-3 "
        "below 10 million words and with --loss softmax]",
    ),
    click.option(
        "--lr",
        type=float,
        help="Initial learning rate.  [default: 0.025; CBOW and --loss softmax: 0.05; up to twice as "
        "much where --epochs * --window * words of TEXT in the vocabulary is below 50 million, unless "
        "vectors of --init learn]",
    ),
    threads_option,
    click.option("--seed", default=_DEFAULTS.seed, help="Random seed."),
    click.option(
        "--replicas",
        default=_DEFAULTS.replicas,
        help="Runs with different seeds whose vectors are merged: better ones than those of one longer "
        "run. They train side by side, with a thread each where there are enough. There is no checkpoint. "
        "With --scheduler each trains on one worker.",
    ),
    click.option(
        "--resample",
        is_flag=True,
        help="With --replicas: each run draws its sentences with replacement, so that runs also differ by "
        "the noise of the text.",
    ),
    click.option(
        "--holdout",
        default=_DEFAULTS.holdout,
        help="Share of the sentences to hold out; their loss is measured after each epoch.",
    ),
    click.option(
        "--patience",
        type=int,
        help="With --holdout: stop after this many epochs without improvement of the held-out "
        "loss, and keep the best model.  [default: all epochs]",
    ),
)
start_options = combined(
    click.option(
        "--init",
        type=FILE,
        metavar="VECTORS",
        help="Begin with these vectors: a model, or a file in any format that 'export' writes.",
    ),
    click.option(
        "--freeze",
        type=NAME,
        is_flag=False,
        flag_value="all",
        metavar="[all|FILE]",
        help="With --init: keep the vectors of all its words as they are, or of those in FILE, one a line. "
        "Directly before TEXT, write --freeze all.",
    ),
    click.option(
        "--compass",
        type=FILE,
        metavar="MODEL",
        help="Keep tree and node weights of this model and train the vectors of its words on TEXT, so that "
        "several texts can be compared.",
    ),
)

"""Training from text to model: corpus, vocabulary, tree, weights."""

import signal
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

from w2v_hs.checks import shown
from w2v_hs.errors import CorpusError, OptionError
from w2v_hs.files.atomic import check_writable
from w2v_hs.kernels import tokens as reader
from w2v_hs.kernels.common import padded
from w2v_hs.model.model import Model
from w2v_hs.model.weights import Weights
from w2v_hs.options import Architecture, Loss, Options, Order, Preprocessing, Resolved, TreeKind
from w2v_hs.progress import Display
from w2v_hs.progress import display as progress_display
from w2v_hs.text import catalog
from w2v_hs.text.corpus import Corpus, read_corpus
from w2v_hs.text.vocabulary import Vocabulary, load_vocabulary
from w2v_hs.training.checkpoint import Checkpoints, Keeping, Saved, StopSignals, load_checkpoint
from w2v_hs.training.holdout import Holdout, set_aside
from w2v_hs.training.loop import check_softmax, train_weights
from w2v_hs.training.memory import check_fits, run_bytes
from w2v_hs.training.provenance import provenance
from w2v_hs.training.update import Start, begin_update, end_update, train_update
from w2v_hs.tree.tree import Tree
from w2v_hs.tree.user_trees import Codes, build_tree, read_codes
from w2v_hs.types import NestedTree, Texts
from w2v_hs.vectors.vectors import Vectors

NAMED_TREES: tuple[TreeKind, ...] = (
    "learned",
    "huffman",
    "balanced",
)  # trees that need no more than a name


def train(
    corpus: Texts,
    *,
    arch: Architecture = "skipgram",
    loss: Loss = "hs",
    tree: str | Path | NestedTree = "learned",
    tree_order: Order = "frequency",
    dim: int = 100,
    window: int = 5,
    epochs: int = 5,
    min_count: int = 5,
    max_vocab: int | None = None,
    sample: float = 1e-3,
    lr: float | None = None,
    threads: int | None = None,
    seed: int = 1,
    holdout: float = 0.0,
    patience: int | None = None,
    vocab: str | Path | None = None,
    lowercase: bool = False,
    errors: Literal["strict", "replace", "ignore"] = "strict",
    tokenize: str = "none",
    split_sentences: str | None = None,
    text_column: str | None = None,
    checkpoint: str | Path | None = None,
    checkpoint_every: float = 300.0,
    client: Any = None,
    rounds: int | None = None,
    progress: bool = False,
) -> Model:
    """Read a corpus, build the vocabulary and the tree, train.

    Parameters
    ----------
    corpus
        A path (file, folder, glob), a named corpus, ``nltk:NAME``, a list of `pathlib.Path`, or
        any iterable of lists of tokens.
    tree
        "learned", "huffman", "balanced"; or a tree of your own over all words of the vocabulary: a
        file as in `codes`, or nested lists with words for leaves, such as
        ``[["paris", "london"], ["coffee", "tea"]]``.
    arch, loss, tree_order, dim, window, epochs, min_count, max_vocab, sample, lr, threads, seed,
    holdout, patience
        See `Options`.
    vocab
        A file of ``word count`` lines to take the vocabulary from; min_count and max_vocab then
        do not apply.
    lowercase, errors
        What is done to text: lower case; bytes that are not UTF-8 ("strict", "replace", "ignore").
    tokenize, split_sentences
        For raw text: a tokeniser of NLTK ("none", "treebank", "tweet", "wordpunct", "toktok"); the
        language of NLTK's sentence splitter, such as "english", None for a sentence a line.
    text_column
        The column that holds the text of Parquet files and JSON lines.
    checkpoint, checkpoint_every
        A file from which `resume` can go on; it is written every so many seconds (0: only then)
        and when SIGINT or SIGTERM stops the run, and stays when the run has ended.
    client, rounds
        A `distributed.Client`: its workers train, each with `threads` threads. The corpus is then a
        path or an address that fsspec knows (s3://...), or a list of them. rounds: how often in an
        epoch they put together what they have learned, by default by what that costs; see
        docs/dask.md.
    progress
        Show progress bars on standard error, if that is a terminal.

    Raises
    ------
    OptionError, CorpusError, VocabularyError, FormatError, DivergedError, TypeError
    ClusterError
        The cluster has lost its scheduler or its workers, or lacks this package.
    OutputError
        The checkpoint cannot be written.
    Interrupted
        The run was stopped by Ctrl-C; a `KeyboardInterrupt` that holds the model as it was then.
    """
    kind, given = choose_tree(tree)
    options = Options(
        arch, loss, kind, dim, window, epochs, min_count, max_vocab, sample, lr, threads, seed,
        holdout, patience, tree_order,
    )  # fmt: skip
    preprocessing = Preprocessing(lowercase, errors, tokenize, split_sentences, text_column)
    keeping = None
    if checkpoint is not None:
        check_writable(Path(checkpoint))
        keeping = Keeping(Path(checkpoint), checkpoint_every, named_texts(corpus), preprocessing)
    return train_options(
        corpus, options, tree=given, vocab=vocab, preprocessing=preprocessing, keeping=keeping,
        client=client, rounds=rounds, show=progress,
    )  # fmt: skip


def named_texts(corpus: Texts) -> list[str] | None:
    """Names under which a resumed run finds the text of this one; None for text without a name."""
    if isinstance(corpus, (str, Path)):
        corpus = [corpus if "://" in str(corpus) else Path(corpus)]
    if not isinstance(corpus, (list, tuple)) or not all(
        isinstance(c, Path) or (isinstance(c, str) and "://" in c) for c in corpus
    ):
        return None
    # A named corpus stays a name, and an address an address; all else is found from any folder.
    return [
        str(text)
        if str(text) == "-"
        or isinstance(text, str)
        or str(text).startswith("nltk:")
        or (not text.exists() and str(text) in catalog.names())
        else str(text.absolute())
        for text in corpus
    ]


def choose_tree(tree: str | Path | NestedTree) -> tuple[TreeKind, Codes | NestedTree | None]:
    """What `train` takes for a tree, as the option of that name and what the user gave, if that is
    a tree. A file is read here, before any text is."""
    if isinstance(tree, str) and tree in NAMED_TREES:
        return tree, None
    if isinstance(tree, (list, tuple, Mapping)):
        return "given", tree
    if isinstance(tree, Path) or (isinstance(tree, str) and Path(tree).exists()):
        return "given", read_codes(tree)
    raise OptionError(
        f"tree={shown(repr(tree), 60)}: expected one of {', '.join(NAMED_TREES)}, or a file of "
        "'word bits' lines; there is no such file"
    )


def train_options(
    corpus: Texts,
    options: Options,
    *,
    tree: Codes | NestedTree | None = None,
    vocab: str | Path | None = None,
    preprocessing: Preprocessing = Preprocessing(),  # noqa: B008 (frozen)
    keeping: Keeping | None = None,
    client: Any = None,
    rounds: int | None = None,
    show: bool = False,
) -> Model:
    """`train` with the options as one object; tree: what `choose_tree` found the user to give;
    keeping: where checkpoints go."""
    if (options.tree == "given") != (tree is not None):
        raise OptionError(f"tree={options.tree} and the tree itself: give both or neither")
    if tree is not None and options.loss != "hs":
        raise OptionError("a tree with loss=softmax: the full softmax has none; use loss=hs")
    given = load_vocabulary(vocab) if vocab is not None else None
    if client is not None:
        from w2v_hs.training.cluster.api import train_on

        return train_on(client, corpus, options, tree, given, preprocessing, keeping, rounds, show)
    if rounds is not None:
        raise OptionError(f"rounds={rounds} without a cluster: one process needs none")
    options = options.resolved()
    with progress_display(show) as display:
        text = _read(corpus, options, given, preprocessing, display)
        words = text.vocabulary
        built = None
        if options.loss == "hs":
            display.step("tree")
            built = build_tree(tree, options.tree, options.tree_order, words, options.seed)
        else:
            check_softmax(len(words), options.dim)
        return _train(text, built, options, keeping, display)


def resume(
    checkpoint: str | Path,
    corpus: Texts | None = None,
    *,
    client: Any = None,
    progress: bool = False,
) -> Model:
    """Go on with a run that was stopped, from a checkpoint, to its end.

    With one thread the model is the same, to the bit, as if the run had not been stopped. With more
    it is another one as good, as any two runs with several threads differ.

    Parameters
    ----------
    checkpoint
        What the run left. New checkpoints replace it.
    corpus
        The text of the run, where it is not the files or names that the run was given, or they have
        moved.
    client
        As in `train`, for a run on a cluster; it may be another one, with more or fewer workers.
    progress
        Show progress bars on standard error, if that is a terminal.

    Raises
    ------
    FormatError
        The checkpoint is missing, damaged, or a model whose run has ended.
    CorpusError
        The text is not the one that the run began with, or cannot be read.
    OptionError, DivergedError, ClusterError, Interrupted
    """
    saved = load_checkpoint(checkpoint)
    if (saved.keeping.cuts is None) != (client is None):
        where, remedy = "on a cluster", "give its scheduler, or another"
        if saved.keeping.cuts is None:
            where, remedy = "in one process", "leave the scheduler out"
        raise OptionError(f"{shown(checkpoint)}: its run is one {where}: {remedy}")
    if corpus is None:
        if saved.keeping.texts is None or "-" in saved.keeping.texts:
            raise CorpusError(
                f"{shown(checkpoint)}: its run read a text without a name; give that text again"
            )
        corpus = [text if "://" in text else Path(text) for text in saved.keeping.texts]
    if client is not None:
        from w2v_hs.training.cluster.api import resume_on

        return resume_on(client, saved, corpus, progress)
    update = saved.update
    options = (saved.model.options if update is None else update.options).resolved()
    with progress_display(progress) as display:
        text = _read(corpus, options, saved.model.vocabulary, saved.keeping.preprocessing, display)
        if update is None:
            began = saved.model.provenance["corpus"].get("sha256")
        else:
            began = update.checksum
        if text.checksum != began:
            raise CorpusError(
                f"{', '.join(map(shown, text.names[:3]))}: not the text that the run began with: "
                f"found SHA-256 {text.checksum[:16]}..., expected {shown(began, 16)}...; give the "
                "same text, or train anew"
            )
        if update is None:
            return _train(text, saved.model.tree, options, saved.keeping, display, saved)
        start = replace(update, options=options)
        _update(saved.model, start, text, saved.model.tree, saved.keeping, display, saved)
        return saved.model


def update_model(
    model: Model,
    corpus: Texts,
    options: Resolved,
    *,
    new_words: bool,
    keeping: Keeping,
    show: bool = False,
) -> None:
    """`Model.update` with the options of its run as one object, from `update_options`, and
    checkpoints. Raises `Interrupted` too."""
    with progress_display(show) as display:
        start, text, tree = begin_update(
            model, corpus, options, keeping.preprocessing, new_words, display
        )
        _update(model, start, text, tree, keeping, display)


def _update(
    model: Model,
    start: Start,
    text: Corpus,
    tree: Tree | None,
    keeping: Keeping,
    display: Display,
    saved: Saved | None = None,
) -> None:
    """Train a model with more text from the beginning, or from where `saved` was."""

    def model_of(weights: Weights) -> Model:
        dim = model.options.dim
        return replace(
            model,
            vectors=Vectors(text.vocabulary.words, weights.vectors[:, :dim]),
            outputs=weights.outputs[: len(start.outputs), :dim],
            tree=weights.tree,
            vocabulary=text.vocabulary,
        )

    display.step("compiling")
    with StopSignals((signal.SIGINT, signal.SIGTERM), display.note) as signals:
        weights = train_update(
            start,
            text,
            tree,
            display.train,
            Checkpoints(keeping, model_of, None, signals, display.note, start),
            now=(saved.model.vectors.matrix, saved.model.outputs) if saved else None,
            position=saved.position if saved else None,
        )
    end_update(model, start, text, weights)


def _read(
    corpus: Texts,
    options: Resolved,
    vocabulary: Vocabulary | None,
    preprocessing: Preprocessing,
    display: Display,
) -> Corpus:
    """Read a corpus with the options of a run."""
    display.step("compiling")
    reader.warm_up()
    return read_corpus(
        corpus,
        min_count=options.min_count,
        max_vocab=options.max_vocab,
        vocabulary=vocabulary,
        preprocessing=preprocessing,
        threads=options.threads,
        progress=display.read,
    )


def _train(
    text: Corpus,
    tree: Tree | None,
    options: Resolved,
    keeping: Keeping | None,
    display: Display,
    saved: Saved | None = None,
) -> Model:
    """Train from the beginning, or from where `saved` was; see `train_options` and `resume`."""
    words, stride = text.vocabulary, padded(options.dim)
    matrices = 2 * (1 if options.patience is None else 2) + options.learns_tree
    check_fits(words, stride, matrices)
    need = run_bytes(len(words), stride, len(text.ids), matrices)
    watch = None
    if options.holdout:
        text, aside = set_aside(text, options.holdout, options.seed)
        earlier = (saved.results, saved.best) if saved is not None else ((), None)
        watch = Holdout(aside, options, display.note, *earlier)
    display.note(
        f"{len(words):,} words, {len(text.ids):,} tokens; about {need / 1e6:,.0f} MB of memory"
    )

    def model_of(weights: Weights) -> Model:
        return Model(
            vectors=Vectors(words.words, weights.vectors[:, : options.dim]),
            outputs=weights.outputs[: len(words) - (weights.tree is not None), : options.dim],
            tree=weights.tree,
            vocabulary=words,
            options=options,
            losses=weights.losses,
            provenance=provenance(text, weights) | (watch.provenance() if watch else {}),
            holdout_losses=[result.nats for result in watch.results] if watch else [],
        )

    display.step("compiling")
    # Without a place for checkpoints only Ctrl-C is worth waiting for.
    numbers = (signal.SIGINT, signal.SIGTERM) if keeping is not None else (signal.SIGINT,)
    with StopSignals(numbers, display.note) as signals:
        weights = train_weights(
            text,
            tree,
            options,
            display.train,
            watch,
            start=(saved.model.vectors.matrix, saved.model.outputs) if saved else None,
            position=saved.position if saved else None,
            watch=Checkpoints(keeping, model_of, watch, signals, display.note),
        )
    return model_of(weights)

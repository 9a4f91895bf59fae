"""Training from text to model: corpus, vocabulary, tree, weights."""

from collections.abc import Mapping
from pathlib import Path

from w2v_hs.codes import Codes, nested_codes, read_codes, tree_from_codes
from w2v_hs.corpus import read_corpus
from w2v_hs.errors import OptionError, shown
from w2v_hs.holdout import Holdout, set_aside
from w2v_hs.kernels import reader
from w2v_hs.kernels.common import padded
from w2v_hs.memory import check_fits, run_bytes
from w2v_hs.model import ERRORS, Model, provenance
from w2v_hs.options import Options
from w2v_hs.progress import display as progress_display
from w2v_hs.text import Cleaning
from w2v_hs.trainer import check_softmax, train_weights
from w2v_hs.tree import first_tree
from w2v_hs.vectors import Vectors
from w2v_hs.vocabulary import Vocabulary, load_vocabulary

NAMED_TREES = ("huffman", "balanced", "learned")  # trees that need no more than a name


def train(
    corpus,
    *,
    arch: str = "skipgram",
    loss: str = "hs",
    tree="huffman",
    tree_order: str = "frequency",
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
    errors: str = "strict",
    progress: bool = False,
) -> Model:
    """Read a corpus, build the vocabulary and the tree, train.

    Parameters
    ----------
    corpus
        A path (file, folder, glob), a named corpus, ``nltk:NAME``, a list of `pathlib.Path`, or
        any iterable of lists of tokens.
    tree
        "huffman", "balanced", "learned"; or a tree of your own over all words of the vocabulary: a
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
    progress
        Show progress bars on standard error, if that is a terminal.

    Raises
    ------
    OptionError, CorpusError, VocabularyError, FormatError, DivergedError, TypeError
    """
    kind, given = choose_tree(tree)
    options = Options(
        arch, loss, kind, dim, window, epochs, min_count, max_vocab, sample, lr, threads, seed,
        holdout, patience, tree_order,
    )  # fmt: skip
    return train_options(
        corpus, options, tree=given, vocab=vocab, cleaning=Cleaning(lowercase, errors),
        show=progress,
    )  # fmt: skip


def choose_tree(tree) -> tuple[str, object]:
    """What `train` takes for a tree, as the option of that name and what the user gave, if that is
    a tree. A file is read here, before any text is."""
    if isinstance(tree, str) and tree in NAMED_TREES:
        return tree, None
    if isinstance(tree, (list, tuple, Mapping)):
        return "given", tree
    if isinstance(tree, Path) or (isinstance(tree, str) and Path(tree).is_file()):
        return "given", read_codes(tree)
    raise OptionError(
        f"tree={shown(repr(tree), 60)}: expected one of {', '.join(NAMED_TREES)}, or a file of "
        "'word bits' lines; there is no such file"
    )


def train_options(
    corpus,
    options: Options,
    *,
    tree=None,
    vocab: str | Path | None = None,
    cleaning: Cleaning = Cleaning(),  # noqa: B008 (frozen)
    show: bool = False,
) -> Model:
    """`train` with the options as one object; tree: what `choose_tree` found the user to give."""
    if cleaning.errors not in ERRORS:
        raise OptionError(f"errors={cleaning.errors!r}: expected one of {', '.join(ERRORS)}")
    if (options.tree == "given") != (tree is not None):
        raise OptionError(f"tree={options.tree} and the tree itself: give both or neither")
    if tree is not None and options.loss != "hs":
        raise OptionError("a tree with loss=softmax: the full softmax has none; use loss=hs")
    options = options.resolved()
    given = load_vocabulary(vocab) if vocab is not None else None
    with progress_display(show) as display:
        display.step("compiling")
        reader.warm_up()
        text = read_corpus(
            corpus,
            min_count=options.min_count,
            max_vocab=options.max_vocab,
            vocabulary=given,
            cleaning=cleaning,
            threads=options.threads,
            progress=display.read,
        )
        words = text.vocabulary
        copies = 1 if options.patience is None else 2
        check_fits(words, padded(options.dim), copies)
        built = None
        if options.loss == "hs":
            display.step("tree")
            if tree is None:
                built = first_tree(
                    options.tree, options.tree_order, words.words, words.counts, options.seed
                )
            else:
                built = tree_from_codes(_codes(tree, words), words)
        else:
            check_softmax(len(words), options.dim)
        need = run_bytes(len(words), padded(options.dim), len(text.ids), copies)
        watch = None
        if options.holdout:
            text, aside = set_aside(text, options.holdout, options.seed)
            watch = Holdout(aside, options, display.note)
        display.note(
            f"{len(words):,} words, {len(text.ids):,} tokens; about {need / 1e6:,.0f} MB of memory"
        )
        display.step("compiling")
        weights = train_weights(text, built, options, display.train, watch)
    return Model(
        vectors=Vectors(words.words, weights.vectors[:, : options.dim]),
        outputs=weights.outputs[:, : options.dim],
        tree=weights.tree,
        vocabulary=words,
        options=options,
        losses=weights.losses,
        provenance=provenance(text, weights) | (watch.provenance() if watch else {}),
        holdout_losses=[result.nats for result in watch.results] if watch else [],
    )


def _codes(tree, vocabulary: Vocabulary) -> Codes:
    if isinstance(tree, Codes):
        return tree
    return nested_codes(tree, dict(zip(vocabulary.words, vocabulary.counts.tolist(), strict=True)))

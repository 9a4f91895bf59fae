"""Training from text to model: `train`, the place to start.

The steps of a run are in `recipe`; a run on a cluster takes the same steps in `cluster.api`, an
update of a model in `update`.
"""

from contextlib import nullcontext
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any, Literal

from w2v_hs.checks import option
from w2v_hs.errors import OptionError
from w2v_hs.files.atomic import growing_folder
from w2v_hs.files.outputs import check_distinct
from w2v_hs.model.model import Model
from w2v_hs.options import BUCKETS, Architecture, Loss, Options, Order, Preprocessing, Side
from w2v_hs.progress import Display, display
from w2v_hs.text.vocabulary import load_vocabulary
from w2v_hs.training.observers.checkpoint import CheckpointSettings, end_checkpoint, new_checkpoint
from w2v_hs.training.observers.epochs import Callbacks, check_no_callbacks, listed
from w2v_hs.training.observers.run_texts import named_texts
from w2v_hs.training.recipe import make_ngrams, make_tree, read_text, train_model, warn_of_small_text
from w2v_hs.training.replicas import check_replicas, train_replicas
from w2v_hs.training.start import (
    Compass,
    Freeze,
    Init,
    Source,
    check_start,
    compass_options,
    read_compass,
    read_init,
    start_against,
    start_from,
)
from w2v_hs.tree.user_trees import Codes, choose_tree
from w2v_hs.types import NestedTree, Texts


def train(
    corpus: Texts,
    *,
    arch: Architecture = "skipgram",
    loss: Loss = "hs",
    tree: str | Path | NestedTree = "learned",
    tree_order: Order = "frequency",
    subwords: tuple[int, int] | None = None,
    buckets: int = BUCKETS,
    dim: int | None = None,
    window: int | None = 5,
    shrink_windows: bool = True,
    side: Side = "both",
    epochs: int = 5,
    min_count: int = 5,
    max_vocab: int | None = None,
    sample: float | None = None,
    lr: float | None = None,
    threads: int | None = None,
    seed: int = 1,
    replicas: int = 1,
    keep_replicas: str | Path | None = None,
    resample: bool = False,
    holdout: float = 0.0,
    patience: int | None = None,
    vocab: str | Path | None = None,
    lowercase: bool = False,
    errors: Literal["strict", "replace", "ignore"] = "strict",
    tokenize: str = "none",
    split_sentences: str | None = None,
    text_column: str | None = None,
    encoding: str = "utf-8",
    checkpoint: str | Path | None = None,
    checkpoint_every: float = 300.0,
    client: Any = None,
    rounds: int | None = None,
    init: Source | None = None,
    freeze: Freeze = False,
    compass: str | Path | Model | None = None,
    callbacks: Callbacks = (),
    progress: bool = False,
) -> Model:
    """Read a corpus, build the vocabulary and the tree, train.

    Parameters
    ----------
    corpus
        A path (file, folder, glob), a named corpus, ``nltk:NAME``, a list of `pathlib.Path`, or
        any iterable of lists of tokens.
    arch
        "skipgram": predict each word from one context word; "cbow": from the mean of all.
    loss
        "hs": hierarchical softmax; "softmax": the full softmax, for small vocabularies.
    tree
        "learned", "huffman", "balanced"; or a tree of your own over all words of the vocabulary: a
        file of ``word bits`` lines, or nested lists with words as leaves, such as
        ``[["paris", "london"], ["coffee", "tea"]]``.
    tree_order
        Order of the words in a balanced tree: "frequency", "alphabetical", "random" or "learned".
    subwords
        Shortest and longest character n-grams, such as (3, 6): the vector of a word is the mean of
        its own and its n-grams', as in fastText, so words that were never seen have vectors, too.
    buckets
        Number of buckets into which n-grams are hashed. Only those in use take memory.
    dim
        Dimension of the vectors; None: 100, or that of `init`.
    window
        Largest distance of a context word from the centre word, in words; None: all other words of
        the sentence are context, for baskets and sets. The time of a sentence grows with the square
        of its length, which must be below 1,000 words.
    shrink_windows
        Draw the reach of each window from 1 to `window`, as word2vec.c does; False: every window
        has its full size.
    side
        Where the context words stand that predict a word. "left": before it, so that
        `Model.top_k` of a word tells which words come next; "right": after it; or "both".
    epochs
        Passes over the corpus.
    min_count
        Words with fewer occurrences are left out.
    max_vocab
        Size limit of the vocabulary, which keeps the most frequent words; None: no limit.
    sample
        Subsampling threshold as a fraction of all tokens; 0: no subsampling. None: 1e-4; for the
        full softmax and for a text of fewer than ten million tokens 1e-3.
    lr
        Initial learning rate, which decays linearly to 1e-4 of it. None: 0.025; for CBOW and the
        full softmax 0.05. With hierarchical softmax, short runs have 50 million / N times this
        rate, at most twice, where N is tokens * epochs * window; not if vectors of `init` learn.
    threads
        Number of threads; None: one per core.
    seed
        Seed of all random numbers. With one thread, the same seed gives the same bytes.
    replicas
        Number of runs, with the seeds seed, seed + 1 and so on, whose vectors are merged into one
        model: better vectors than those of one longer run. They train side by side, with a thread
        each where there are enough runs and memory. With `client` each trains on one worker, which
        reads the text itself; Ctrl-C is then a plain `KeyboardInterrupt`.
    keep_replicas
        A new folder in which to save each of these runs as a model, when it ends: 1.safetensors and
        so on. They stay if a later run fails.
    resample
        Draw the sentences of each of these runs with replacement, as many as there are, so that
        what they disagree on is also the noise of the text (a bootstrap). One that is drawn twice
        is trained once, at twice the learning rate.
    holdout
        Fraction of the sentences held out, whose loss is measured after each epoch; 0: none.
    patience
        Stop after so many epochs without a lower held-out loss, with the best weights; None: never.
    vocab
        A file of ``word count`` lines to take the vocabulary from; min_count and max_vocab then
        do not apply.
    lowercase
        Turn the text to lower case.
    errors
        Bytes that cannot be decoded: "strict" is an error; "replace" inserts U+FFFD and "ignore"
        drops them, and both are counted.
    tokenize
        For raw text: "words", which is fast, or a tokeniser of NLTK: "treebank", "tweet",
        "wordpunct" or "toktok"; "none" splits at white space.
    split_sentences
        For raw text, the language of NLTK's sentence splitter, such as "english"; None: one
        sentence a line.
    text_column
        The column that holds the text, of Parquet files and JSON lines.
    encoding
        Of files, such as "latin-1" or "utf-16": any of text files that Python knows.
    checkpoint
        A file from which `resume` can continue the run, also written when SIGINT or SIGTERM stops
        it. That of an unfinished run is not replaced. When the run has ended, the file holds the
        finished model, and a new run may replace it.
    checkpoint_every
        Seconds between two checkpoints; 0: only when the run is stopped.
    client
        A `distributed.Client`, whose workers train, each with `threads` threads. The corpus is then
        a path or an address that fsspec knows (s3://...), or a list of them.
    rounds
        With a client: how often in an epoch the workers merge their updates; None: chosen by what a
        round costs.
    init
        Vectors to begin with: a file that `load_vectors` reads, `Vectors` or a `Model`. In the
        first fifth of the run only the node weights learn. Words that `init` lacks begin as usual.
    freeze
        Words whose vectors stay as in `init`, to the bit: True, all of them; or a file with one
        word a line, or the words.
    compass
        A model, or its file, whose tree and node weights stay while the vectors of its words learn
        from this corpus. Vectors and probabilities of several such runs can be compared (Di Carlo
        et al. 2019). The model determines all options but `epochs`, `lr` (by default its own),
        `threads`, `seed`, `holdout` and `patience`, and how the text is prepared.
    callbacks
        A function, or several, called after each epoch with an `Epoch`: .epoch, .loss,
        .holdout_loss, .model. If one returns True the run ends; what one raises ends it, too.
    progress
        Show bars on a terminal and in notebooks, elsewhere print lines to standard error.

    Returns
    -------
    Model

    Raises
    ------
    OptionError, CorpusError, VocabularyError, FormatError, DivergedError, TypeError
    ClusterError
        The cluster has lost its scheduler or its workers, or lacks this package.
    OutputError
        The checkpoint cannot be written, is there from an unfinished run, or another run writes it;
        or `keep_replicas` is there already.
    Interrupted
        The run was stopped by Ctrl-C; a `KeyboardInterrupt` that holds the model as it was then.
    """
    kind, given = choose_tree(tree)
    options = Options(
        arch=arch,
        loss=loss,
        tree=kind,
        dim=Options.dim if dim is None else dim,
        window=window,
        shrink_windows=shrink_windows,
        side=side,
        epochs=epochs,
        min_count=min_count,
        max_vocab=max_vocab,
        sample=sample,
        lr=lr,
        threads=threads,
        seed=seed,
        replicas=replicas,
        resample=resample,
        holdout=holdout,
        patience=patience,
        tree_order=tree_order,
        subwords=subwords,
        buckets=buckets,
    )
    preprocessing = Preprocessing(lowercase, errors, tokenize, split_sentences, text_column, encoding)
    settings, texts = None, named_texts(corpus)
    check_distinct([checkpoint, keep_replicas], [*(texts or ()), vocab, tree, init, freeze, compass])
    base = read_compass(compass)
    if base is not None:  # what differs from the defaults is meant
        usual = asdict(Preprocessing())
        asked = {name: value for name, value in asdict(preprocessing).items() if value != usual[name]}
        preprocessing = base.model.preprocessing_of(corpus, **asked)
    if checkpoint is not None:
        settings = CheckpointSettings(Path(checkpoint), checkpoint_every, texts, preprocessing)
    kept = nullcontext() if keep_replicas is None else growing_folder(Path(keep_replicas))
    with new_checkpoint(settings), kept as folder:
        model = train_with(
            options,
            corpus,
            tree=given,
            vocab=vocab,
            preprocessing=preprocessing,
            settings=settings,
            client=client,
            rounds=rounds,
            init=read_init(init, freeze, dim),
            compass=base,
            callbacks=callbacks,
            keep_replicas=folder,
            show=progress,
        )
        if settings is not None:
            end_checkpoint(settings, model)
    warn_of_small_text(model)
    return model


def train_with(
    options: Options,
    corpus: Texts,
    *,
    tree: Codes | NestedTree | None = None,
    vocab: str | Path | None = None,
    preprocessing: Preprocessing = Preprocessing(),  # noqa: B008 (frozen)
    settings: CheckpointSettings | None = None,
    client: Any = None,
    rounds: int | None = None,
    init: Init | None = None,
    compass: Compass | None = None,
    callbacks: Callbacks = (),
    keep_replicas: Path | None = None,
    show: bool | Display = False,
) -> Model:
    """`train` with the options as one object.

    tree: the user's own, from `choose_tree`. settings: where checkpoints go, in the caller's
    `new_checkpoint`. init, compass: what to begin with. keep_replicas: from `growing_folder`.
    show: whether to show bars on a terminal, or the display to show progress on.
    """
    if init is not None or compass is not None:
        check_start(options, init, compass, client is not None, tree is not None or vocab is not None)
    if (options.tree == "given") != (tree is not None):
        raise OptionError(f"tree={options.tree} and the tree itself: give both or neither")
    if tree is not None and options.loss != "hs":
        raise OptionError("a tree with loss=softmax: the full softmax has none; use loss=hs")
    if options.replicas > 1:
        check_replicas(options, settings is not None, rounds is not None, bool(listed(callbacks)))
    elif options.resample or keep_replicas is not None:
        found = option("resample" if options.resample else "keep_replicas")
        raise OptionError(f"{found} with a single run: expected {option('replicas')} of 2 or more")
    callbacks = listed(callbacks)
    if client is not None:
        check_no_callbacks(callbacks)
    elif rounds is not None:
        raise OptionError(f"rounds={rounds} without a cluster: one process needs none")
    if init is not None:
        options = replace(options, dim=init.vectors.dim)
        if init.freeze is not True:  # vectors that are good already lose by the larger steps of short runs
            options = replace(options, lr=options.suited().lr)
    if compass is not None:
        options = compass_options(compass.model.options, options)
    vocabulary = load_vocabulary(vocab) if vocab is not None else None
    if client is not None:
        from w2v_hs.training.cluster.api import train_on
        from w2v_hs.training.cluster.replicas import train_replicas_on

        if options.replicas > 1:
            return train_replicas_on(
                client, corpus, options, tree, vocabulary, preprocessing, keep_replicas, show
            )
        return train_on(client, corpus, options, tree, vocabulary, preprocessing, settings, rounds, show)
    vocabulary = vocabulary if compass is None else compass.model.vocabulary
    reading, start = options.resolved(), None
    with display(show) as shows:
        text = read_text(corpus, reading, vocabulary, preprocessing, shows)
        resolved = replace(options, threads=reading.threads).resolved(len(text.ids))
        if compass is not None:
            first, start = compass.model.tree, start_against(compass, text, shows.note)
        else:
            first = make_tree(text.vocabulary, resolved, tree, shows)
        if init is not None:
            ngrams = make_ngrams(text.vocabulary, resolved)
            start = start_from(init, text.vocabulary, resolved, ngrams, shows.note)
        if options.replicas > 1:
            return train_replicas(text, first, resolved, shows, keep_replicas)
        return train_model(text, first, resolved, shows, settings, callbacks=callbacks, start=start)

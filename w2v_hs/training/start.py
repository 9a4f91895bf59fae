"""What a run begins with besides random vectors: vectors from elsewhere, or a frozen output layer.

Node weights begin at zero. Vectors that are good already would first be moved by gradients from
nodes that know nothing, so for the first `NODES_FIRST` of a run they rest while the nodes learn.
A node learns the faster the longer the vectors are; those from elsewhere are scaled to `LENGTH`.
"""

import hashlib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np

from w2v_hs.checks import is_word, several, short, shown, warn
from w2v_hs.errors import FormatError, OptionError
from w2v_hs.model import Model, load
from w2v_hs.model.weights import start_vectors
from w2v_hs.options import COMPASS_OPTIONS, Options, Resolved
from w2v_hs.text.corpus import Corpus
from w2v_hs.text.vocabulary import Vocabulary, numbered_lines
from w2v_hs.types import Array, Float32
from w2v_hs.vectors import Vectors, first_nonfinite_row, load_vectors
from w2v_hs.vectors.subwords import Ngrams, compose_rows

Source: TypeAlias = str | Path | Model | Vectors  # of vectors to begin with
Freeze: TypeAlias = bool | str | Path | Iterable[str]  # all, none, a file of words, or words

# Measured on the Brown corpus (1.2M words, 5 epochs), begun with vectors of 4M words of Wikipedia
# whose root mean square length is 1.3. Google's analogies, WordSim-353 and SimLex-999 are 0.116,
# 0.531 and 0.256 if the nodes have no time of their own, 0.145, 0.556 and 0.260 with a fifth of the
# run. With lengths of 2 to 6 they are 0.17, 0.60 and 0.26; with 0.4 and 13 they are lower, and the
# loss of held-out text is higher.
NODES_FIRST = 0.2  # share of a run in which all vectors rest
LENGTH = 3.0  # to which vectors that are not frozen are scaled, all by the same factor
# Longer ones, frozen, make nodes overshoot: on the bundled corpus the loss of held-out text is 6.14
# at lengths of 1.3 and 3, 6.33 at 6, 6.67 at 10, 6.83 at 13; at 13 with a rate of 0.005 it is 6.44.
LONG = 6.0


@dataclass(frozen=True)
class Held:
    """What stays as it is while a run trains the rest.

    share: of the run, at its beginning, in which all input vectors rest. words (V,) bool: those
    whose vectors stay throughout; None: none. nodes: whether the output weights stay.
    """

    share: float = 0.0
    words: Array | None = None
    nodes: bool = False


@dataclass(frozen=True)
class Start:
    """Weights to begin with, and what of them stays."""

    inputs: Float32  # (V, dim), or with N n-grams (V + N, dim)
    outputs: Float32  # (rows, dim); the rows that are not here begin at 0
    ngrams: Ngrams | None = None
    held: Held = Held()
    facts: dict[str, Any] = field(default_factory=dict)  # for the provenance


@dataclass(frozen=True)
class Init:
    """Vectors to begin with, and which of them stay: `True`, all; or these words."""

    vectors: Vectors
    facts: dict[str, Any]
    freeze: bool | frozenset[str]


@dataclass(frozen=True)
class Compass:
    """A model whose output layer stays."""

    model: Model
    facts: dict[str, Any]


def read_init(source: Source | None, freeze: Freeze, dim: int | None) -> Init | None:
    """The vectors that a user wants a run to begin with, if any; dim: the one asked for, if any.

    Raises `OptionError` if they have another dim, `FormatError` if a file cannot be read or a value
    is not finite, `TypeError` for anything but a path, a model or vectors, or for `freeze` that is
    no words.
    """
    if source is None:
        if freeze is not False:
            raise OptionError("freeze without init: there are no vectors to keep; give init, or leave it out")
        return None
    if isinstance(source, (str, Path)):
        vectors = load_vectors(source)
    elif isinstance(source, (Model, Vectors)):
        vectors = source.vectors if isinstance(source, Model) else source
        if (row := first_nonfinite_row(vectors.matrix)) is not None:
            raise FormatError(f"init: the vector of {vectors.words[row]!r} holds NaN or Inf")
    else:
        raise TypeError(f"init is of type {type(source).__name__}: expected a path, a model or Vectors")
    facts = facts_of_source(source, vectors.matrix)
    if dim not in (None, vectors.dim):
        raise OptionError(
            f"dim={dim} with init={facts['name']}: its vectors have {vectors.dim} values; leave dim out"
        )
    return Init(vectors, facts, _words_to_freeze(freeze))


def read_compass(source: str | Path | Model | None) -> Compass | None:
    """The model against whose output layer a user wants a run to train, if any.

    Raises `FormatError` as `load`, `TypeError` for anything but a path or a model.
    """
    if source is None:
        return None
    if not isinstance(source, (str, Path, Model)):
        raise TypeError(f"compass is of type {type(source).__name__}: expected a path or a model")
    model = source if isinstance(source, Model) else load(source)
    model.check_finite("compass")
    return Compass(model, facts_of_source(source, model.outputs))


def check_start(
    options: Options, init: Init | None, compass: Compass | None, on_cluster: bool, words: bool
) -> None:
    """Raise `OptionError` for what does not go with `init` or `compass`.

    words: whether a vocabulary or a tree of the user's own is given.
    """
    given = "compass" if init is None else "init"
    for found, what in (
        (init is not None and compass is not None, "compass: it has vectors to begin with"),
        (on_cluster, "a cluster: not supported"),
        (options.replicas > 1, "replicas: each run would begin with the same vectors"),
        (compass is not None and words, "vocab or a tree: its model has both"),
        (
            init is not None and init.freeze is not False and options.subwords is not None,
            "freeze and subwords: words share their n-grams, so their vectors cannot stay",
        ),
    ):
        if found:
            raise OptionError(f"{given} with {what}; leave one of them out")


def facts_of_source(source: Source, matrix: Float32) -> dict[str, Any]:
    """The name of a file and its SHA-256; where there is no single file, that of the values."""
    name, path = f"a {type(source).__name__}", None
    if isinstance(source, (str, Path)):
        name, path = shown(source), Path(source)
    if path is None or path.is_dir():
        return {"name": name, "sha256": hashlib.sha256(matrix.tobytes()).hexdigest()}
    with path.open("rb") as file:
        return {"name": name, "sha256": hashlib.file_digest(file, "sha256").hexdigest()}


def _words_to_freeze(freeze: Freeze) -> bool | frozenset[str]:
    if isinstance(freeze, bool):
        return freeze
    if not isinstance(freeze, (str, Path)):
        listed = several(freeze) if isinstance(freeze, Iterable) else [None]
        if not all(map(is_word, listed)):
            raise TypeError(f"freeze={short(freeze)}: expected True, False, a file of words, or words")
        return frozenset(map(str, listed))
    words = set()
    for number, line in numbered_lines(freeze):
        if len(line.split()) != 1:
            raise FormatError(f"{shown(freeze)}:{number}: found {line[:80]!r}, expected one word a line")
        words.add(line.strip())
    return frozenset(words)


def start_from(
    init: Init, vocabulary: Vocabulary, options: Resolved, ngrams: Ngrams | None, note: Callable[[str], None]
) -> Start:
    """Inputs with the vectors of `init` for the words that it has; the others begin as usual.

    If `ngrams` are those of `init`, their rows are its own, too. Otherwise the row of a word makes
    up for n-grams that have learned nothing yet. `OptionError` if no word is found.
    """
    vectors, words, name = init.vectors, len(vocabulary), init.facts["name"]
    index = {word: row for row, word in enumerate(vectors.names)}
    rows = np.array([index.get(word, -1) for word in vocabulary.words], np.int64)
    found = rows >= 0
    if not found.any():
        raise OptionError(
            f"init={name}: has none of the {words:,} words of the vocabulary; give vectors of the same "
            "language, or prepare the text as theirs was (lowercase, tokenize)"
        )
    inputs = start_vectors(words + len(ngrams or ()), options.dim, options.seed)[:, : options.dim]
    frozen = _frozen(init.freeze, vocabulary, found)
    known = vectors.matrix[rows[found]]
    length = np.sqrt(np.einsum("ij,ij->", known, known, dtype=np.float64) / len(known))
    scale = np.float32(1.0 if frozen.any() or length == 0 else LENGTH / length)
    if frozen.any() and length > LONG:
        warn(
            f"{name}: frozen vectors of length {length:.3g}, in the root mean square: nodes learn well from "
            f"up to {LONG:g}; a lower lr helps, such as {options.lr * (LONG / length) ** 2:.1g}"
        )
    known = scale * known + np.float32(0.0)  # no -0: a gradient of 0 would turn it to 0
    if ngrams is None:
        inputs[:words][found] = known
    elif vectors.subwords is not None and _same_kind(vectors.subwords.ngrams, ngrams):
        theirs = vectors.subwords
        places = theirs.ngrams.places(ngrams.ids)
        inputs[:words][found] = scale * theirs.rows[rows[found]]
        inputs[words:][places >= 0] = scale * theirs.rows[len(vectors) + places[places >= 0]]
    else:
        parts = ngrams.parts(vocabulary.words)
        sizes = np.diff(parts.offsets)[found, np.newaxis].astype(np.float32)
        inputs[:words][found] += sizes * (known - compose_rows(parts, inputs)[found])
    counts = {"words": words, "words_found": int(found.sum()), "words_frozen": int(frozen.sum())}
    asked = None if isinstance(init.freeze, bool) else len(init.freeze)
    facts = {"init": init.facts | counts | {"words_to_freeze": asked, "scale": float(scale)}}
    note(describe(facts))
    held = Held(NODES_FIRST, frozen if frozen.any() else None)
    return Start(inputs, np.zeros((0, options.dim), np.float32), ngrams, held, facts)


def describe(facts: Mapping[str, Any]) -> str:
    """A line on what a run began with, from its provenance; empty if with random vectors."""
    if (init := facts.get("init")) is not None:
        line = f"{init['name']}: vectors for {init['words_found']:,} of {init['words']:,} words"
        if init["words_frozen"]:
            line += f", {init['words_frozen']:,} of them frozen"
        if init["words_to_freeze"] not in (None, init["words_frozen"]):
            line += f" ({init['words_to_freeze']:,} were to be)"
        return line
    if (compass := facts.get("compass")) is not None:
        return (
            f"{compass['name']}: {compass['tokens_left_out']:,} tokens of words that it lacks left out; "
            f"{compass['words_absent']:,} of its {compass['words']:,} words are not in the text and keep "
            "its vectors"
        )
    return ""


def _same_kind(a: Ngrams, b: Ngrams) -> bool:
    return (a.shortest, a.longest, a.buckets) == (b.shortest, b.longest, b.buckets)


def _frozen(freeze: bool | frozenset[str], vocabulary: Vocabulary, found: Array) -> Array:
    """The words whose vectors stay, (V,) bool; `OptionError` if none of those named is found."""
    if isinstance(freeze, bool):
        return found if freeze else np.zeros(len(found), bool)
    frozen: Array = found & np.array([word in freeze for word in vocabulary.words])
    if not frozen.any():
        raise OptionError(
            f"freeze: none of its {len(freeze):,} words is both in the vocabulary and in init; expected "
            "words as the text has them"
        )
    return frozen


# ---- a frozen output layer ----------------------------------------------------------------------


def compass_options(base: Resolved, asked: Options) -> Resolved:
    """The options of a run against the output layer of a model of `base`.

    `OptionError` if others than `COMPASS_OPTIONS` are asked for.
    """
    usual = Options()
    for option in fields(Options):
        name, value = option.name, getattr(asked, option.name)
        if name not in COMPASS_OPTIONS and value not in (getattr(usual, name), getattr(base, name)):
            raise OptionError(f"{name}={value} with compass: its model determines it; leave it out")
    own = {name: getattr(asked, name) for name in COMPASS_OPTIONS} | {"lr": asked.lr or base.lr}
    settled: dict[str, Any] = {"tree": "given" if base.loss == "hs" else base.tree}
    return replace(base, **own | settled, tree_order="frequency", replicas=1, resample=False).resolved()


def start_against(compass: Compass, text: Corpus, note: Callable[[str], None]) -> Start:
    """The weights of a model whose output layer stays, and whose vectors learn from a text."""
    base, words = compass.model, len(compass.model.vocabulary)
    absent = int(np.count_nonzero(np.bincount(text.ids, minlength=words) == 0))
    counts = {"words": words, "words_absent": absent, "tokens_left_out": text.tokens - len(text.ids)}
    facts = {"compass": compass.facts | counts}
    note(describe(facts))
    return Start(base.parameters.inputs, base.outputs, base.ngrams, Held(nodes=True), facts)

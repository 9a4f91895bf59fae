"""More text for a trained model: the run that learns it, and what was known moves little by it."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from w2v_hs.kernels import tokens as reader
from w2v_hs.kernels.common import padded
from w2v_hs.model.growth import Parameters, extended
from w2v_hs.model.model import Model
from w2v_hs.model.weights import Weights
from w2v_hs.options import Preprocessing, Resolved
from w2v_hs.progress import Display, Progress, display
from w2v_hs.text.corpus import Corpus, read_corpus
from w2v_hs.training.loop import train_weights
from w2v_hs.training.memory import check_fits
from w2v_hs.training.provenance import provenance
from w2v_hs.training.run import Position, Watch
from w2v_hs.tree.growth import settle
from w2v_hs.tree.tree import Tree
from w2v_hs.types import Float32, Int64, Texts


@dataclass(frozen=True)
class Start:
    """Where an update begins.

    options: of its run, resolved. vectors (V, dim) and outputs (rows, dim) float32: of the model
    with room for the new words. added: (V,) int64, occurrences in the new text. checksum: SHA-256
    of that text.
    """

    options: Resolved
    vectors: Float32
    outputs: Float32
    added: Int64
    checksum: str


def update_options(options: Resolved, **given: Any) -> Resolved:
    """The options of a run that goes on with a model of `options`; what is None in `given` is the
    model's, and lr half of that."""
    # The tree grows, and is not learned anew.
    settled = {"tree": "given" if options.loss == "hs" else options.tree, "tree_order": "frequency"}
    defaults = {"lr": options.lr / 2, "threads": None, "holdout": 0.0, "patience": None}
    chosen = {name: value for name, value in given.items() if value is not None}
    return replace(options, **defaults | chosen | settled).resolved()


def train_update(
    start: Start,
    text: Corpus,
    tree: Tree | None,
    report: Callable[[Progress], None],
    watch: Watch = Watch(),  # noqa: B008 (without state)
    now: tuple[Float32, Float32] | None = None,
    position: Position | None = None,
) -> Weights:
    """Train with the new text, then let what was known move only by the share of its occurrences
    that is new (`growth.settle`).

    tree: the grown one. now, position: vectors (V, dim) and outputs (rows, dim) float32, and where
    in the run they were taken, to go on from. The matrices of the result have (V, dim) and
    (rows, dim). Raises as `train_weights`.
    """
    dim, total = start.options.dim, text.vocabulary.counts
    weights = train_weights(
        text,
        tree,
        start.options,
        report,
        start=now or (start.vectors, start.outputs),
        position=position,
        watch=watch,
    )
    weights.vectors = weights.vectors[:, :dim]
    weights.outputs = weights.outputs[: len(start.outputs), :dim]
    shares = start.added / total
    settle(start.vectors, weights.vectors, shares)
    if tree is not None:
        shares = tree.mass_below(start.added) / tree.mass_below(total)
        shares[~start.outputs.any(axis=1)] = 1.0  # nodes that are new, of split leaves
    settle(start.outputs, weights.outputs, shares)
    return weights


def update(
    model: Model,
    corpus: Texts,
    options: Resolved,
    preprocessing: Preprocessing,
    *,
    new_words: bool,
    show: bool = False,
) -> None:
    """`Model.update` with the options of its run as one object, from `update_options`."""
    with display(show) as bars:
        start, text, tree = begin_update(model, corpus, options, preprocessing, new_words, bars)
        end_update(model, start, text, train_update(start, text, tree, bars.train))


def begin_update(
    model: Model,
    corpus: Texts,
    run: Resolved,
    preprocessing: Preprocessing,
    new_words: bool,
    bars: Display,
) -> tuple[Start, Corpus, Tree | None]:
    """Read the text of an update and make room for its words; the model stays as it is.

    run: from `update_options`. Returns what `train_update` takes.
    """
    model.check_finite("update")
    bars.step("compiling")
    reader.warm_up()
    text = read_corpus(
        corpus,
        min_count=run.min_count if new_words else 2**62,
        vocabulary=model.vocabulary,
        extend=True,
        preprocessing=preprocessing,
        threads=run.threads,
        progress=bars.read,
    )
    check_fits(text.vocabulary, padded(run.dim), 4)
    bars.step("tree")
    vocabulary, vectors, outputs, tree = extended(
        model.parameters, text.vocabulary, model.options.seed
    )
    bars.note(f"{len(vocabulary) - len(model.vocabulary):,} new words, {len(vocabulary):,} in all")
    bars.step("compiling")
    known = np.array([model.vocabulary.index.get(word, -1) for word in vocabulary.words])
    added = vocabulary.counts - np.where(known < 0, 0, model.vocabulary.counts[known])
    return Start(run, vectors, outputs, added, text.checksum), text, tree


def end_update(model: Model, start: Start, text: Corpus, weights: Weights) -> None:
    """Take over what `train_update` gave."""
    model.become(Parameters(text.vocabulary, weights.vectors, weights.outputs, weights.tree))
    model.provenance.setdefault("updates", []).append(
        provenance(text, weights) | {"losses": weights.losses, "lr": start.options.lr}
    )

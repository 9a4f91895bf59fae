"""More text for a trained model: the run that learns it, and what was known moves little by it."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from w2v_hs.corpus import Corpus
from w2v_hs.growth import settle
from w2v_hs.options import Resolved
from w2v_hs.schedule import Position, Progress, Watch
from w2v_hs.trainer import Weights, train_weights
from w2v_hs.tree import Tree
from w2v_hs.types import Float32, Int64


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

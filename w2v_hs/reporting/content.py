"""The content of a report on one model; `report`, which writes it or that on two."""

import math
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from w2v_hs.checks import option
from w2v_hs.comparison.change import Shift
from w2v_hs.comparison.sides import vectors_of
from w2v_hs.errors import OptionError
from w2v_hs.files.atomic import replacing
from w2v_hs.files.outputs import reserved
from w2v_hs.formatting import HELD_OUT_LOSS, cell, flat, rise, texts
from w2v_hs.model.model import Model
from w2v_hs.model.tree_statistics import Anatomy, Split, anatomy
from w2v_hs.progress import Display, display
from w2v_hs.reporting import figures as report_figures
from w2v_hs.reporting.change import change_page
from w2v_hs.reporting.evaluation import CONFIDENCE, LONGEST, evaluations
from w2v_hs.reporting.rendering import as_base64, render, short
from w2v_hs.reporting.word_map import WordMap, word_map
from w2v_hs.vectors.vectors import Vectors

LEVELS = 4  # of the tree


def report(
    model_or_vectors: Model | Vectors | Sequence[Model | Vectors],
    path: str | Path,
    *,
    new: Model | Vectors | Sequence[Model | Vectors] | None = None,
    found: Shift | None = None,
    title: str | None = None,
    words: int = 10_000,
    projection: str | None = None,
    analogies: Iterable[str | Path] | None = None,
    similarity: Iterable[str | Path] | None = None,
    progress: bool = False,
) -> None:
    """Write an HTML report on a model, on vectors alone, or on what changed between two models.

    On one model, the file shows what there is of losses, evaluation with intervals, a map with
    neighbours, the tree, options and provenance.

    On two, it shows the words that changed most, where they moved on a map of both, and the
    neighbours of all words then and now.

    Parameters
    ----------
    model_or_vectors
        A `Model` or `Vectors`; with `new` also a list of runs of one text, as in `shift`.
    path
        The file to write. If anything fails, an existing one stays whole.
    new
        A model or vectors of another text, or several runs of it: the report is on the words that
        changed from the first text to this one.
    found
        What `shift(model_or_vectors, new)` has found, with other options or words than by default.
    title
        The heading.
    words
        How many words the map shows, the most frequent first.
    projection
        Of the map: "pca", "tsne" (needs openTSNE) or "umap" (needs umap-learn); None: "tsne" or,
        with a warning, "pca" where openTSNE is not installed.
    analogies, similarity
        As in `evaluate`; None: its default sets, and the page names any that is missing. Not with
        `new`.
    progress
        As in `train`.

    Raises
    ------
    OptionError
        Bokeh or what a projection needs is not installed, an option is outside its range or does
        not go with `new`, the file would replace a set, or the two models cannot be compared, as in
        `shift`.
    EvaluationError
        A set that was given is missing or malformed.
    OutputError
        The file cannot be written.
    TypeError
        Something given is neither a model nor vectors.
    """
    analogies, similarity = (None if sets is None else tuple(sets) for sets in (analogies, similarity))
    if new is None and found is not None:
        raise OptionError("found without new: expected the two models that shift compared")
    for name, sets in (("analogies", analogies), ("similarity", similarity)):
        if new is not None and sets is not None:
            raise OptionError(f"{option(name)} with two models: their report has no evaluation; leave it out")
    report_figures.bokeh()

    def page(bars: Display) -> str:
        if new is None:
            heading = title or "word vectors"
            return _page(model_or_vectors, heading, words, projection, analogies, similarity, bars)
        heading = title or "words by change"
        return change_page(model_or_vectors, new, found, heading, bars, words, projection)

    with reserved([path], [*(analogies or ()), *(similarity or ())]):
        write_page(Path(path), page, progress)


def write_page(path: Path, page_of: Callable[[Display], str], progress: bool) -> None:
    """Write what page_of, called with a display of its progress, returns."""
    with display(progress) as bars:
        content = page_of(bars).encode(errors="replace")  # a lone surrogate in the name of a file
    with replacing(path, len(content)) as temporary:
        temporary.write_bytes(content)


def _page(
    model_or_vectors: object,
    title: str,
    words: int,
    projection: str | None,
    analogies: Iterable[str | Path] | None,
    similarity: Iterable[str | Path] | None,
    bars: Display,
) -> str:
    """The whole page on one model."""
    model = model_or_vectors if isinstance(model_or_vectors, Model) else None
    vectors = vectors_of(model_or_vectors)
    bars.step("evaluating")
    sets = evaluations(vectors, analogies, similarity)
    tree: Anatomy | None = None
    figures: dict[str, Any] = {}
    data: dict[str, Any] = {}
    if model and model.losses:
        figures["losses"] = report_figures.loss_figure(model.losses, model.holdout_losses, *_unigram(model))
    if model and model.tree is not None:
        bars.step("tree")
        tree = anatomy(model, LEVELS)
        figures["depths"] = report_figures.depth_figure(tree.mass_by_depth, tree.words_by_depth)
    bars.step("map")
    layout = word_map(vectors, words, projection, bars.score)
    root = _nested(tree.splits) if tree and tree.splits else None
    groups = _groups(root) if root else []
    if len(layout.rows):
        figures["map"] = report_figures.map_figure()
        data = map_data(vectors, layout, model) | {"groups": [code for code, _ in groups]}
    return render(
        "report.html",
        ("report.js", "atlas.js"),
        title,
        figures,
        data,
        about=_about(vectors, model),
        tiles=_tiles(model, tree, sets),
        sets=sets,
        layout=layout,
        shown_words=f"{len(layout.rows):,}",
        tree=tree,
        tree_name=_tree_name(model) if model and tree else None,
        root=root,
        groups=groups,
        holdout=bool(model and model.holdout_losses),
        rise=rise(model.losses) if model else "",
        holdout_rise=rise(model.holdout_losses, HELD_OUT_LOSS)
        if model and not model.options.patience
        else "",
        updates=len(_updates(model)) if model else 0,
        holdout_base=_unigram(model)[1] if model else None,
        tables=_tables(model) if model else [],
        confidence=f"{CONFIDENCE:.0%}",
    )


# --- the map ----------------------------------------------------------------------------------


def map_data(vectors: Vectors, layout: WordMap, model: Model | None) -> dict[str, Any]:
    """The data of the map for the page.

    words: the n words of the map, then neighbours that are not on it; neighbours are indices into
    that list. Arrays are base64 of little-endian values. codes: the first bits of each word's path,
    after a 1 that keeps leading zeros.
    """
    rows = layout.rows.tolist()
    beyond = sorted(set(layout.neighbours.ravel().tolist()) - set(rows))
    place = {row: number for number, row in enumerate((*rows, *beyond))}
    numbers = np.array([place[row] for row in layout.neighbours.ravel().tolist()], np.uint32)
    data = {
        "words": [short(vectors.names[row]) for row in place],
        "ranks": [row + 1 for row in rows],
        "x": as_base64(layout.places[:, 0], "<f4"),
        "y": as_base64(layout.places[:, 1], "<f4"),
        "k": layout.neighbours.shape[1],
        "neighbours": as_base64(numbers, "<u4"),
        "cosines": as_base64(layout.cosines, "<f4"),
        "counts": None,
        "codes": None,
    }
    if model:
        data["counts"] = model.vocabulary.counts[layout.rows].tolist()
    if model and model.tree is not None:
        data["codes"] = [int("1" + model.tree.code(row)[:LEVELS], 2) for row in rows]
    return data


# --- what stands in the page ------------------------------------------------------------------


def _about(vectors: Vectors, model: Model | None) -> str:
    text = f"{len(vectors):,} words, {vectors.dim} dimensions"
    if model is None:
        return text + ". Vectors alone: the file holds no losses, no tree and no options."
    options, corpus = model.options, model.provenance["corpus"]
    arch = {"skipgram": "skip-gram", "cbow": "CBOW"}[options.arch]
    layer = f"hierarchical softmax, {options.tree} tree" if model.tree is not None else "full softmax"
    text += f", {arch}, {layer}"
    names, tokens = corpus.get("names"), corpus.get("retained_tokens")
    if isinstance(names, list) and names:
        text += ". Trained on " + texts(names, LONGEST)
        if isinstance(tokens, int):
            text += f": {tokens:,} words, {len(model.losses)} epoch"
            text += "s" * (len(model.losses) != 1)
    if updates := _updates(model):
        text += "; then on " + texts([n for update in updates for n in update["corpus"]["names"]], LONGEST)
    return text + "."


def _updates(model: Model) -> list[dict[str, Any]]:
    updates: list[dict[str, Any]] = model.provenance.get("updates", [])
    return updates


def _tree_name(model: Model) -> str:
    kind = model.options.tree
    return {"huffman": "Huffman tree", "given": "tree of your own"}.get(kind, f"{kind} tree")


def _tiles(
    model: Model | None, tree: Anatomy | None, sets: list[dict[str, Any]]
) -> list[tuple[str, str, str]]:
    """The key figures: name, value, and what to compare it with."""
    tiles = []
    if model:
        of_last = model.losses
        aside = sorted(model.holdout_losses)[:1]
        bases: tuple[float | None, float | None] = _unigram(model)
        last = "loss, last epoch"
        if updates := _updates(model):  # of another text, of which frequencies are not known
            of_last, bases, last = updates[-1]["losses"], (None, bases[1]), "loss, last update"
        losses = [loss for loss in of_last[-1:] if loss is not None]
        for name, values, base in zip((last, "loss, set aside"), (losses, aside), bases, strict=True):
            beside = "" if base is None else f"frequencies alone: {base:.3f}"
            tiles += [(name, f"{value:.3f} nats", beside) for value in values]
    for group in sets:
        whole = group["kind"] == "analogies"
        for row in group["rows"][:1] if whole else group["rows"]:
            name = group["name"] if whole else row["name"]
            tiles.append((name, row["text"], row["range"] or row["counts"]))
    if tree:
        tiles.append(("mean path", f"{tree.expected_length:.2f} bits", f"entropy: {tree.entropy:.2f}"))
    return tiles


def _unigram(model: Model) -> tuple[float, float | None]:
    """Unigram loss in nats: in training, and on the held-out sentences if it is known."""
    facts = model.provenance.get("holdout")
    aside = facts.get("unigram_nats") if isinstance(facts, dict) else None
    known = isinstance(aside, float) and math.isfinite(aside)
    return model.summary()["vocabulary"]["unigram_loss_nats"], aside if known else None


def _nested(splits: list[Split], code: str = "") -> dict[str, Any]:
    """The splits of a tree, each nested in the side that it splits."""
    split = next(split for split in splits if split.code == code)
    codes = {split.code for split in splits}
    return {
        "code": code,
        "sides": [
            {"code": below, "side": side, "split": _nested(splits, below) if below in codes else None}
            for below, side in ((f"{code}0", split.left), (f"{code}1", split.right))
        ],
    }


def _groups(root: dict[str, Any]) -> list[tuple[str, list[str]]]:
    """Code and typical words of the sides of the second splits, by which words have colours."""
    return [
        (part["code"], part["side"].typical[:4])
        for side in root["sides"]
        for part in (side["split"]["sides"] if side["split"] else [side])
    ]


def _tables(model: Model) -> list[tuple[str, list[tuple[str, str]]]]:
    options = [
        (name.replace("_", " "), "not set" if value is None else cell(value))
        for name, value in model.options.as_dict().items()
    ]
    return [("Options", options), ("Provenance", list(flat("", model.provenance)))]

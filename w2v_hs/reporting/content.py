"""A report on a model: one page that a browser opens without a network.

This module assembles the content, `figures` draws the charts, and the folder `page` holds looks and
behaviour. Words and everything else from a file reach the page as escaped text or as JSON. The page
lets no script run but its own two, which it names by their checksums.
"""

import base64
import hashlib
import json
import math
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np

from w2v_hs.checks import shown
from w2v_hs.files.atomic import replacing
from w2v_hs.files.outputs import reserved
from w2v_hs.formatting import HELD_OUT_LOSS, cell, flat, rise, texts
from w2v_hs.model.model import Model
from w2v_hs.model.tree_statistics import Anatomy, Split, anatomy
from w2v_hs.progress import Display, display
from w2v_hs.reporting import figures as report_figures
from w2v_hs.reporting.evaluation import CONFIDENCE, LONGEST, evaluations
from w2v_hs.reporting.word_map import WordMap, word_map
from w2v_hs.vectors.vectors import Vectors
from w2v_hs.version import __version__

LEVELS = 4  # of the tree


def report(
    model_or_vectors: Model | Vectors,
    path: str | Path,
    *,
    title: str = "word vectors",
    words: int = 10_000,
    projection: str | None = None,
    analogies: Iterable[str | Path] | None = None,
    similarity: Iterable[str | Path] | None = None,
    progress: bool = False,
) -> None:
    """Write an HTML report on a model, or on vectors alone.

    The file shows what there is of losses, evaluation with intervals, a map with neighbours, the
    tree, options and provenance.

    Parameters
    ----------
    model_or_vectors
        A `Model` or `Vectors`.
    path
        The file to write. If anything fails, an existing one stays whole.
    title
        The heading.
    words
        How many words the map shows, the most frequent first.
    projection
        Of the map: "pca", "tsne" (needs openTSNE) or "umap" (needs umap-learn); None: "tsne" or,
        with a warning, "pca" where openTSNE is not installed.
    analogies, similarity
        As in `evaluate`; None: its default sets, and the page names any that is missing.
    progress
        As in `train`.

    Raises
    ------
    OptionError
        Bokeh or what a projection needs is not installed, an option is outside its range, or the
        file would replace a set.
    EvaluationError
        A set that was given is missing or malformed.
    OutputError
        The file cannot be written.
    """
    analogies, similarity = (None if sets is None else tuple(sets) for sets in (analogies, similarity))
    report_figures.bokeh()
    with reserved([path], [*(analogies or ()), *(similarity or ())]):
        with display(progress) as bars:
            page = _page(model_or_vectors, title, words, projection, analogies, similarity, bars)
        content = page.encode(errors="replace")  # a lone surrogate in the name of a file
        with replacing(Path(path), len(content)) as temporary:
            temporary.write_bytes(content)


def _page(
    model_or_vectors: Model | Vectors,
    title: str,
    words: int,
    projection: str | None,
    analogies: Iterable[str | Path] | None,
    similarity: Iterable[str | Path] | None,
    bars: Display,
) -> str:
    """The whole page."""
    from bokeh import __version__ as bokeh_version
    from bokeh.core.types import ID
    from bokeh.embed import json_item
    from jinja2 import Environment, PackageLoader, StrictUndefined

    model = model_or_vectors if isinstance(model_or_vectors, Model) else None
    vectors = model_or_vectors.vectors if isinstance(model_or_vectors, Model) else model_or_vectors
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
    loader = PackageLoader("w2v_hs.reporting", "page")
    environment = Environment(
        loader=loader, autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    own = {name: loader.get_source(environment, name)[0] for name in ("report.css", "report.js")}
    library = report_figures.scripts()
    return environment.get_template("report.html").render(
        title=shown(title, LONGEST),
        about=_about(vectors, model),
        tiles=_tiles(model, tree, sets),
        sets=sets,
        layout=layout,
        shown_words=f"{len(layout.rows):,}",
        tree=tree,
        tree_name=_tree_name(model) if model and tree else None,
        root=root,
        groups=groups,
        figures=figures,
        holdout=bool(model and model.holdout_losses),
        rise=rise(model.losses) if model else "",
        holdout_rise=rise(model.holdout_losses, HELD_OUT_LOSS)
        if model and not model.options.patience
        else "",
        updates=len(_updates(model)) if model else 0,
        holdout_base=_unigram(model)[1] if model else None,
        tables=_tables(model) if model else [],
        data=_json(data | {"figures": {name: json_item(f, ID(name)) for name, f in figures.items()}}),
        css=own["report.css"],
        library=library,
        script=own["report.js"],
        checksums=[_checksum(library), _checksum(own["report.js"])],
        versions=f"w2v_hs {__version__}, charts by Bokeh {bokeh_version}",
        short=_short,
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
        "words": [_short(vectors.names[row]) for row in place],
        "ranks": [row + 1 for row in rows],
        "x": _base64(layout.places[:, 0], "<f4"),
        "y": _base64(layout.places[:, 1], "<f4"),
        "k": layout.neighbours.shape[1],
        "neighbours": _base64(numbers, "<u4"),
        "cosines": _base64(layout.cosines, "<f4"),
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


def _short(word: str) -> str:
    """A word as the page shows it: cut if very long, with lone surrogates replaced by U+FFFD."""
    text = word if len(word) <= LONGEST else word[:LONGEST] + "…"
    return re.sub("[\ud800-\udfff]", "\ufffd", text)


def _base64(values: np.ndarray, dtype: str) -> str:
    return base64.b64encode(np.ascontiguousarray(values, dtype).tobytes()).decode()


def _json(value: object) -> str:
    """JSON that can stand within a script element: nothing in it ends the element."""
    return json.dumps(value, allow_nan=False, separators=(",", ":")).replace("<", "\\u003c")


def _checksum(script: str) -> str:
    """The hash by which a content security policy names a script."""
    return "sha256-" + base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()

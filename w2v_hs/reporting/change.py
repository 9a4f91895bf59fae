"""The content of a report on two models: the words that changed, a map of both, neighbours.

On the map, words stand where both models have them in the mean, and a word that moved stands twice:
where the old model has it and where the new one has it, once that is rotated onto the old one. All
are laid out together (after Hamilton, Leskovec and Jurafsky 2016, whose map has the words of one
period).
"""

from dataclasses import dataclass
from typing import Any

import numpy as np

from w2v_hs.checks import whole
from w2v_hs.comparison.alignment import fit
from w2v_hs.comparison.change import ORDERS, Shift, listed_runs, shift
from w2v_hs.comparison.sides import Shared, vectors_of
from w2v_hs.comparison.tables import figures_of
from w2v_hs.errors import OptionError
from w2v_hs.formatting import texts
from w2v_hs.model.model import Model
from w2v_hs.progress import Display
from w2v_hs.reporting import figures as report_figures
from w2v_hs.reporting.evaluation import LONGEST
from w2v_hs.reporting.rendering import as_base64, render, short
from w2v_hs.reporting.word_map import NEIGHBOURS, chosen, laid_out, nearest
from w2v_hs.types import Float32, Int64
from w2v_hs.vectors.rotation import directions

MOVED = 50  # words of the table, which stand twice on the map
NAMED = 5  # neighbours in the table


@dataclass(frozen=True)
class ChangeMap:
    """Words of two models, laid out together.

    rows: (n,), of the shared words, ascending. moved: (m,), which of `rows` moved, those that
    changed most first. places: (n, 2), of a word that moved where the new model has it. before:
    (m, 2), where the old one has it. variance: as in `WordMap`.
    """

    projection: str
    rows: Int64
    moved: Int64
    places: Float32
    before: Float32
    variance: float | None


def change_page(
    old: object,
    new: object,
    found: Shift | None,
    title: str,
    bars: Display,
    words: int = 10_000,
    projection: str | None = None,
) -> str:
    """The whole page; parameters as of `report`."""
    most, projection = whole("words", words, 1), chosen(projection)
    sides = listed_runs("old", old), listed_runs("new", new)
    bars.step("comparing")
    if found is None:
        found = shift(*sides)
    shared = Shared.of([*sides[0], *sides[1]])
    index = {str(word): row for row, word in enumerate(shared.words)}
    moved = found.words[:MOVED]
    if not moved:
        raise OptionError("found holds no words; expected what shift found, for all words or some")
    compared = len(shared), (len(sides[0]), len(sides[1]))
    if compared != (found.shared_words, found.runs) or any(str(each.word) not in index for each in moved):
        raise OptionError(
            f"found: of other models than these, {_counted(found.shared_words, found.runs)} instead of "
            f"{_counted(*compared)}; expected what shift found in these"
        )
    bars.step("map")
    runs = len(sides[0])
    rows = [index[str(each.word)] for each in moved]
    layout = change_map(shared.units[:runs], shared.units[runs:], rows, most, projection)
    data = _data(shared, runs, layout, found, bars)
    names = data["words"]
    near = [[[names[other] for other in of[place][:NAMED]] for of in data["near"]] for place in layout.moved]
    for side, of in zip(("then", "now"), data.pop("near"), strict=True):
        data[side] = as_base64(of, "<u4")
    figures = [getattr(each, found.by) for each in moved]
    return render(
        "change.html",
        ("report.js", "atlas.js", "change.js"),
        title,
        {"map": report_figures.map_figure(moves=True)},
        data,
        about=_about(sides, found),
        tiles=_tiles(found),
        found=found,
        moved=[
            {"shift": each, "figure": figure, "other": getattr(each, _other(found)), "near": words}
            for each, figure, words in zip(moved, figures, near, strict=True)
        ],
        other=_other(found),
        asked=found.words[0].old_neighbors is not None,
        several=max(found.runs) > 1,
        scale=max(1.0, *(max(figure.value, (figure.interval or (0, 0))[1]) for figure in figures)),
        layout=layout,
        shown_words=f"{len(layout.rows):,}",
        groups=[],
        confidence=f"{100 * found.confidence:g}%",
    )


def change_map(
    old: list[Float32], new: list[Float32], moved: list[int], most: int, projection: str
) -> ChangeMap:
    """Lay out the `most` most frequent words, and those that moved.

    old, new: for each run (n, dim), the vectors of the same words scaled to length 1. moved: rows.
    """
    first = old[0]
    before, after = (
        directions(np.sum([run if run is first else run @ fit(run, first)[0] for run in runs], axis=0))
        for runs in (old, new)
    )
    rows = np.union1d(np.arange(min(most, len(first))), np.array(moved, np.int64))
    vectors, places_of_moved = directions(before + after)[rows], np.searchsorted(rows, moved)
    vectors[places_of_moved] = after[moved]
    places, variance = laid_out(np.vstack([vectors, before[moved]]), projection)
    return ChangeMap(projection, rows, places_of_moved, places[: len(rows)], places[len(rows) :], variance)


def _data(shared: Shared, runs: int, layout: ChangeMap, found: Shift, bars: Display) -> dict[str, Any]:
    """What the scripts read; see `content.map_data`. near: neighbours then and now, (n, k) each."""
    near = []
    cosines = []
    for side, units in enumerate((shared.units[:runs], shared.units[runs:])):
        # The product of runs side by side is their mean cosine.
        stacked = np.hstack(units) / np.float32(np.sqrt(len(units)))

        def score(done: int, total: int, side: int = side) -> None:
            bars.score(done + side * total, 2 * total)

        of_side = nearest(stacked, layout.rows, found.candidates, NEIGHBOURS, score)
        near.append(of_side[0])
        cosines.append(of_side[1])
    rows = layout.rows.tolist()
    beyond = sorted({row for of_side in near for row in of_side.ravel().tolist()} - set(rows))
    number = np.zeros(len(shared), np.int64)
    number[[*rows, *beyond]] = np.arange(len(rows) + len(beyond))
    known = {str(each.word): each for each in found.words}
    shifts = [known.get(str(shared.words[row])) for row in rows]
    return {
        "words": [short(str(shared.words[row])) for row in (*rows, *beyond)],
        "ranks": [row + 1 for row in rows],
        "x": as_base64(layout.places[:, 0], "<f4"),
        "y": as_base64(layout.places[:, 1], "<f4"),
        "k": near[0].shape[1],
        "near": [number[of_side] for of_side in near],
        "cosines then": as_base64(cosines[0], "<f4"),
        "cosines now": as_base64(cosines[1], "<f4"),
        "moved": layout.moved.tolist(),
        "before": as_base64(layout.before, "<f4"),
        "facts": [each and figures_of(each, found) for each in shifts],
        "counts": None if shared.counts is None else _counts(shared, rows),
        "codes": None,
    }


def _counts(shared: Shared, rows: list[int]) -> list[str]:
    assert shared.counts is not None
    old, new = shared.counts[0][rows].tolist(), shared.counts[-1][rows].tolist()
    return [f"{a:,} then, {b:,} now" for a, b in zip(old, new, strict=True)]


def _about(sides: tuple[list[Any], list[Any]], found: Shift) -> str:
    """What was compared."""
    described = []
    for name, runs in zip(("old", "new"), sides, strict=True):
        text = f"{len(vectors_of(runs[0])):,} words"
        corpus = runs[0].provenance["corpus"] if isinstance(runs[0], Model) else {}
        if names := corpus.get("names"):
            text = f"{texts(names, LONGEST)}, {text}"
        described.append(f"{name}: {text}" + (f", {len(runs)} runs" if len(runs) > 1 else ""))
    return f"{'; '.join(described)}. {found.shared_words:,} words are in both."


def _tiles(found: Shift) -> list[tuple[str, str, str]]:
    """The key figures: name, value, and what to compare it with."""
    usual = [[each.overlap.usual, each.distance.usual] for each in found.words if each.rank is not None]
    least = f"count of {found.min_count:,} or more in both" if found.min_count else "the most frequent"
    tiles = [("words ranked", f"{found.ranked_words:,}", least)]
    if found.control:
        rounds = f"{found.control:,} round{'s' * (found.control > 1)} of shuffled {found.shuffle}"
        tiles.append(("words with q < 0.05", f"{found.changed_words:,}", rounds))
    if usual:
        overlap, distance = np.median(np.array(usual, float), axis=0)
        near = f"of {found.neighbors:,} neighbours among {found.candidates:,}"
        tiles.append(("usual overlap", f"{overlap:.3f}", near))
        tiles.append(("usual distance", f"{distance:.3f}", "1 - cosine after alignment"))
    return tiles


def _counted(words: int, runs: tuple[int, int]) -> str:
    return f"{words:,} words shared by {runs[0]} and {runs[1]} runs"


def _other(found: Shift) -> str:
    """The measure by which words do not rank."""
    return ORDERS[1 - ORDERS.index(found.by)]

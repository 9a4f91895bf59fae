"""The evaluation in a report: each test set with intervals, or the reason it was not measured."""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from w2v_hs.checks import shown
from w2v_hs.errors import EvaluationError
from w2v_hs.evaluation.evaluation import Section, Similarity, evaluate
from w2v_hs.vectors.vectors import Vectors

DEFAULT_SETS = {"analogies": ("google",), "similarity": ("wordsim353", "simlex999")}
TITLES = {"google": "Google's analogies", "wordsim353": "WordSim-353", "simlex999": "SimLex-999"}
CONFIDENCE = 0.95  # of all intervals
LONGEST = 200  # characters of a name that are shown


def evaluations(
    vectors: Vectors, analogies: Iterable[str | Path] | None, similarity: Iterable[str | Path] | None
) -> list[dict[str, Any]]:
    """One group for each set of analogies, and one for all sets of pairs together.

    A group holds rows of name, value, interval and counts, and the errors that kept a set from
    being measured. A set that is given must be there.
    """
    given = analogies is not None or similarity is not None
    sets: Mapping[str, Iterable[str | Path]] = DEFAULT_SETS
    if given:
        sets = {"analogies": analogies or (), "similarity": similarity or ()}
    groups, pairs = [], _group("similarity", "Similarity")
    for kind, names in sets.items():
        for name in names:
            asked: dict[str, Any] = {"analogies": (), "similarity": (), kind: (name,)}
            group = pairs
            if kind == "analogies":
                group = _group(kind, TITLES.get(str(name), shown(name)))
                groups.append(group)
            try:
                measured = evaluate(vectors, confidence=CONFIDENCE, **asked)
            except EvaluationError as error:
                if given:
                    raise
                group["errors"].append(str(error))
                continue
            if kind == "analogies":
                whole = measured.analogies[0]
                group["rows"] = [_accuracy(part) for part in (whole, *whole.sections)]
                group["rows"][0]["name"] = "all sections"
                limit = measured.restrict_vocab
                group["note"] = f"among the {limit:,} most frequent words" if limit else ""
            else:
                group["rows"].append(_correlation(measured.similarity[0]))
    if pairs["rows"] or pairs["errors"]:
        groups.append(pairs)
    for group in groups:
        lows = [row["interval"][0] for row in group["rows"] if row["interval"]]
        group["scale"] = -1 if min(lows, default=0) < 0 else 0  # where the axis of the chart begins
    return groups


def _group(kind: str, name: str) -> dict[str, Any]:
    return {"kind": kind, "name": name, "note": "", "errors": [], "rows": []}


def _accuracy(part: Section) -> dict[str, Any]:
    interval = part.interval
    return {
        "name": shown(part.name, LONGEST),
        "value": part.accuracy,
        "interval": interval,
        "text": "none usable" if part.accuracy is None else f"{part.accuracy:.1%}",
        "range": f"{interval[0]:.1%} to {interval[1]:.1%}" if interval else "",
        "counts": f"{part.correct:,} of {part.seen:,}",
        "missing": part.total - part.seen,
    }


def _correlation(part: Similarity) -> dict[str, Any]:
    interval = part.spearman_interval
    return {
        "name": TITLES.get(part.name, shown(part.name, LONGEST)),
        "value": part.spearman,
        "interval": interval,
        "text": "undefined" if part.spearman is None else f"{part.spearman:.3f}",
        "range": f"{interval[0]:.3f} to {interval[1]:.3f}" if interval else "",
        "counts": f"{part.used:,} pairs",
        "missing": part.total - part.used,
    }

"""What is compared: models or vectors, and the words that all of them hold."""

import itertools
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from w2v_hs.checks import quoted, several, shown
from w2v_hs.errors import FormatError, OptionError, UnknownWordError
from w2v_hs.files.container import holds_array
from w2v_hs.model import Model, load
from w2v_hs.types import Float32, Int64
from w2v_hs.vectors import Vectors, load_vectors
from w2v_hs.vectors.formats import FOLDER_MARKS
from w2v_hs.vectors.rotation import directions

NO_COUNTS = "files of vectors hold no counts, and models trained against a compass only those of the compass"


def read_side(path: Path, format: str | None = None) -> Model | Vectors:
    """The model in a file, or vectors in any format; raises as `load` and `load_vectors`.

    format: of a file of vectors, as in `load_vectors`. It does not apply to models.
    """
    return load(path) if holds_array(path, "outputs") else load_vectors(path, format=format)


def run_files(path: Path) -> list[Path]:
    """The files in a folder of runs, hidden ones left out; of any other path, itself."""
    if not path.is_dir() or any((path / mark).exists() for mark in FOLDER_MARKS):
        return [path]
    found = [file for file in path.iterdir() if not file.name.startswith(".")]
    if not found:
        raise FormatError(f"{shown(path)}: holds no files; expected models or vectors of several runs")
    return sorted(found, key=lambda file: (len(file.name), file.name))  # 10 after 9


def read_runs(paths: Iterable[Path], format: str | None = None) -> list[Model | Vectors]:
    """The runs in files and folders of them; raises as `read_side` and `run_files`."""
    return [read_side(file, format) for path in paths for file in run_files(path)]


@dataclass(frozen=True)
class Shared:
    """The n words that several models or vectors share, and that have a direction in all of them.

    Attributes
    ----------
    words
        As the first one has them; the most frequent first, by their lowest rank.
    units
        For each model, (n, dim) float32: the vectors of the words, scaled to length 1.
    counts
        For each model, (n,) int64; None if some of them have none of their own text.
    tokens
        For each model, how many words its text has; as `counts`.
    without_direction
        How many words are left out because a vector of theirs is zero or not finite.
    """

    words: list[Any]
    units: list[Float32]
    counts: list[Int64] | None
    tokens: list[int] | None
    without_direction: int

    def __len__(self) -> int:
        return len(self.words)

    @classmethod
    def of(cls, models: Sequence[object]) -> "Shared":
        """Find the shared words of two models or more.

        `OptionError` if there are none, or if dimensions differ; `TypeError` for what is neither a
        model nor `Vectors`.
        """
        vectors = list(map(vectors_of, models))
        dims = [one.dim for one in vectors]
        if len(set(dims)) > 1:
            raise OptionError(
                f"vectors of {' and '.join(map(str, dict.fromkeys(dims)))} values: expected the same "
                "dimension in all that are compared; train them with the same dim"
            )
        rows = _rows(vectors)
        units = [directions(one.matrix[these]) for one, these in zip(vectors, rows, strict=True)]
        usable = np.all([unit.any(axis=1) for unit in units], axis=0)
        if not usable.any():
            sizes = " and ".join(f"{len(one):,}" for one in vectors)
            raise OptionError(
                f"no shared words: none of {sizes} words has a vector in all that are compared; "
                "expected texts of one language and the same letter case"
            )
        rows, units = [these[usable] for these in rows], [unit[usable] for unit in units]
        counted = [model for model in models if isinstance(model, Model) and _has_own_counts(model)]
        vocabularies = [model.vocabulary for model in counted]
        known = len(vocabularies) == len(models)
        return cls(
            [vectors[0].words[row] for row in rows[0].tolist()],
            units,
            [v.counts[these] for v, these in zip(vocabularies, rows, strict=True)] if known else None,
            [v.tokens for v in vocabularies] if known else None,
            int(np.count_nonzero(~usable)),
        )


def asked_rows(words: Any, sides: dict[str, list[Any]], shared: Shared) -> list[int] | None:
    """The rows of the words to show; `UnknownWordError` that names those that are not shared."""
    if words is None:
        return None
    listed = several(words)
    if faults := word_faults(listed, sides):
        raise UnknownWordError("; ".join(faults.values()))
    index = {str(word): row for row, word in enumerate(shared.words)}
    return [index[str(word)] for word in listed]


def named_runs(runs: Iterable[Any]) -> dict[str, list[Any]]:
    """Each run of one text as a side of its own."""
    return {f"run {number}": [run] for number, run in enumerate(runs, 1)}


def word_faults(words: Iterable[Any], sides: dict[str, list[Any]]) -> dict[Any, str]:
    """Those of the words that cannot be compared, each with the reason."""
    return {word: fault for word in words if (fault := _fault(word, sides)) is not None}


def _fault(word: Any, sides: dict[str, list[Any]]) -> str | None:
    """Why a word cannot be compared; None if it can."""
    without_direction = None
    for name, runs in sides.items():
        for run in runs:
            vectors = vectors_of(run)
            try:
                row = vectors.row(word)
                if not directions(vectors.matrix[row : row + 1]).any():
                    without_direction = f"{quoted(word)} has a vector that is zero or not finite"
            except UnknownWordError as error:
                there = (
                    f"; {other} has it: look at its neighbours there"
                    for other, others in sides.items()
                    if other != name and all(word in vectors_of(each) for each in others)
                )
                return f"{name}: {error}{next(there, '')}"
    return without_direction


def check_no_run_twice(name: str, units: Sequence[Float32]) -> None:
    """Raise `OptionError` if two runs have the same vectors, which would have no noise."""
    for (i, one), (j, other) in itertools.combinations(enumerate(units, 1), 2):
        if np.array_equal(one[0], other[0]) and np.array_equal(one, other):  # the first differ at once
            raise OptionError(
                f"{name}: runs {i} and {j} have the same vectors; expected runs of one text with "
                "different seeds, each given once"
            )


def vectors_of(model: object) -> Vectors:
    """The vectors of a model, or vectors themselves; `TypeError` for anything else."""
    vectors = model.vectors if isinstance(model, Model) else model
    if not isinstance(vectors, Vectors):
        found = type(model).__name__
        raise TypeError(f"found {found}; expected a model or Vectors, as from load or load_vectors")
    return vectors


def _has_own_counts(model: Model) -> bool:
    """Whether the counts are those of its text: a run against a compass keeps the compass's."""
    return "compass" not in model.provenance


def _rows(vectors: Sequence[Vectors]) -> list[Int64]:
    """The rows of the shared words in each; words are compared as str, as text files hold them."""
    indexes = [{name: row for row, name in enumerate(one.names)} for one in vectors]
    names = [name for name in vectors[0].names if all(name in index for index in indexes[1:])]
    rows = np.array([[index[name] for name in names] for index in indexes], np.int64)
    return list(rows[:, np.argsort(rows.max(axis=0), kind="stable")])

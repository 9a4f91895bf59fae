"""Test sets read from files: analogy questions, and pairs of words rated by people."""

import csv
import math
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from w2v_hs.checks import shown
from w2v_hs.errors import EvaluationError
from w2v_hs.files.lines import bounded_lines

# The sets known by name: files in the package gensim.
SETS = {
    "analogies": {"google": "questions-words.txt"},
    "similarity": {"wordsim353": "wordsim353.tsv", "simlex999": "simlex999.txt"},
}
LINE_BYTES = 1 << 20  # the longest line
FILE_BYTES = 1 << 26  # the largest file: 100 times Google's analogies
# float() would also accept "1_0" and the digits of every script. No digit can match in two ways,
# or a long row of digits would take quadratic time.
RATING = re.compile(r"[+-]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]+)?")
# Neither a rating nor the name of a column, but a malformed rating.
LIKE_A_NUMBER = re.compile(RATING.pattern + r"|[+-]?[0-9]+,[0-9]+|[+-]?(?:nan|inf|infinity)", re.I)

Question = tuple[str, str, str, str]  # a is to b as c is to the fourth


class Pair(NamedTuple):
    """Two words and the similarity that people assigned to them."""

    a: str
    b: str
    rating: float


@dataclass(frozen=True)
class QuestionSet:
    """The name and the questions of each section, in the order of the file."""

    name: str
    sections: list[tuple[str, list[Question]]]


@dataclass(frozen=True)
class PairSet:
    """Pairs in the order of the file, duplicates included."""

    name: str
    pairs: list[Pair]
    columns: list[str] | None  # names of the three columns in the header; None: no header


def find_questions(which: str | Path) -> QuestionSet:
    """Read questions by name or path: four words a line, ": name" before each section.

    Raises `EvaluationError` as documented at `w2v_hs.evaluate`.
    """
    name, path = _find("analogies", which)
    return QuestionSet(name, _read_questions(path))


def find_pairs(which: str | Path, columns: tuple[str, str, str] | None = None) -> PairSet:
    """Read rated pairs by name or path; raises `EvaluationError` as `w2v_hs.evaluate` documents.

    `columns` names three columns of the header; it is ignored for a set known by name.
    """
    name, path = _find("similarity", which)
    return PairSet(name, *_read_pairs(path, None if which in SETS["similarity"] else columns))


def _find(kind: str, which: str | Path) -> tuple[str, Path]:
    """The name under which a set is reported, and the path of its file."""
    known = SETS[kind]
    if which in known:
        return str(which), _in_gensim(known[which], str(which))
    try:
        Path(which).stat()
    except (OSError, ValueError) as error:  # ValueError: NUL in the path
        missing = isinstance(error, FileNotFoundError)
        reason = "no such file" if missing else getattr(error, "strerror", None) or error
        raise EvaluationError(
            f"{shown(which)}: {reason}; for {kind} expected the path of a file or {' or '.join(known)}"
        ) from error
    return str(which), Path(which)


def _in_gensim(file: str, name: str) -> Path:
    """The path of a test set in the package gensim."""
    try:
        from gensim.test.utils import datapath
    except ImportError:
        raise EvaluationError(
            f"{name}: this test set is part of gensim, which is not installed: pip install gensim, "
            "or give the path of a file"
        ) from None
    return Path(datapath(file))


def _lines(path: Path) -> Iterator[tuple[str, str]]:
    """Yield "path:number" and the text of each line that is not blank."""
    name = shown(path)
    number = 0
    try:
        with path.open("rb") as file:
            lines = bounded_lines(file, name, LINE_BYTES, EvaluationError, FILE_BYTES)
            for number, content in enumerate(lines, 1):
                line = content.decode().removeprefix("\ufeff" if number == 1 else "")
                if "\0" in line:
                    raise EvaluationError(f"{name}:{number}: found NUL; expected text: is it a text file?")
                if line.strip():
                    yield f"{name}:{number}", line.rstrip("\r\n")
    except OSError as error:
        raise EvaluationError(f"{name}: cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        byte = error.object[error.start]
        raise EvaluationError(
            f"{name}:{number}: found byte 0x{byte:02x}; expected UTF-8: convert the file"
        ) from error


def _read_questions(path: Path) -> list[tuple[str, list[Question]]]:
    """The name and the questions of each section, in the order of the file."""
    sections: list[tuple[str, list[Question]]] = []
    for where, line in _lines(path):
        words = line.split(maxsplit=4)
        if words[0] == ":" and len(words) > 1:
            sections.append((line.strip()[1:].strip(), []))
        elif words[0] != ":" and len(words) == 4:
            if not sections:
                sections.append((path.stem, []))
            a, b, c, d = words
            sections[-1][1].append((a, b, c, d))
        else:
            raise EvaluationError(
                f"{where}: found {_shortened(line)}; expected four words, or ': ' and a name"
            )
    if not any(asked for _, asked in sections):
        raise EvaluationError(f"{shown(path)}: found no question; expected lines of four words")
    return sections


def _read_pairs(path: Path, columns: tuple[str, str, str] | None) -> tuple[list[Pair], list[str] | None]:
    """The pairs, and the names of their columns if the file has a header."""
    lines = ((where, line) for where, line in _lines(path) if not line.lstrip().startswith("#"))
    pairs: list[Pair] = []
    header = None
    for first, (where, line) in enumerate(lines):
        if first == 0 and (columns is not None or _is_header(where, line)):
            header = _Header(where, line, columns)
        elif header:
            pairs.append(header.pair(where, line))
        else:
            pair = _pair(_fields(where, line.strip(), _separator(line)))
            if pair is None:
                raise EvaluationError(
                    f"{where}: found {_shortened(line)}; expected two words and a number, "
                    "or '#' before a heading"
                )
            pairs.append(pair)
    if not pairs:
        raise EvaluationError(f"{shown(path)}: found no pair; expected lines of two words and a number")
    return pairs, header.columns if header else None


class _Header:
    """The first line of a table with named columns: the positions of the words and the rating."""

    def __init__(self, where: str, line: str, columns: tuple[str, str, str] | None):
        self.separator = _separator(line)
        self.names = _fields(where, line, self.separator)
        listed = _shortened(", ".join(self.names))
        if columns is None and len(self.names) != 3:
            raise EvaluationError(
                f"{where}: found a header of {len(self.names)} columns, {listed}; expected three: "
                "name those of the two words and of the number with --columns (columns=)"
            )
        self.columns = list(columns or self.names)
        for name in self.columns:
            if self.names.count(name) != 1:
                found = "no column" if name not in self.names else "more than one column"
                raise EvaluationError(
                    f"{where}: found {found} {_shortened(name)} in the header {listed}; "
                    "expected each name that is given once"
                )
        if len(set(self.columns)) < len(self.columns):
            raise EvaluationError(
                f"{where}: the columns {_shortened(', '.join(self.columns))}: one is named twice; "
                "expected those of the two words and of the number"
            )
        self.places = [self.names.index(name) for name in self.columns]

    def pair(self, where: str, line: str) -> Pair:
        """The pair of a line below the header."""
        fields = _fields(where, line, self.separator)
        if len(fields) != len(self.names):
            raise EvaluationError(
                f"{where}: found {len(fields)} fields; expected {len(self.names)} as in the header"
            )
        pair = _pair([fields[place] for place in self.places])
        if pair is None:
            raise EvaluationError(
                f"{where}: found {_shortened(line)}; expected two words and a number in the "
                f"columns {_shortened(', '.join(self.columns))}"
            )
        return pair


def _is_header(where: str, line: str) -> bool:
    """Whether a first line names columns: at least three fields, none of them like a number."""
    fields = _fields(where, line.strip(), _separator(line))
    return len(fields) >= 3 and all(fields) and not any(map(LIKE_A_NUMBER.fullmatch, fields))


def _separator(line: str) -> str | None:
    """The separator of the fields of a line: a tab, else a comma, else (None) white space."""
    return "\t" if "\t" in line else "," if "," in line else None


def _fields(where: str, line: str, separator: str | None) -> list[str]:
    """The fields of a line, stripped; fields between commas may be quoted as in CSV."""
    parts = line.split(separator)
    if separator == "," and '"' in line:
        try:
            (parts,) = csv.reader([line], skipinitialspace=True, strict=True)
        except csv.Error as error:
            raise EvaluationError(
                f"{where}: found {_shortened(line)}; expected comma-separated values: {error}"
            ) from error
    return [" ".join(part.split()) for part in parts]


def _pair(fields: list[str]) -> Pair | None:
    """Two words and a finite number, or None."""
    if len(fields) != 3 or not all(fields) or not RATING.fullmatch(fields[2]):
        return None
    rating = float(fields[2])
    return None if math.isinf(rating) else Pair(fields[0], fields[1], rating)


def _shortened(line: str) -> str:
    """The line as a quoted literal of at most about 60 characters."""
    return repr(line if len(line) <= 60 else line[:57] + "...")

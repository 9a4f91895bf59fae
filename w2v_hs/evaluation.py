"""Test sets for word vectors: analogy questions, and pairs of words rated by people.

Every figure comes with its counts, for out-of-vocabulary words shrink a test set: an accuracy of
0.5 over 12 of 19,544 questions says little.
"""

import json
import math
import re
import tempfile
import warnings
from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from w2v_hs.errors import EvaluationError, shown
from w2v_hs.types import Float32, Float64, Int64
from w2v_hs.vectors import Vectors, whole_number

if TYPE_CHECKING:
    from rich.console import Console

    from w2v_hs.model import Model

# The sets known by name, as files that come with gensim.
SETS = {
    "analogies": {"google": "questions-words.txt"},
    "similarity": {"wordsim353": "wordsim353.tsv", "simlex999": "simlex999.txt"},
}
BLOCK_VALUES = 1 << 23  # cosines held at once: 32 MiB
# float() would also take "1_0" and the digits of every script.
# No digit can be matched in two ways, else a long row of digits takes quadratic time.
RATING = re.compile(r"[+-]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]+)?")


@dataclass
class Section:
    """Answers to a group of questions; `accuracy` is correct / seen, None if none was seen."""

    name: str
    correct: int
    seen: int  # questions all four words of which have a vector
    total: int
    accuracy: float | None = field(init=False)

    def __post_init__(self) -> None:
        self.accuracy = self.correct / self.seen if self.seen else None


@dataclass
class Analogies(Section):
    """A whole set of questions, with its sections in the order of the file."""

    sections: list[Section]


@dataclass
class Similarity:
    """Correlation of cosines with human ratings; None where it is undefined."""

    name: str
    spearman: float | None
    pearson: float | None
    used: int  # pairs both words of which have a vector
    total: int


@dataclass
class Evaluation:
    """The results by test set, and what they were measured with."""

    analogies: list[Analogies]
    similarity: list[Similarity]
    restrict_vocab: int | None  # None: all words
    case_insensitive: bool
    left_out_vectors: int  # zero or not finite, treated as out of vocabulary

    def as_dict(self) -> dict[str, Any]:
        """Return the fields as plain lists, dicts, numbers and None."""
        return asdict(self)

    def to_json(self) -> str:
        """Return `as_dict` as JSON; an undefined figure is null, never NaN."""
        return json.dumps(self.as_dict(), indent=2, ensure_ascii=False, allow_nan=False)


class Pair(NamedTuple):
    """Two words and their similarity as people rated it."""

    a: str
    b: str
    rating: float


Question = tuple[str, str, str, str]  # a is to b as c is to the fourth


def evaluate(
    model_or_vectors: "Model | Vectors",
    *,
    analogies: Iterable[str | Path] = ("google",),
    similarity: Iterable[str | Path] = ("wordsim353", "simlex999"),
    restrict_vocab: int | None = 30_000,
    case_insensitive: bool = True,
) -> Evaluation:
    """Answer sets of analogy questions, and correlate cosines with human ratings.

    Sets are given by name (see `SETS`) or by path. A file of questions has four words a line and
    ": name" before each section; questions before the first such line form a section named after
    the file. A file of pairs has two words and a number a line, separated by tabs, commas or white
    space, and "#" before a comment.

    "a is to b as c is to ?" is answered with the word nearest to b - a + c by cosine, of unit
    vectors, that is none of the three (3CosAdd). `restrict_vocab` keeps the analogies, words of
    the questions as well as answers, to that many most frequent words; None or 0 takes all. Figures
    are comparable only at equal values: 30,000 is the custom of word2vec.c, 300,000 the default
    of gensim. The pairs use all words in any case.

    `case_insensitive` compares words in upper case; of several forms of a word in the vocabulary
    the most frequent is taken, and no form of a, b or c is an answer. Words whose vector is zero or
    not finite count as out of vocabulary, and `left_out_vectors` says how many there are.

    Raises
    ------
    EvaluationError
        A file is missing, empty, not UTF-8, or has a line of another form.
    OptionError
        `restrict_vocab` is neither None nor a whole number of at least 0.
    TypeError
        The first argument is neither `Vectors` nor has them as its attribute `vectors`.
    """
    vectors = getattr(model_or_vectors, "vectors", model_or_vectors)
    if not isinstance(vectors, Vectors):
        raise TypeError(f"found {type(model_or_vectors).__name__}; expected a model or Vectors")
    if restrict_vocab is not None:
        restrict_vocab = whole_number("restrict_vocab", restrict_vocab, 0) or None
    # All files are read before anything is computed, so that a fault in the last costs no wait.
    questions = [_read_questions(*_find("analogies", which)) for which in _several(analogies)]
    pairs = [_read_pairs(*_find("similarity", which)) for which in _several(similarity)]

    norms = np.sqrt(np.einsum("ij,ij->i", vectors.matrix, vectors.matrix, dtype=np.float64))
    usable = np.flatnonzero(np.isfinite(norms) & (norms > 0))
    candidates = usable[usable < restrict_vocab] if restrict_vocab else usable
    return Evaluation(
        analogies=[
            _answer(name, sections, vectors, norms, candidates, case_insensitive)
            for name, sections in questions
        ],
        similarity=[
            _correlate(name, rated, vectors, norms, usable, case_insensitive)
            for name, rated in pairs
        ],
        restrict_vocab=restrict_vocab,
        case_insensitive=case_insensitive,
        left_out_vectors=len(vectors) - len(usable),
    )


# --- test sets --------------------------------------------------------------------------------


def _several(sets: str | Path | Iterable[str | Path]) -> Iterable[str | Path]:
    """A lone name or path as a tuple of one: a string would be taken for its letters."""
    return (sets,) if isinstance(sets, str | Path) else sets


def _find(kind: str, which: str | Path) -> tuple[str, Path]:
    """The name under which a set is reported, and the path of its file."""
    known = SETS[kind]
    if which in known:
        from gensim.test.utils import datapath

        return str(which), Path(datapath(known[which]))
    try:
        Path(which).stat()
    except (OSError, ValueError) as error:  # ValueError: NUL in the path
        missing = isinstance(error, FileNotFoundError)
        reason = "no such file" if missing else getattr(error, "strerror", None) or error
        raise EvaluationError(
            f"{shown(which)}: {reason}; for {kind} expected the path of a file "
            f"or {' or '.join(known)}"
        ) from error
    return str(which), Path(which)


def _lines(path: Path) -> Iterator[tuple[str, str]]:
    """Yield "path:line" and the text of each line that is not blank."""
    name = shown(path)
    number = 0
    try:
        with path.open("rb") as file:  # read by lines: a list of them would take many times as much
            for number, content in enumerate(file, start=1):
                line = content.decode().removeprefix("\ufeff" if number == 1 else "")
                if "\0" in line:
                    raise EvaluationError(
                        f"{name}:{number}: found NUL; expected text: is it a text file?"
                    )
                if line.strip():
                    yield f"{name}:{number}", line.strip()
    except OSError as error:
        raise EvaluationError(f"{name}: cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        byte = error.object[error.start]
        raise EvaluationError(
            f"{name}:{number}: found byte 0x{byte:02x}; expected UTF-8: convert the file"
        ) from error


def _read_questions(name: str, path: Path) -> tuple[str, list[tuple[str, list[Question]]]]:
    """The name of the set, and each section's name and questions, in the order of the file."""
    sections: list[tuple[str, list[Question]]] = []
    for where, line in _lines(path):
        words = line.split(maxsplit=4)
        if words[0] == ":" and len(words) > 1:
            sections.append((line[1:].strip(), []))
        elif words[0] != ":" and len(words) == 4:
            if not sections:
                sections.append((path.stem, []))
            sections[-1][1].append((words[0], words[1], words[2], words[3]))
        else:
            raise EvaluationError(
                f"{where}: found {_shortened(line)}; expected four words, or ': ' and a name"
            )
    if not any(asked for _, asked in sections):
        raise EvaluationError(f"{shown(path)}: found no question; expected lines of four words")
    return name, sections


def _read_pairs(name: str, path: Path) -> tuple[str, list[Pair]]:
    """The name of the set, and its pairs in the order of the file."""
    pairs = []
    for where, line in _lines(path):
        if line.startswith("#"):
            continue
        separator = "\t" if "\t" in line else "," if "," in line else None
        parts = line.split(separator, 3)
        fields = [" ".join(part.split()) for part in parts[:3]]
        is_pair = len(parts) == 3 and all(fields) and RATING.fullmatch(fields[2])
        if not is_pair or math.isinf(float(fields[2])):
            raise EvaluationError(
                f"{where}: found {_shortened(line)}; expected two words and a number, "
                "or '#' before a heading"
            )
        pairs.append(Pair(fields[0], fields[1], float(fields[2])))
    if not pairs:
        raise EvaluationError(
            f"{shown(path)}: found no pair; expected lines of two words and a number"
        )
    return name, pairs


def _shortened(line: str) -> str:
    """The line as a quoted literal of at most about 60 characters."""
    return repr(line if len(line) <= 60 else line[:57] + "...")


# --- figures ----------------------------------------------------------------------------------


def _forms(
    words: list[str], rows: np.ndarray, asked: set[str], fold: Callable[[str], str]
) -> dict[str, list[int]]:
    """Where in `rows` the forms of each asked word stand, most frequent first."""
    forms: dict[str, list[int]] = {}
    for position, row in enumerate(rows):
        folded = fold(words[row])
        if folded in asked:
            forms.setdefault(folded, []).append(position)
    return forms


def _unit_rows(vectors: Vectors, norms: np.ndarray, rows: np.ndarray) -> Float32:
    """A copy of these rows at length 1, (rows, dim) float32."""
    picked: Float32 = vectors.matrix[rows]
    # Divided in float64, for the norm of large float32 values may not fit float32.
    np.divide(picked, norms[rows, None], out=picked, casting="same_kind")
    return picked


def _answer(
    name: str,
    sections: list[tuple[str, list[Question]]],
    vectors: Vectors,
    norms: Float64,
    candidates: Int64,
    case_insensitive: bool,
) -> Analogies:
    """Answer all questions of a set with the words in the rows `candidates`, and count.

    gensim's `evaluate_word_analogies` finds the same, many times slower: it multiplies the matrix
    with one question at a time, and gives up after five forms of a, b or c.
    """
    fold = str.upper if case_insensitive else str
    folded: list[list[Question]] = [
        [(fold(a), fold(b), fold(c), fold(d)) for a, b, c, d in asked] for _, asked in sections
    ]
    asked = {word for questions in folded for question in questions for word in question}
    forms = _forms(vectors.words, candidates, asked, fold)
    unit = _unit_rows(vectors, norms, candidates)
    results = []
    for (section, _), questions in zip(sections, folded, strict=True):
        seen = [question for question in questions if all(word in forms for word in question)]
        correct = _count_correct(seen, forms, unit)
        results.append(Section(section, correct, len(seen), len(questions)))
    correct, seen, total = (
        sum(getattr(section, count) for section in results)
        for count in ("correct", "seen", "total")
    )
    return Analogies(name, correct, seen, total, sections=results)


def _count_correct(questions: list[Question], forms: dict[str, list[int]], unit: np.ndarray) -> int:
    """How many questions have a form of their fourth word as the answer, by rows of `unit`."""
    correct = 0
    size = max(1, BLOCK_VALUES // max(1, len(unit)))
    for start in range(0, len(questions), size):
        block = questions[start : start + size]
        a, b, c = np.array([[forms[word][0] for word in question[:3]] for question in block]).T
        cosines = (unit[b] - unit[a] + unit[c]) @ unit.T  # (block, candidates), times a length
        for row, question in enumerate(block):
            for word in question[:3]:
                cosines[row, forms[word]] = -np.inf
        for best, question in zip(cosines.argmax(axis=1), block, strict=True):
            # A fourth word that repeats one of the three is never the answer.
            correct += question[3] not in question[:3] and int(best) in forms[question[3]]
    return correct


def _correlate(
    name: str,
    pairs: list[Pair],
    vectors: Vectors,
    norms: Float64,
    usable: Int64,
    case_insensitive: bool,
) -> Similarity:
    """Correlate ratings with cosines, by gensim, for the pairs with words in the rows `usable`."""
    fold = str.upper if case_insensitive else str
    folded = [Pair(fold(pair.a), fold(pair.b), pair.rating) for pair in pairs]
    forms = _forms(vectors.words, usable, {word for pair in folded for word in pair[:2]}, fold)
    known = [pair for pair in folded if pair.a in forms and pair.b in forms]
    if len(known) < 2:  # no correlation of a single pair
        return Similarity(name, None, None, len(known), len(pairs))

    from gensim.models import KeyedVectors

    # gensim gets only the words that are asked for: a copy of a large matrix may not fit.
    keyed = KeyedVectors(vectors.dim)
    rows = usable[[positions[0] for positions in forms.values()]]
    keyed.add_vectors(list(forms), _unit_rows(vectors, norms, rows))
    with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of a constant column: the result is NaN, None here
        file = Path(folder) / "pairs.tsv"
        lines = (f"{pair.a}\t{pair.b}\t{pair.rating!r}\n" for pair in known)
        file.write_text("".join(lines), encoding="utf-8", newline="\n")
        pearson, spearman, _ = keyed.evaluate_word_pairs(
            str(file), restrict_vocab=None, case_insensitive=False
        )
    return Similarity(
        name, _finite(spearman[0]), _finite(pearson[0]), used=len(known), total=len(pairs)
    )


def _finite(value: float) -> float | None:
    return float(value) if math.isfinite(value) else None


# --- display ----------------------------------------------------------------------------------


def print_evaluation(result: Evaluation, console: "Console") -> None:
    """Print one table for each set of questions and one for all sets of pairs to a rich console."""
    from rich.table import Table
    from rich.text import Text

    def table(title: str, first: str, *numbers: str) -> Table:
        empty = Table(first, title=Text(title))  # Text: brackets in a name are no markup
        for heading in numbers:
            empty.add_column(heading, justify="right", no_wrap=True)
        return empty

    limit = f"the {result.restrict_vocab:,} most frequent" if result.restrict_vocab else "all"
    for whole in result.analogies:
        answers = table(
            f"Analogies: {whole.name}", "section", "correct", "seen", "total", "accuracy"
        )
        for part in whole.sections:
            answers.add_row(Text(part.name), *_cells(part))
        answers.add_section()
        answers.add_row("all sections", *_cells(whole))
        console.print(answers, f"Questions and answers: {limit} words.")
    if result.similarity:
        pairs = table("Similarity", "pairs", "Spearman", "Pearson", "used", "total")
        for done in result.similarity:
            spearman, pearson = (
                _figure(figure, ".3f", done.used, done.total)
                for figure in (done.spearman, done.pearson)
            )
            pairs.add_row(Text(done.name), spearman, pearson, f"{done.used:,}", f"{done.total:,}")
        console.print(pairs, "Pairs: all words.")
    console.print("Case: " + ("ignored." if result.case_insensitive else "as written."))
    if result.left_out_vectors:
        console.print(f"Left out: {result.left_out_vectors:,} zero or non-finite vectors.")


def _cells(part: Section) -> list[str]:
    counts = [f"{count:,}" for count in (part.correct, part.seen, part.total)]
    return [*counts, _figure(part.accuracy, ".1%", part.seen, part.total)]


def _figure(figure: float | None, form: str, used: int, total: int) -> str:
    """The figure as text, or why there is none."""
    if figure is not None:
        return format(figure, form)
    return "undefined" if used else f"0 of {total:,} usable"

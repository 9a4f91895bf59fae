"""Text in a row of a table: what `json_lines` and `parquet` share.

Each row holds one text. A string is read as the text of a file: a newline inside it ends a
sentence. A list of strings is one sentence, already split into tokens.
"""

from pathlib import Path

from w2v_hs.checks import quoted, shown
from w2v_hs.text.compression import is_compressed
from w2v_hs.text.tokenizing import joined

TOKEN_LISTS = "holds a list of tokens; tokenize and split_sentences are for text, leave them out or give none"
_NAMES = 20  # columns that a message lists, at most


class BadRow(Exception):
    """A row that holds no usable text: what was found, and what to do about it."""

    def __init__(self, what: str, remedy: str = "correct the line"):
        super().__init__(what)
        self.remedy = remedy


def layout(path: Path) -> str:
    """How a file of this name holds text: "parquet", "jsonl" or "plain"."""
    suffix = Path(path.stem).suffix if is_compressed(path.name) else path.suffix
    if suffix == ".parquet":
        return "parquet"
    return "jsonl" if suffix in (".jsonl", ".ndjson") else "plain"


def listed(names: list[str]) -> str:
    """The names of columns for a message."""
    some = ", ".join(shown(name, 60) for name in names[:_NAMES]) or "none"
    return some + (f" and {len(names) - _NAMES:,} more" if len(names) > _NAMES else "")


def described(column: str) -> str:
    """A column for a message."""
    return f"the column {quoted(column)}"


def missing(column: str, names: list[str]) -> str:
    """The message for a column that is not among `names`."""
    return f"no column {quoted(column)}; there is {listed(names)}"


def sentence(column: str, tokens: list[str]) -> str:
    """The tokens of one sentence, joined by spaces; `BadRow` if one is empty or has white space."""
    try:
        return joined(tokens)
    except ValueError as error:
        raise BadRow(f"{described(column)}: {error}") from None

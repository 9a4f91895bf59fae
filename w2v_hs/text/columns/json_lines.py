"""Text in JSON lines: one object per line, whose `column` holds the text."""

import orjson

from w2v_hs.checks import shown
from w2v_hs.text.columns.rows import TOKEN_LISTS, BadRow, described, missing, sentence

_KINDS = {
    type(None): "null",
    bool: "true or false",
    int: "a number",
    float: "a number",
    str: "a string",
    list: "a list",
    dict: "an object",
}


def json_text(line: bytes, column: str, tokenize: bool = False) -> str:
    """The text in one line of a file of JSON lines.

    `line` is UTF-8 without its newline; a blank line holds the empty text. A list of tokens is
    joined by spaces, but is an error if the text will be tokenized. Raises `BadRow` if the line is
    not an object with this column, or holds no text.
    """
    if not line.strip():
        return ""
    try:
        record = orjson.loads(line)
    except orjson.JSONDecodeError as error:
        raise BadRow(f"not JSON: {shown(error, 200)}") from None
    if not isinstance(record, dict):
        raise BadRow(f"found {_kind(record)}, expected an object with {described(column)}")
    if column not in record:
        raise BadRow(missing(column, list(record)))
    value = record[column]
    if isinstance(value, str):
        return value
    if not isinstance(value, list):
        raise BadRow(f"{described(column)} holds {_kind(value)}, expected a string or a list of strings")
    if tokenize:
        raise BadRow(f"{described(column)} {TOKEN_LISTS}")
    for token in value:
        if not isinstance(token, str):
            raise BadRow(f"{described(column)} is a list that holds {_kind(token)}, expected strings")
    return sentence(column, value)


def _kind(value: object) -> str:
    return _KINDS[type(value)]

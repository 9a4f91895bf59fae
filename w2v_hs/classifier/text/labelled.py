"""Texts with labels, in the format of fastText: a line of labels, each with a prefix, and text."""

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple, TypeAlias

from w2v_hs.checks import quoted, short, shown
from w2v_hs.errors import CorpusError, OptionError
from w2v_hs.options import Preprocessing
from w2v_hs.progress import Display, display
from w2v_hs.text.blocks import read_lines
from w2v_hs.text.columns import layout
from w2v_hs.text.sources import Source, find_sources

PREFIX = "__label__"

# One label a text or, if some text has several, a tuple of labels a text.
Labels: TypeAlias = list[str] | list[tuple[str, ...]]


class LabelledTexts(NamedTuple):
    """Texts, and the label of each or, if some text has several, a tuple of labels of each."""

    texts: list[str]
    labels: Labels


def read_labelled(
    *paths: str | Path,
    prefix: str = PREFIX,
    encoding: str = "utf-8",
    errors: str = "strict",
    progress: bool | Display = False,
) -> LabelledTexts:
    """Read files of fastText's format, such as ``__label__pos a film to remember``.

    Any token that begins with the prefix is a label, wherever it stands in its line; all others are
    the text. Blank lines are skipped.

    Parameters
    ----------
    *paths : str or Path
        Files, folders or patterns, as in `train`; ``-`` for standard input.
    prefix : str
        With what a label begins; it is not part of the label.
    encoding : str
        Encoding of the files.
    errors : str
        How to handle bytes that cannot be decoded: "strict" raises, "replace" inserts U+FFFD,
        "ignore" drops them.
    progress : bool
        Whether to show progress.

    Returns
    -------
    texts : list of str
        The texts.
    labels : list of str, or list of tuple of str
        The label of each text; tuples if some text has several labels.

    Raises
    ------
    CorpusError
        A line has no label, or nothing but labels; a file has no line, cannot be found or decoded,
        or holds a NUL.
    """
    if not isinstance(prefix, str) or len(prefix.split()) != 1 or prefix != prefix.strip():
        raise OptionError(f"prefix={short(prefix)}: expected characters without white space")
    preprocessing = Preprocessing(encoding=encoding, errors=errors)
    texts: list[str] = []
    labels: list[tuple[str, ...]] = []
    with display(progress) as bars:
        for source in [source for path in paths for source in _sources(path, encoding)]:
            before = len(texts)
            for text, of_text in _lines(source, prefix, preprocessing, bars):
                texts.append(text)
                labels.append(of_text)
            if len(texts) == before:
                raise CorpusError(f"{shown(source.name)}: no line; expected lines of {prefix}NAME and a text")
    if all(len(of_text) == 1 for of_text in labels):
        return LabelledTexts(texts, [label for (label,) in labels])
    return LabelledTexts(texts, labels)


def _sources(path: str | Path, encoding: str) -> list[Source]:
    if layout(Path(path)) != "plain":
        raise CorpusError(f"{shown(path)}: JSON lines and Parquet hold no labelled lines; give plain text")
    return find_sources(path, encoding=encoding)


def _lines(
    source: Source, prefix: str, preprocessing: Preprocessing, bars: Display
) -> Iterator[tuple[str, tuple[str, ...]]]:
    """The text and the labels of each line that is not blank."""

    def report(position: int) -> None:
        bars.read(position, source.size)

    for number, line in enumerate(read_lines(source, preprocessing, report), start=1):
        fields = line.split(None, 1)
        if not fields:
            continue
        if len(fields) == 2 and prefix not in fields[1]:  # most lines
            name = fields[0].removeprefix(prefix)
            if name and name != fields[0]:
                yield fields[1], (name,)
                continue
        tokens = line.split()
        labels = [token for token in tokens if token.startswith(prefix)]
        text = " ".join(token for token in tokens if not token.startswith(prefix))
        place = f"{shown(source.name)}:{number}"
        if not labels:
            start = quoted(line.strip(), 40)
            raise CorpusError(f"{place}: no label in {start}; expected {prefix}NAME and a text")
        if prefix in labels:
            raise CorpusError(f"{place}: a label without a name; expected {prefix}NAME")
        if not text:
            raise CorpusError(f"{place}: labels without a text; add the text, or remove the line")
        yield text, tuple(dict.fromkeys(label.removeprefix(prefix) for label in labels))

"""The text of a run: the names by which a resumed run finds it, and whether it is the same."""

import os
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeVar

from w2v_hs.checks import argument, shown, spoken
from w2v_hs.errors import CorpusError, MissingTextError
from w2v_hs.formatting import texts
from w2v_hs.text import catalog
from w2v_hs.text.sources import find_sources
from w2v_hs.training.observers.checkpoint import CheckpointSettings
from w2v_hs.types import Texts

Text = TypeVar("Text", bound=Any)  # of one process, or of a cluster


def named_texts(corpus: Texts) -> list[str] | None:
    """The names by which a resumed run finds this text; None for text without a name."""
    if isinstance(corpus, (str, Path)):
        corpus = [corpus if "://" in str(corpus) else Path(corpus)]
    if not isinstance(corpus, (list, tuple)) or not all(
        isinstance(text, Path) or (isinstance(text, str) and "://" in text) for text in corpus
    ):
        return None
    return [_lasting_name(text) for text in corpus]


def _lasting_name(text: str | Path) -> str:
    """An address, "-" or a named corpus as it is; a path such that it holds in any folder."""
    name = str(text)
    if isinstance(text, str) or name == "-" or name.startswith("nltk:"):
        return name
    if not os.path.exists(text) and name in catalog.names():  # noqa: PTH110 (never raises)
        return name
    return str(text.absolute())


def saved_texts(settings: CheckpointSettings) -> list[str | Path]:
    """The texts that a run read, by the names in its checkpoint; `CorpusError` if they are gone."""
    path, again = settings.path, _with_text(settings.path)
    if settings.texts is None or "-" in settings.texts:
        raise CorpusError(f"{shown(path)}: its run read a text without a name; give it again: {again}")
    found = [text if "://" in text else Path(text) for text in settings.texts]
    for text in found if settings.layout is None else ():  # a cluster may see other files
        try:
            find_sources(text, settings.preprocessing.text_column, settings.preprocessing.encoding)
        except MissingTextError:
            raise MissingTextError(
                f"{shown(text)}: the text of {shown(path)} is no longer there; give its new place: {again}"
            ) from None
    return found


def _with_text(path: Path) -> str:
    """How to resume from a checkpoint with a text given again."""
    return spoken(f"w2v-hs resume {argument(path)} TEXT", f"w2v_hs.resume({str(path)!r}, text)")


def as_it_began(path: Path, text: Text, began: dict[str, Any]) -> Text:
    """The text of a resumed run, with the names that it had when the run began.

    `began` holds its SHA-256 and names then. `CorpusError` if this is another text.
    """
    check_same(text, began, f"give the same files in the same order: {_with_text(path)}; or train anew")
    names = began.get("names")
    return replace(text, names=names) if isinstance(names, list) else text


def check_same(text: Text, began: dict[str, Any], remedy: str) -> None:
    """Raise `CorpusError` unless a text has the SHA-256 that `began` holds of the text of a run."""
    if text.checksum != (expected := began.get("sha256")):
        raise CorpusError(
            f"{texts(text.names)}: not the text that the run began with: found SHA-256 "
            f"{text.checksum[:16]}..., expected {shown(expected, 16)}...; {remedy}"
        )

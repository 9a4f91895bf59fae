"""The errors that this package raises on purpose.

Each message is one line: where, what was found, what was expected, what to do. The command line
prints it after ``error:`` and exits with 1, or with 128 + the number of the signal for
`Interrupted`.
"""

from pathlib import Path
from typing import Any


class W2VError(Exception):
    """Base class of all errors of this package except `Interrupted`."""

    def __str__(self) -> str:  # KeyError would show the repr of its argument
        return str(self.args[0]) if self.args else ""


class OptionError(W2VError, ValueError):
    """An argument or option is outside its range, or contradicts another."""


class CorpusError(W2VError, ValueError):
    """A text cannot be found, read or decoded."""


class VocabularyError(W2VError, ValueError):
    """The words and counts of a text make no usable vocabulary."""


class DivergedError(W2VError, ArithmeticError, ValueError):
    """Training diverged: weights or losses are not finite or grow without bound."""


class FormatError(W2VError, ValueError):
    """A file of vectors, a model, a tree or a word list is damaged or has another format."""


class MissingFileError(FormatError, FileNotFoundError):
    """A file of vectors, a model, a tree or a word list does not exist."""


class MissingTextError(FileNotFoundError, CorpusError):  # in this order Dask can pickle it
    """Nothing has the name of a text."""


class UnknownWordError(W2VError, KeyError):
    """A word is not in the vocabulary."""


class WordTypeError(W2VError, TypeError):
    """Something was given for a word that is neither a str nor an int."""


class EvaluationError(W2VError, ValueError):
    """A test set is malformed, or none of its lines is usable."""


class DownloadError(W2VError, OSError):
    """A corpus could not be downloaded, or the file has the wrong checksum."""


class OutputError(W2VError, OSError):
    """A file or folder cannot be written."""


class ClusterError(W2VError, ConnectionError):
    """A cluster cannot be reached, lost its scheduler, or has no workers left."""


class Interrupted(KeyboardInterrupt):
    """SIGINT or SIGTERM stopped training, which it does between two chunks of text.

    Parameters
    ----------
    message
        What was done and how to resume, in one line.
    model
        The `w2v_hs.Model` trained so far, which is usable.
    signal
        The number of the signal.
    checkpoint
        The file from which the run can be resumed; None if none was written.

    Attributes
    ----------
    model, signal, checkpoint
        As given.
    """

    def __init__(self, message: str, model: Any, signal: int, checkpoint: Path | None):
        super().__init__(message)
        self.model, self.signal, self.checkpoint = model, signal, checkpoint

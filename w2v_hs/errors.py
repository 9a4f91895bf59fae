"""Every error a user can meet. Each message is one line: where, what was found, what was
expected, what to do. The command line prints it after ``error:`` and exits with 1 (`Interrupted`:
128 and the number of the signal)."""

from pathlib import Path
from typing import Any


class W2VError(Exception):
    """Base of all errors raised on purpose by this package."""

    def __str__(self) -> str:  # KeyError would show the repr of its argument
        return str(self.args[0]) if self.args else ""


class OptionError(W2VError, ValueError):
    """An option outside its range, or two options that contradict each other."""


class CorpusError(W2VError, ValueError):
    """Text that cannot be found, read or decoded."""


class VocabularyError(W2VError, ValueError):
    """Counts from which no usable vocabulary can be made."""


class DivergedError(W2VError, ArithmeticError, ValueError):
    """Training left the finite numbers: the learning rate is too large."""


class FormatError(W2VError, ValueError):
    """A file of vectors, a model or a word list that is damaged or not what it says it is."""


class UnknownWordError(W2VError, KeyError):
    """A word that the vocabulary does not hold."""


class EvaluationError(W2VError, ValueError):
    """A test set that is malformed, or of which no line is usable."""


class DownloadError(W2VError, OSError):
    """A corpus that could not be fetched, or came with the wrong checksum."""


class OutputError(W2VError, OSError):
    """A place that cannot be written to."""


class ClusterError(W2VError, ConnectionError):
    """A cluster that cannot be reached, lost its scheduler, or has no workers that could go on."""


class Interrupted(KeyboardInterrupt):
    """Training was stopped between two chunks of text, by SIGINT or SIGTERM.

    Attributes
    ----------
    model
        The `w2v_hs.Model` as it is then, which can be used.
    signal
        The number of the signal.
    checkpoint
        The path from which the run can go on; None where there is none.
    """

    def __init__(self, message: str, model: Any, signal: int, checkpoint: Path | None):
        super().__init__(message)
        self.model, self.signal, self.checkpoint = model, signal, checkpoint

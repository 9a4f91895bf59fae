"""What is done to text while it is read."""

from dataclasses import dataclass

from w2v_hs.errors import OptionError, shown
from w2v_hs.tokenizing import LANGUAGES, TOKENIZERS

ERRORS = ("strict", "replace", "ignore")


@dataclass(frozen=True)
class Cleaning:
    """What is done to text before it is split at white space.

    lowercase: turn it to lower case, last of all. errors: what happens to bytes that are not UTF-8:
    "strict" is an error, "replace" puts U+FFFD, "ignore" leaves them out. tokenize: one of
    `TOKENIZERS`, of NLTK. split_sentences: the language of NLTK's sentence splitter; None takes
    each line for a sentence. text_column: of Parquet files and JSON lines, what holds the text.

    Raises `OptionError` where one of them is none of these.
    """

    lowercase: bool = False
    errors: str = "strict"
    tokenize: str = "none"
    split_sentences: str | None = None
    text_column: str | None = None

    def __post_init__(self) -> None:
        _expect("lowercase", self.lowercase, (False, True))
        _expect("errors", self.errors, ERRORS)
        _expect("tokenize", self.tokenize, TOKENIZERS)
        _expect("split_sentences", self.split_sentences, (None, *LANGUAGES))
        column = self.text_column
        if column is not None and (not isinstance(column, str) or not column):
            raise OptionError(f"text_column={_short(column)}: expected the name of a column")

    @property
    def splits(self) -> bool:
        """Whether text goes through NLTK."""
        return self.tokenize != "none" or self.split_sentences is not None


def _expect(name: str, value: object, choices: tuple[object, ...]) -> None:
    if not any(value == choice and type(value) is type(choice) for choice in choices):
        raise OptionError(f"{name}={_short(value)}: expected one of {', '.join(map(str, choices))}")


def _short(value: object) -> str:
    return shown(repr(value), 60)

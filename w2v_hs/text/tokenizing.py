"""Sentences and tokens of raw text, found by NLTK.

NLTK's tokenizers are written in Python: a megabyte takes seconds, where reading takes milliseconds.
"""

import functools
from collections.abc import Callable

from w2v_hs.checks import quoted
from w2v_hs.errors import CorpusError


def tokenized(line: str, tokenizer: str, language: str | None) -> str:
    """Tokenize a line of raw text: one line per sentence, tokens separated by spaces.

    Any newline in the text counts as white space. `tokenizer` is one of `TOKENIZERS`; "none" splits
    at white space. A token with white space inside, such as a telephone number found by "tweet",
    becomes several. `language` is that of the Punkt model that finds sentences (Kiss and Strunk
    2006); None if the line is one sentence. Raises `CorpusError`, with the command that fetches it,
    if the model is missing.
    """
    sentences = [line] if language is None else sentence_splitter(language)(line)
    words = word_splitter(tokenizer)
    return "\n".join(" ".join(" ".join(words(sentence)).split()) for sentence in sentences)


def joined(tokens: list[str]) -> str:
    """Join tokens by spaces; `ValueError` if splitting the result would give other tokens."""
    line = " ".join(tokens)
    if len(line.split()) != len(tokens):
        token = next(token for token in tokens if len(token.split()) != 1)
        raise ValueError(f"the token {quoted(token)} is empty or has white space inside")
    return line


@functools.cache
def word_splitter(tokenizer: str) -> Callable[[str], list[str]]:
    """The function that splits a sentence into tokens."""
    from nltk import tokenize

    if tokenizer == "none":
        return str.split
    classes = {
        "treebank": tokenize.TreebankWordTokenizer,
        "tweet": tokenize.TweetTokenizer,
        "wordpunct": tokenize.WordPunctTokenizer,
        "toktok": tokenize.ToktokTokenizer,
    }
    split: Callable[[str], list[str]] = classes[tokenizer]().tokenize
    return split


@functools.cache
def sentence_splitter(language: str) -> Callable[[str], list[str]]:
    """The function that splits text of a language into sentences; raises as `tokenized`."""
    from nltk.tokenize.punkt import PunktTokenizer

    try:
        split: Callable[[str], list[str]] = PunktTokenizer(language).tokenize
        return split
    except LookupError:
        raise CorpusError(
            f"NLTK finds no Punkt model of {language} sentences; python -m nltk.downloader punkt_tab"
        ) from None
    except (OSError, ValueError, IndexError) as error:  # a damaged model
        raise CorpusError(f"NLTK's Punkt model of {language} cannot be read: {error}") from error

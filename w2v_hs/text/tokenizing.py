"""Sentences and tokens of raw text.

The tokenizer "words" is compiled. NLTK's are written in Python: a megabyte takes seconds, where
reading takes milliseconds.
"""

import functools
import unicodedata
from collections.abc import Callable

import numpy as np

from w2v_hs.checks import option, quoted
from w2v_hs.errors import CorpusError
from w2v_hs.kernels import words as kernel
from w2v_hs.types import UInt8

_CATEGORIES = {
    **dict.fromkeys(("Lu", "Ll", "Lt", "Lm", "Lo", "Nl", "No"), kernel.LETTER),
    **dict.fromkeys(("Mn", "Mc", "Me"), kernel.MARK),
    **dict.fromkeys(("Pc", "Cf"), kernel.JOINER),  # _, soft hyphen, zero-width joiner
    "Nd": kernel.DIGIT,
}
_JOINERS = "'’·‧"  # apostrophes, and the middle dots of Catalan
_POINTS = ".,٫٬"  # decimal points and separators of thousands, also Arabic


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


def split_words(data: bytes) -> bytes:
    """Tokenize raw text with "words": the same text, valid UTF-8, with spaces between tokens.

    A word is a run of letters, digits and their marks, with an apostrophe, underscore or joiner
    between letters (don't, new_york) and a point or comma between digits (3.50). Any other
    character is a token of its own, as is a run of the same one (...). No character is dropped; the
    typographic apostrophe in a word becomes '.
    """
    out = np.empty(2 * len(data), np.uint8)
    written = kernel.split_words(np.frombuffer(data, np.uint8), _classes(), out)
    return out[:written].tobytes()


@functools.cache
def _classes() -> UInt8:
    """(0x110000,) uint8: the class of each code point."""
    categories = map(unicodedata.category, map(chr, range(0x110000)))
    classes = np.array([_CATEGORIES.get(category, kernel.SYMBOL) for category in categories], np.uint8)
    classes[[code for code in range(0x3001) if chr(code).isspace()]] = kernel.SPACE
    classes[list(map(ord, _JOINERS))] = kernel.JOINER
    classes[list(map(ord, _POINTS))] = kernel.POINT
    return classes


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
    if tokenizer == "none":
        return str.split
    if tokenizer == "words":
        return _words
    from nltk import tokenize

    classes = {
        "treebank": tokenize.TreebankWordTokenizer,
        "tweet": tokenize.TweetTokenizer,
        "wordpunct": tokenize.WordPunctTokenizer,
        "toktok": tokenize.ToktokTokenizer,
    }
    split: Callable[[str], list[str]] = classes[tokenizer]().tokenize
    return split


def _words(text: str) -> list[str]:
    return split_words(text.encode(errors="surrogatepass")).decode(errors="surrogatepass").split()


@functools.cache
def sentence_splitter(language: str) -> Callable[[str], list[str]]:
    """The function that splits text of a language into sentences; raises as `tokenized`."""
    from nltk.tokenize.punkt import PunktTokenizer

    try:
        split: Callable[[str], list[str]] = PunktTokenizer(language).tokenize
        return split
    except LookupError:
        raise CorpusError(
            f"NLTK finds no Punkt model of {language} sentences; fetch it (python -m nltk.downloader "
            f"punkt_tab), or leave {option('split_sentences')} out: each line is then a sentence, and "
            f"{option('tokenize', 'words')} separates full stops anywhere in it"
        ) from None
    except (OSError, ValueError, IndexError) as error:  # a damaged model
        raise CorpusError(f"NLTK's Punkt model of {language} cannot be read: {error}") from error

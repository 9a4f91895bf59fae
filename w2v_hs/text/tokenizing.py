"""Sentences and tokens of raw text, and signs that a text is raw.

The tokenizer "words" is compiled. NLTK's are written in Python: a megabyte takes seconds, where
reading takes milliseconds.
"""

import functools
import re
import unicodedata
from collections import Counter, defaultdict
from collections.abc import Callable

import numpy as np

from w2v_hs.checks import option, quoted, warn
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


# ---- signs that a text is raw -------------------------------------------------------------------

_WORDS = 10_000  # the most frequent ones are looked at
_PUNCTUATED, _CASED = 0.05, 0.1  # shares; tokenized text has 0.01 at most, with capitals 0.16 to 0.22
_PUNCTUATION = re.compile(r"^[\W_]+|[\W_]+$")


def warn_of_raw_text(words: list[str], lists: bool = False) -> None:
    """Warn if many words differ from others only by punctuation at an end, or by case.

    `words` come by falling frequency, from text or from `lists` of tokens. The warning names the
    options that would join them.
    """
    words = words[:_WORDS]
    by_letters = defaultdict(list)
    for word in words:
        by_letters[_PUNCTUATION.sub("", word).casefold()].append(word)
    by_letters.pop("", None)
    alike = [word for group in by_letters.values() if len(group) > 1 for word in group]
    folded = Counter(map(str.casefold, words))
    punctuated = {word for word in alike if _PUNCTUATION.search(word)}
    cased = {word for word in alike if folded[word.casefold()] > 1}
    found: set[str] = set()
    differences, advice = [], []
    if len(punctuated) > _PUNCTUATED * len(words):
        found, differences = found | punctuated, ["punctuation"]
        tokenize = option("tokenize", "words")
        advice.append(f"the path of the text with {tokenize}" if lists else tokenize)
    if len(cased) > _CASED * len(words):
        found, differences = found | cased, [*differences, "case"]
        advice.append(option("lowercase", True))
    if not found:
        return
    first = next(word for word in words if word in found)
    other = next(word for word in by_letters[_PUNCTUATION.sub("", first).casefold()] if word != first)
    warn(
        f"{len(found) / len(words):.0%} of the words differ from others only by "
        f"{' or '.join(differences)}, such as {quoted(first)} and {quoted(other)}; to join them give "
        f"{' and '.join(advice)}"
    )

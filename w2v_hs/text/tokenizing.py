"""Words and sentences of raw text, as NLTK's tokenisers find them.

They are written in Python: a megabyte takes seconds, where reading takes milliseconds.
"""

import functools
from collections.abc import Callable

from w2v_hs.errors import CorpusError


def tokenized(line: str, tokenizer: str, language: str | None) -> str:
    """A line of raw text as one line for each sentence, tokens between spaces.

    tokenizer: one of `TOKENIZERS`; "none" leaves words as they are. language: that of the
    sentences (Punkt; Kiss and Strunk 2006), or None for a line that is one. A token with white
    space inside, such as a telephone number of "tweet", becomes several.

    Raises
    ------
    CorpusError
        Punkt's model of the language is not there; the message has the command that gets it.
    """
    sentences = [line] if language is None else sentence_splitter(language)(line)
    words = word_splitter(tokenizer)
    return "\n".join(" ".join(" ".join(words(sentence)).split()) for sentence in sentences)


@functools.cache
def word_splitter(tokenizer: str) -> Callable[[str], list[str]]:
    """The method of one of NLTK's tokenisers that splits a sentence."""
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
    """The method of Punkt's model of a language that splits a text; raises as `tokenized`."""
    from nltk.tokenize.punkt import PunktTokenizer

    try:
        split: Callable[[str], list[str]] = PunktTokenizer(language).tokenize
        return split
    except LookupError:
        raise CorpusError(
            f"NLTK finds no Punkt model of {language} sentences; python -m nltk.downloader "
            "punkt_tab"
        ) from None
    except (OSError, ValueError, IndexError) as error:  # a damaged model
        raise CorpusError(f"NLTK's Punkt model of {language} cannot be read: {error}") from error

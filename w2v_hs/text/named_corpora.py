"""The text of the named corpora, with one recipe for each kind in the manifest."""

import contextlib
import html
import json
import re
import unicodedata
import zipfile
import zlib
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import IO, Any

from w2v_hs.checks import shown
from w2v_hs.errors import CorpusError
from w2v_hs.options import Preprocessing
from w2v_hs.text import catalog
from w2v_hs.text.catalog import Entry
from w2v_hs.text.compression import BLOCK, read_plain
from w2v_hs.text.tokenizing import joined, sentence_splitter, tokenized


def open_text(name: str, preprocessing: Preprocessing = Preprocessing()) -> Iterator[bytes]:  # noqa: B008
    """Read a corpus of the catalogue, or ``nltk:NAME``, in blocks of about 1 MB of UTF-8.

    A block has one sentence per line where the recipe finds sentences, otherwise plain text as it
    is. `preprocessing` says how raw text of NLTK's corpora is split into sentences and tokens.
    Raises `CorpusError` if there is no such corpus, it has not been downloaded or installed, or it
    cannot be read; `DownloadError` if its file differs from that of the manifest.
    """
    if name.startswith("nltk:"):
        return _blocks(_nltk_lines(catalog.nltk_name(name), preprocessing))
    path = catalog.find(name)
    assert path is not None  # only NLTK's corpora have none
    return _RECIPES[catalog.entry(name).kind](catalog.entry(name), path)


def _blocks(lines: Iterable[str]) -> Iterator[bytes]:
    """Join lines to blocks of about 1 MB; each line ends with a newline."""
    block, size = [], 0
    for line in lines:
        block.append(line)
        size += len(line) + 1
        if size >= BLOCK:
            yield ("\n".join(block) + "\n").encode()
            block, size = [], 0
    if block:
        yield ("\n".join(block) + "\n").encode()


# ---- prose --------------------------------------------------------------------------------------

_TAG = re.compile(r"</?[a-zA-Z][^<>]*>")
# Accents after decomposition, and zero-width characters inside a word.
_MARKS = re.compile("[\u0300-\u036f\u00ad\u200b-\u200d\u2060\ufeff]+")
# Letters that Unicode does not decompose, and typographic apostrophes.
_LETTERS = str.maketrans(
    {"’": "'", "ʼ": "'", "ø": "o", "Ø": "O", "ł": "l", "Ł": "L", "đ": "d", "Đ": "D", "ð": "d"}
    | {"Ð": "D", "þ": "th", "Þ": "Th", "æ": "ae", "Æ": "Ae", "œ": "oe", "Œ": "Oe", "ß": "ss"}
    | {"ı": "i", "ħ": "h", "Ħ": "H", "ŋ": "n", "Ŋ": "N"}
)
# A full stop before a lowercase letter ends an abbreviation ("per sq. km").
_SENTENCE_END = re.compile(r"\n|(?<=;)\s+|(?<=[.!?])[\"'”’)]*\s+(?![a-z])")
_WORD = re.compile(r"[a-z]+(?:'[a-z]+)?")


def sentences(text: str) -> Iterator[str]:
    """Sentences of English prose with tags: two or more lowercase words, joined by spaces."""
    text = html.unescape(_TAG.sub("\n", text))
    if not text.isascii():
        text = _MARKS.sub("", unicodedata.normalize("NFKD", text)).translate(_LETTERS)
    for sentence in _SENTENCE_END.split(text):
        words = _WORD.findall(sentence.lower())
        if len(words) > 1:
            yield " ".join(words)


# ---- downloads ----------------------------------------------------------------------------------


def _plain(corpus: Entry, path: Path) -> Iterator[bytes]:
    with path.open("rb") as stream:
        yield from read_plain(stream)


def _zip_member(corpus: Entry, path: Path) -> Iterator[bytes]:
    with _member(corpus, path) as stream:
        yield from read_plain(stream)


@contextlib.contextmanager
def _member(corpus: Entry, path: Path) -> Iterator[IO[bytes]]:
    """The member as a stream; zipfile reads at most the size that the catalogue checked."""
    assert corpus.member is not None
    try:
        with zipfile.ZipFile(path) as archive, archive.open(corpus.member) as stream:
            yield stream
    except CorpusError:
        raise
    # OSError: an offset before the start of the file. ValueError: a name in another encoding.
    except (zipfile.BadZipFile, zlib.error, EOFError, OSError, RuntimeError, ValueError) as error:
        raise CorpusError(f"{path}: member {corpus.member!r} cannot be read: {shown(error, 200)}") from error


def _mediawiki(corpus: Entry, path: Path) -> Iterator[bytes]:
    return _blocks(_article_sentences(corpus, path))


def _article_sentences(corpus: Entry, path: Path) -> Iterator[str]:
    try:
        from gensim.corpora.wikicorpus import filter_wiki
    except ImportError:
        raise CorpusError(f"{corpus.name}: reading it needs the package gensim: pip install gensim") from None

    with _member(corpus, path) as stream:
        for title, markup in _pages(corpus, path, stream):
            redirect = markup[:9].lower() == "#redirect"
            if not redirect and not title.startswith(corpus.skip):
                yield from sentences(filter_wiki(markup))


def _pages(corpus: Entry, path: Path, stream: IO[bytes]) -> Iterator[tuple[str, str]]:
    """Title and markup of each page."""
    from xml.etree.ElementTree import ParseError

    from gensim.corpora.wikicorpus import extract_pages

    try:
        for title, markup, _ in extract_pages(stream):
            yield title or "", markup
    except ParseError as error:
        # A truncated dump ends within a page, which is left out.
        if not corpus.cut_off or error.code not in _XML_ENDED:
            raise CorpusError(f"{path}: {corpus.member}: not MediaWiki XML: {error}") from error
    except AttributeError as error:  # gensim assumes that they exist
        raise CorpusError(f"{path}: {corpus.member}: a page lacks its title, its text or its id") from error
    except (LookupError, ValueError) as error:  # an unknown encoding, other XML
        raise CorpusError(f"{path}: {corpus.member}: not MediaWiki XML: {shown(error, 200)}") from error


_XML_ENDED = (3, 5, 6, 20)  # expat: no element, unclosed token, partial character, unclosed CDATA


# ---- packages and NLTK --------------------------------------------------------------------------


def _package_json(corpus: Entry, folder: Path) -> Iterator[bytes]:
    assert corpus.files is not None
    files = sorted(folder.glob(corpus.files))
    if not files:
        raise CorpusError(
            f"{corpus.name}: no file {corpus.files} in {folder}; pip install "
            f"--force-reinstall '{corpus.requirement}'"
        )
    return _blocks(
        sentence
        for path in files
        for text in _strings(_load_json(path), corpus.key, corpus.key is None)
        for sentence in sentences(text)
    )


def _load_json(path: Path) -> Any:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise CorpusError(f"{path}: cannot be read as JSON: {error}") from error


def _strings(node: object, key: str | None, wanted: bool) -> Iterator[str]:
    """The strings in parsed JSON, in order; with a key, only those below that key."""
    pending = [(node, wanted)]
    while pending:
        node, wanted = pending.pop()
        if isinstance(node, str) and wanted:
            yield node
        elif isinstance(node, dict):
            inside = [(value, wanted or name == key) for name, value in node.items()]
            pending += reversed(inside)
        elif isinstance(node, list):
            pending += [(value, wanted) for value in reversed(node)]


def _nltk_lines(name: str, preprocessing: Preprocessing) -> Iterator[str]:
    """Lines of tokens: sentences if the corpus marks them, single tweets, otherwise whole files.

    Plain text marks no sentences, and the model that finds them may not be installed, so sentences
    are found only if `split_sentences` asks for it. With `tokenize`, that tokenizer replaces the
    corpus's own and splits the paragraphs of raw text.
    """
    corpus = catalog.nltk_corpus(name)
    lines = _nltk_recipe(f"nltk:{name}", corpus, preprocessing)
    file = "its list of files"
    try:
        for file in corpus.fileids():
            for tokens in lines(corpus, file, preprocessing):
                yield _line(f"nltk:{name}: {file}", list(tokens))
    except CorpusError:
        raise
    except Exception as error:  # NLTK's readers raise all kinds for damaged data
        reason = shown(" ".join(str(error).split()), 200) or type(error).__name__
        raise CorpusError(f"nltk:{name}: {file}: cannot be read: {reason}") from error


def _nltk_recipe(
    where: str, corpus: Any, preprocessing: Preprocessing
) -> Callable[[Any, str, Preprocessing], Iterable[list[str]]]:
    """The function below that reads a corpus of NLTK."""
    from nltk.corpus.reader.plaintext import PlaintextCorpusReader

    plain = isinstance(corpus, PlaintextCorpusReader)
    tokenizes = preprocessing.tokenize != "none"
    if hasattr(corpus, "tokenized") and hasattr(corpus, "strings"):
        return _nltk_tweets
    if tokenizes and hasattr(corpus, "words") and not plain:
        raise CorpusError(f"{where}: marks its words; tokenize is for raw text, leave it out or give none")
    if tokenizes and hasattr(corpus, "raw"):
        return _nltk_paragraphs
    if plain and preprocessing.split_sentences is not None:
        sentence_splitter(preprocessing.split_sentences)  # fails with a remedy if it is missing
        return _nltk_sentences
    if hasattr(corpus, "sents") and not plain:
        return _nltk_sentences
    if hasattr(corpus, "words"):
        return _nltk_files
    raise CorpusError(
        f"{where}: NLTK finds no words in it; give tokenize if it is running text, or choose another corpus"
    )


def _nltk_sentences(corpus: Any, file: str, preprocessing: Preprocessing) -> Iterable[list[str]]:
    sentences: Iterable[list[str]] = corpus.sents(file)
    return sentences


def _nltk_files(corpus: Any, file: str, preprocessing: Preprocessing) -> Iterable[list[str]]:
    return [corpus.words(file)]


def _nltk_tweets(corpus: Any, file: str, preprocessing: Preprocessing) -> Iterable[list[str]]:
    if not preprocessing.splits:
        tweets = corpus.tokenized(file)
        return [" ".join(tokens).split() for tokens in tweets]  # telephone numbers have spaces
    tokenizer = "tweet" if preprocessing.tokenize == "none" else preprocessing.tokenize
    return _tokenized(corpus.strings(file), tokenizer, preprocessing.split_sentences)


def _nltk_paragraphs(corpus: Any, file: str, preprocessing: Preprocessing) -> Iterable[list[str]]:
    """Sentences of raw text whose paragraphs are separated by blank lines."""
    paragraphs = re.split(r"\n\s*\n", corpus.raw(file))
    return _tokenized(paragraphs, preprocessing.tokenize, preprocessing.split_sentences)


def _tokenized(texts: Iterable[str], tokenizer: str, language: str | None) -> Iterator[list[str]]:
    for text in texts:
        for line in tokenized(" ".join(text.split()), tokenizer, language).split("\n"):
            yield line.split(" ") if line else []


def _line(where: str, tokens: list[str]) -> str:
    try:
        return joined(tokens)
    except ValueError as error:
        raise CorpusError(f"{where}: {error}") from None


_RECIPES = {
    "plain": _plain,
    "zip-member": _zip_member,
    "mediawiki": _mediawiki,
    "package-json": _package_json,
}

"""Words that occur together more often than by chance become one word: new york, new_york.

The score of a pair of words a b is that of word2phrase (Mikolov, Sutskever, Chen, Corrado and Dean
2013, "Distributed representations of words and phrases and their compositionality", equation 6,
multiplied by the number of tokens as in their program):

    score(a b) = (count(a b) - delta) / (count(a) * count(b)) * tokens

Pairs whose score exceeds the threshold are joined from left to right. A second pass over the
result may join new_york times to new_york_times.
"""

import itertools
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from w2v_hs.checks import real, shown, whole
from w2v_hs.errors import OptionError, OutputError
from w2v_hs.files.atomic import replacing
from w2v_hs.files.outputs import reserved
from w2v_hs.options import Options, Preprocessing
from w2v_hs.progress import display as progress_display
from w2v_hs.text.columns import layout
from w2v_hs.text.compression import check_writer, open_to_write
from w2v_hs.text.phrase_text import PhraseText, warm_up
from w2v_hs.text.word_ids import encode
from w2v_hs.types import Texts

THRESHOLDS = (200.0, 100.0)


@dataclass(frozen=True)
class Phrase:
    """Two words that were joined."""

    phrase: str  # the joined word
    score: float  # of the pair
    count: int  # how often the pair occurs
    number: int  # the pass that found it, from 1


@dataclass(frozen=True)
class Pass:
    """One pass over the text."""

    threshold: float  # the score that a phrase must exceed
    phrases: int  # pairs above the threshold
    joined: int  # occurrences joined in the text


@dataclass(frozen=True, repr=False)
class Phrases:
    """The result of `join_phrases`."""

    phrases: list[Phrase]  # by pass, then by falling score
    passes: list[Pass]
    tokens: int  # of the text before joining
    tokens_after: int  # of the text after joining

    def __repr__(self) -> str:
        return f"Phrases({len(self.phrases):,} phrases, {self.tokens_after:,} tokens)"

    def as_dict(self) -> dict[str, Any]:
        """The same as dicts and lists, for JSON."""
        found = asdict(self)
        for phrase in found["phrases"]:
            phrase["pass"] = phrase.pop("number")
        return found


def join_phrases(
    corpus: Texts,
    output: str | Path | None = None,
    *,
    min_count: int = 5,
    delta: float | None = None,
    thresholds: Sequence[float] = THRESHOLDS,
    connector: str = "_",
    lowercase: bool = False,
    errors: str = "strict",
    tokenize: str = "none",
    split_sentences: str | None = None,
    text_column: str | None = None,
    encoding: str = "utf-8",
    threads: int | None = None,
    progress: bool = False,
) -> Phrases:
    """Find phrases in a corpus, and write its text with each phrase as one word.

    Parameters
    ----------
    corpus
        As in `train`.
    output
        A text file, one sentence per line without empty lines, compressed if its name ends in .gz,
        .bz2, .xz or .zst; None only finds phrases.
    min_count
        Pairs that occur less often are not phrases.
    delta
        Subtracted from the count of a pair, which keeps rare words out of phrases; None: min_count,
        as in word2phrase.
    thresholds
        The score that a phrase must exceed, for each pass; not rising.
    connector
        Joins the words of a phrase.
    lowercase, errors, tokenize, split_sentences, text_column, encoding, threads, progress
        As in `train`.

    Raises
    ------
    OptionError
        An option is out of its range, or the output would replace the corpus.
    CorpusError, TypeError
        As in `train`; or a token cannot be written to a text file.
    OutputError
        The output cannot be written.
    """
    preprocessing = Preprocessing(lowercase, errors, tokenize, split_sentences, text_column, encoding)
    min_count = whole("min_count", min_count, 1, 2**62)
    delta = real("delta", min_count if delta is None else delta, 0.0, 2.0**62, "from 0 to 2^62")
    thresholds = _falling(thresholds)
    _check_connector(connector)
    threads = Options(threads=threads).resolved().threads
    if output is not None:
        _check_output(Path(output))
    inputs = corpus if isinstance(corpus, (list, tuple)) else [corpus]
    with reserved([output], inputs), progress_display(progress) as display:
        display.step("compiling")
        warm_up()
        text = PhraseText(encode(corpus, preprocessing, threads, display.read), connector, threads)
        if output is not None:
            text.check_words()
        before, phrases, passes = text.tokens, [], []
        for number, threshold in enumerate(thresholds, 1):
            display.step(f"pass {number}")
            tokens = text.tokens
            found = text.join(min_count, delta, threshold)
            phrases += [Phrase(name, score, count, number) for name, score, count in found]
            passes.append(Pass(threshold, len(found), tokens - text.tokens))
        if output is not None:
            display.step("writing")
            _write(text, Path(output))
    return Phrases(phrases, passes, before, text.tokens)


def _falling(thresholds: Sequence[float]) -> list[float]:
    if isinstance(thresholds, str) or not isinstance(thresholds, Sequence) or not thresholds:
        raise OptionError("thresholds: expected a list of numbers, one for each pass")
    values = [real("threshold", t, 0.0, float("inf"), "0 or above") for t in thresholds]
    for before, after in itertools.pairwise(values):
        if after > before:
            raise OptionError(
                f"threshold {after:g} after {before:g}: expected thresholds that do not rise from "
                "pass to pass"
            )
    return values


def _check_connector(connector: str) -> None:
    try:
        fits = connector.split() == [connector] and "\0" not in connector and connector.encode()
    except (AttributeError, UnicodeEncodeError):
        fits = False
    if not fits:
        raise OptionError(f"connector={shown(repr(connector), 60)}: expected characters without white space")


def _check_output(output: Path) -> None:
    """Raise `OutputError` if the output could not be written, or not be read again."""
    if layout(output) != "plain":
        raise OutputError(
            f"{shown(output)}: the text is written plain, not as {layout(output)}; give a name "
            "such as phrases.txt or phrases.txt.gz"
        )
    check_writer(output)


def _write(text: PhraseText, output: Path) -> None:
    with replacing(output) as temporary, open_to_write(temporary, output.suffix) as file:
        for block in text.blocks():
            file.write(block)

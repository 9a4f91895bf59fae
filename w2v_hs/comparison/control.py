"""A control: both models trained again on texts whose documents are shuffled between the two.

What moves there is noise: of the sample, of training and of frequency (Dubossarsky, Weinshall and
Grossman 2017). It tells how surprising the change of a word between the real texts is.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np

from w2v_hs.checks import one_of, option, spoken, whole
from w2v_hs.errors import CorpusError, MissingTextError, OptionError
from w2v_hs.formatting import texts as listed
from w2v_hs.model import Model
from w2v_hs.options import Preprocessing, Resolved
from w2v_hs.progress import Display, Progress
from w2v_hs.text.corpus import LONGEST_SENTENCE, Corpus
from w2v_hs.text.vocabulary import Vocabulary, choose_words
from w2v_hs.text.windows import check_whole
from w2v_hs.text.word_ids import TOKEN_LISTS
from w2v_hs.training.observers.checkpoint import START_FACTS
from w2v_hs.training.observers.run_texts import check_same
from w2v_hs.training.recipe import make_tree, read_text, train_model
from w2v_hs.training.replicas import train_replicas
from w2v_hs.types import Float64, Int32, Int64, Texts

UNITS = ("sentences", "files")
PEERS = 101  # words of about the same frequency in each round, from which the usual spread comes
FEWEST = 5  # documents of a text that can be shuffled: one of them is not most of it
Sides: TypeAlias = dict[str, list[Model]]  # "old" and "new": the runs of each text
# Of words: how much each changed, (n,), the more the larger; and its count in the rarer text, (n,).
Changes: TypeAlias = tuple[Float64, Int64]


def check_control(rounds: int, unit: str, given: object, sides: dict[str, list[Any]]) -> int:
    """How many rounds; `OptionError` for options out of range, or models it cannot train again."""
    rounds, unit = whole("control", rounds, 0, 10_000), one_of("shuffle", unit, UNITS)
    if not rounds:
        if given is not None or unit != UNITS[0]:
            raise OptionError(
                f"{option('shuffle')} and {option('texts')} are for {option('control')}; add it"
            )
        return 0
    for name, run in ((name, run) for name, runs in sides.items() for run in runs):
        if not isinstance(run, Model):
            fault = "vectors, which know no text"
        elif run.options.tree == "given":
            fault = "a model with a tree of its own"
        elif begun := [fact for fact in START_FACTS if fact in run.provenance]:
            fault = f"a model trained with {option(begun[0])}"
        else:
            continue
        raise OptionError(
            f"{name}: {option('control')} trains on shuffled texts, and this is {fault}; give models that "
            f"{spoken('w2v-hs train', 'w2v_hs.train')} made of their text alone"
        )
    return rounds


@dataclass(frozen=True)
class Pool:
    """The two texts as one, the old one first."""

    words: Vocabulary  # all types of both, in no order of use
    ids: Int32  # (N,) rows of `words`
    sentences: Int64  # (n + 1,) offsets into `ids`
    documents: Int64  # (m + 1,) offsets into `sentences`
    old_tokens: int
    preprocessing: tuple[Preprocessing, Preprocessing]

    @classmethod
    def read(cls, sides: Sides, given: tuple[Texts, Texts] | None, unit: str, shows: Display) -> "Pool":
        """Read the texts of the models, by their names unless they are given.

        Raises `CorpusError` for a text that is missing or is another one, `OptionError` for a model
        whose words are not those of its text.
        """
        places = given or (None, None)
        read = [
            _read(name, runs, place, shows) for (name, runs), place in zip(sides.items(), places, strict=True)
        ]
        old, new = read
        rows = dict(old.vocabulary.index)
        for word in new.vocabulary.words:
            rows.setdefault(word, len(rows))
        renumbered = np.array([rows[word] for word in new.vocabulary.words], np.int32)
        integers = old.vocabulary.integers | new.vocabulary.integers
        ids = np.concatenate([old.ids, renumbered[new.ids]])
        sentences = np.concatenate([old.sentences, new.sentences[1:] + len(old.ids)])
        parts = [_documents(text, unit) for text in read]
        documents = np.concatenate([parts[0][:-1], parts[1] + len(old.sentences) - 1])
        words = Vocabulary(list(rows), np.bincount(ids, minlength=len(rows)), integers)
        prepared = old.preprocessing, new.preprocessing
        return cls(words, ids, sentences, documents, len(old.ids), prepared)

    def halves(self, rng: np.random.Generator) -> tuple["Sample", "Sample"]:
        """The documents in random order, cut where the old text ended."""
        order = rng.permutation(len(self.documents) - 1)
        tokens = np.diff(self.sentences[self.documents])
        before = int(np.searchsorted(np.cumsum(tokens[order]), self.old_tokens, side="right"))
        is_old = np.zeros(len(order), bool)
        is_old[order[: min(max(before, 1), len(order) - 1)]] = True
        return Sample(self, is_old, self.preprocessing[0]), Sample(self, ~is_old, self.preprocessing[1])


@dataclass(frozen=True)
class Sample:
    """Some documents of a pool."""

    pool: Pool
    documents: np.ndarray[Any, np.dtype[np.bool_]]  # (m,): whether each is among them
    preprocessing: Preprocessing

    def corpus(self, options: Resolved) -> Corpus:
        """Their text, with the vocabulary that the options choose from it."""
        pool = self.pool
        lengths = np.diff(pool.sentences)
        within = np.repeat(self.documents, np.diff(pool.documents))
        ids, lengths = pool.ids[np.repeat(within, lengths)], lengths[within]
        counts = np.bincount(ids, minlength=len(pool.words))

        def words_of(numbers: Int64) -> list[str]:
            return [pool.words.words[number] for number in numbers.tolist()]

        vocabulary, rows = choose_words(counts, words_of, options.min_count, options.max_vocab)
        kept = rows[ids]
        ends = np.concatenate([[0], np.cumsum(kept >= 0)])[np.concatenate([[0], np.cumsum(lengths)])]
        text = Corpus(
            ids=kept[kept >= 0],
            sentences=np.unique(ends),  # without sentences of which no word is left
            vocabulary=vocabulary.with_integers(pool.words.integers),
            names=["shuffled text"],
            tokens=len(ids),
            types=int(np.count_nonzero(counts)),
            checksum="",
            preprocessing=self.preprocessing,
        )
        check_whole(text, options)
        return text


def trained_again(
    sides: Sides, texts: tuple[Texts, Texts] | None, unit: str, rounds: int, seed: int, shows: Display
) -> Iterator[tuple[list[Model], list[Model]]]:
    """The old and new models of each round: as many as there are, with their options.

    texts: the old and the new one; None: found by their names. Raises as `Pool.read`.
    """
    pool = Pool.read(sides, texts, unit, shows)
    rng, bar = np.random.default_rng(seed), _Bar(shows, rounds * sum(map(len, sides.values())))
    for _ in range(rounds):
        old, new = (
            [_train(sample, run.options.resolved(), bar) for run in runs]
            for runs, sample in zip(sides.values(), pool.halves(rng), strict=True)
        )
        yield old, new


def p_and_q(found: Changes, control: list[Changes]) -> tuple[Float64, Float64]:
    """The p values of words, and these adjusted for their number, (n,) each.

    p is the share of the words in all rounds of the control that changed as much. A change is
    measured from the median of the control's words of similar frequency and divided by their mean
    deviation, so that words of any frequency compare: the words of one frequency alone would be too
    few for small p. The word itself counts as one more (North, Curtis and Sham 2002).
    """
    from scipy.ndimage import median_filter, uniform_filter1d
    from scipy.stats import false_discovery_control

    null, frequency = (np.concatenate(column) for column in zip(*control, strict=True))
    order = np.argsort(frequency, kind="stable")
    null, frequency = null[order], frequency[order]
    peers = min(PEERS * len(control), len(null))
    centre = median_filter(null, peers, mode="reflect")
    spread = uniform_filter1d(np.abs(null - centre), peers, mode="reflect")
    spread = np.maximum(spread, np.finfo(np.float32).tiny)
    change, counts = found
    place = np.searchsorted(frequency, counts).clip(max=len(null) - 1)
    scores = np.sort((null - centre) / spread)
    above = len(null) - np.searchsorted(scores, (change - centre[place]) / spread[place])
    p: Float64 = (1 + above) / (1 + len(null))
    return p, false_discovery_control(p)


class _Bar(Display):
    """Shows all training runs of a control as one step."""

    def __init__(self, shows: Display, runs: int):
        self.shows, self.runs, self.done = shows, runs, 0

    def note(self, text: str) -> None:
        pass

    def train(self, progress: Progress) -> None:
        self.shows.repeat(self.done + progress.tokens / progress.total, self.runs)


def _read(name: str, runs: list[Model], given: Texts | None, shows: Display) -> Corpus:
    """The text of one side, with all its types; raises as `Pool.read`."""
    first = runs[0]
    facts = first.provenance.get("corpus", {})
    remedy = f"give the texts of both models: {spoken('--texts OLD NEW', 'texts=(old, new)')}"
    names = facts.get("names", [])
    if given is None and (not names or TOKEN_LISTS in names or "-" in names):
        raise CorpusError(f"{name}: its model read a text without a name; {remedy}")
    corpus = [Path(each) for each in names] if given is None else given
    prepared = Preprocessing(**facts.get("preprocessing", {}))
    options = replace(first.options, min_count=1, max_vocab=None, window=5).resolved()
    try:
        text = read_text(corpus, options, None, prepared, shows)
    except MissingTextError as error:
        raise MissingTextError(f"{name}: {error}; {remedy}") from None
    for run in runs:
        check_same(text, run.provenance.get("corpus", {}), f"{name}: {remedy}")
        own, counts = run.options, text.vocabulary.counts
        chosen = int(np.count_nonzero(counts >= own.min_count)) if own.max_vocab is None else own.max_vocab
        if not np.array_equal(counts[:chosen], run.vocabulary.counts):
            raise OptionError(
                f"{name}: its words are not those that {option('min_count')} chooses from its text; give a "
                "model without a vocabulary file, and without words added later"
            )
    return text


def _documents(text: Corpus, unit: str) -> Int64:
    """Offsets into the sentences of a text, (m + 1,): where its documents begin, and the end.

    `CorpusError` if they are too few.
    """
    sentences = text.sentences
    if unit == "files":
        begins = np.searchsorted(sentences, [] if text.sources is None else text.sources)
    else:  # a sentence that was cut is one document
        begins = 1 + np.flatnonzero(np.diff(sentences)[:-1] < LONGEST_SENTENCE)
    bounds: Int64 = np.unique([0, *begins, len(sentences) - 1]).astype(np.int64)
    if len(bounds) <= FEWEST:
        raise CorpusError(
            f"{listed(text.names)}: too few {unit} to shuffle, {len(bounds) - 1}; expected {FEWEST} or more"
            + (f"; use {option('shuffle', 'sentences')}" if unit == "files" else "")
        )
    return bounds


def _train(sample: Sample, options: Resolved, bar: _Bar) -> Model:
    """A model with these options, of a corpus of its own: training may move its ids."""
    text = sample.corpus(options)
    tree = make_tree(text.vocabulary, options, None, bar)
    model = (train_replicas if options.replicas > 1 else train_model)(text, tree, options, bar)
    bar.done += 1
    return model

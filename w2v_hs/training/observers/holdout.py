"""A slice of the text set aside: its exact loss after each epoch, and when to stop."""

from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import Any, TypeAlias

import numpy as np

from w2v_hs.errors import CorpusError
from w2v_hs.model.scoring import Perplexity, Scorer
from w2v_hs.model.weights import Weights
from w2v_hs.options import Resolved
from w2v_hs.text.corpus import Corpus
from w2v_hs.tree.tree import Tree
from w2v_hs.types import Array, Float32, Int64

# Vectors (V, dim) and outputs (rows, dim) float32, and the tree.
Best: TypeAlias = tuple[Float32, Float32, Tree | None]
_SENTENCES = 1 << 14  # moved at once


def set_aside(corpus: Corpus, share: float, seed: int) -> tuple[Corpus, Corpus]:
    """Split a corpus into the text to train on and about `share` of its sentences, set aside.

    These lie at equal distances; the seed sets where the first is. The ids of `corpus` are moved in
    place, since a corpus may be larger than memory: do not use it afterwards. Vocabulary and counts
    stay those of the whole text. Raises `CorpusError` if none set aside has two words.
    """
    count = len(corpus.sentences) - 1
    held = held_out(0, count, share, seed)
    lengths = np.diff(corpus.sentences)
    check_predictions(lengths[held], count, share)
    aside = np.empty(lengths[held].sum(), np.int32)
    kept = taken = 0
    for first in range(0, count, _SENTENCES):
        block = slice(first, min(first + _SENTENCES, count))
        ids = np.array(corpus.ids[corpus.sentences[block.start] : corpus.sentences[block.stop]])
        out = np.repeat(held[block], lengths[block])
        for part, target, at in ((ids[out], aside, taken), (ids[~out], corpus.ids, kept)):
            target[at : at + len(part)] = part
        taken += int(np.count_nonzero(out))
        kept += int(np.count_nonzero(~out))

    def offsets(chosen: Array) -> Int64:
        return np.concatenate([[0], np.cumsum(lengths[chosen])]).astype(np.int64)

    return (
        replace(corpus, ids=corpus.ids[:kept], sentences=offsets(~held)),
        replace(corpus, ids=aside, sentences=offsets(held), tokens=len(aside)),
    )


def held_out(first: int, count: int, share: float, seed: int) -> Array:
    """Which of `count` sentences, from number `first` of a text on, are set aside: (count,)."""
    start = np.random.Generator(np.random.PCG64(seed)).random()
    marks = np.floor(start + share * np.arange(first, first + count + 1))
    held: Array = np.diff(marks) > 0
    return held


def check_predictions(lengths: Array, count: int, share: float) -> None:
    """Raise `CorpusError` if none of the sentences set aside has two words.

    lengths: of these sentences, which are some of `count`.
    """
    if not np.any(lengths > 1):
        raise CorpusError(
            f"holdout={share:g} sets {len(lengths):,} of {count:,} sentences aside, none with two "
            "words to predict from each other; set more aside, or give text with more lines"
        )


class Holdout:
    """Measures the sentences set aside after each epoch; with patience it ends the run.

    results: a `Perplexity` for each epoch trained. best: with patience, the weights after the epoch
    of the least loss so far. A run that resumes passes both. `note` gets lines for people.
    """

    def __init__(
        self,
        corpus: Corpus,
        options: Resolved,
        note: Callable[[str], None] = lambda text: None,
        results: Iterable[Perplexity] = (),
        best: Best | None = None,
    ):
        self.corpus, self.options, self.note = corpus, options, note
        self.results, self.best = list(results), best

    def measure(self, weights: Weights) -> bool:
        """Measure after an epoch; True if patience ends the run."""
        scorer = Scorer(weights.vectors, weights.outputs, weights.tree, self.corpus.vocabulary, self.options)
        result = scorer.perplexity(self.corpus, self.options.threads)
        self.results.append(result)
        epoch = len(self.results)
        self.note(f"epoch {epoch}: held-out loss {result.nats:.4f} nats per prediction")
        if self.options.patience is None:
            return False
        inputs, outputs = self._matrices(weights)
        best = self.best_epoch
        if self.best is None:
            self.best = inputs.copy(), outputs.copy(), weights.tree
        elif best == epoch:  # in place: never more than one copy
            self.best[0][:], self.best[1][:] = inputs, outputs
            self.best = *self.best[:2], weights.tree
        return epoch - best >= self.options.patience or epoch == self.options.epochs

    def restore_best_in_place(self, weights: Weights) -> None:
        """Restore the weights after the best epoch, which patience keeps."""
        if self.best is None or self.best_epoch == len(self.results):
            return
        inputs, outputs = self._matrices(weights)
        inputs[:], outputs[:], weights.tree = self.best
        weights.compose()
        self.note(f"these are the weights of epoch {self.best_epoch}")

    def _matrices(self, weights: Weights) -> tuple[Float32, Float32]:
        """Inputs and outputs as a model has them: without padding of rows, and of words."""
        dim, rows = self.options.dim, len(weights.vectors) - (weights.tree is not None)
        return weights.inputs[:, :dim], weights.outputs[:rows, :dim]

    def provenance(self) -> dict[str, Any]:
        """What was set aside, and the losses of models without contexts, for the model file."""
        if not self.results:
            return {}
        last = self.results[-1]
        return {
            "holdout": {
                "sentences": len(self.corpus.sentences) - 1,
                "tokens": last.tokens,
                "predictions": last.pairs,
                "best_epoch": self.best_epoch,
                "unigram_nats": last.unigram,
                "sampled_unigram_nats": last.sampled,
                "untrained_nats": last.untrained,
            }
        }

    @property
    def best_epoch(self) -> int:
        """The epoch of the smallest loss, counted from 1; the first of equals."""
        return 1 + int(np.argmin([result.nats for result in self.results]))

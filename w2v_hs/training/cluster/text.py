"""Text on a cluster: read, counted and encoded in shards by its workers, which keep the ids.

    shards --scan--> numbers and types --merge_types--> vocabulary --encode--> ids

Every step is a function of `shards`, run as a task of Dask; a shard whose worker was lost is read
again.
"""

import hashlib
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np

from w2v_hs.errors import CorpusError
from w2v_hs.formatting import texts
from w2v_hs.options import Options, Preprocessing
from w2v_hs.text.corpus import Corpus
from w2v_hs.text.sources import Source
from w2v_hs.text.vocabulary import Vocabulary
from w2v_hs.training.cluster import client as dask
from w2v_hs.training.cluster import shards
from w2v_hs.training.cluster.rounds import concatenate
from w2v_hs.training.observers.holdout import check_predictions


@dataclass(frozen=True)
class ShardedText:
    """A text on the workers of a cluster. Other fields as in `corpus.Corpus`."""

    ids: list[Any]  # a future of `shards.EncodedShard` for each shard
    where: list[str]  # the worker that read each
    lengths: list[int]  # tokens of each
    sentences: list[int]  # of each
    chosen: shards.ChosenVocabulary
    names: list[str]
    checksum: str
    preprocessing: Preprocessing

    @property
    def vocabulary(self) -> Vocabulary:
        """The words that were kept."""
        return self.chosen.vocabulary

    def facts(self) -> dict[str, Any]:
        """What a model file says of it."""
        return {
            "names": self.names,
            "sha256": self.checksum,
            "tokens": self.chosen.tokens,
            "types": self.chosen.types,
            "retained_tokens": sum(self.lengths),
            "sentences": sum(self.sentences),
            "decoding_errors": self.chosen.mended,
            "preprocessing": asdict(self.preprocessing),
        }


def read(
    client: Any,
    files: list[Source],
    size: int,
    options: Options,
    vocabulary: Vocabulary | None,
    preprocessing: Preprocessing,
    look: Callable[[int, int], None],
) -> ShardedText:
    """Read and encode files on the workers, in shards of about `size` bytes.

    Calls look(done, total) in bytes. Raises `CorpusError`, `VocabularyError`, `ClusterError`.
    """
    pieces = shards.cut(files, size)
    total = sum(piece.size for piece in pieces)
    # Each shard stays where it is read, and every worker gets its share.
    workers = [*dask.workers(client)]
    sizes = [piece.size or 1 for piece in pieces]  # some are unknown
    where = dask.place_shards(sizes, [None] * len(pieces), workers)
    scanned = [
        dask.submit(client, shards.scan, piece, preprocessing, worker=worker)
        for piece, worker in zip(pieces, where, strict=True)
    ]

    def show() -> None:
        look(sum(p.size for p, f in zip(pieces, scanned, strict=True) if f.done()), total)

    names = [file.name for file in files]
    said = texts(names)
    counted = [dask.submit(client, dask.pick, one, 2) for one in scanned]
    counted = dask.reduce_in_groups(client, shards.merge_types, counted)
    counted = dask.submit(client, shards.merge_types, counted)
    given = None if vocabulary is None else dask.scatter(client, vocabulary, workers)
    chosen = dask.submit(client, shards.choose, counted, said, options.min_count, options.max_vocab, given)
    dask.wait_for(client, [chosen], show)
    look(total, total)
    ids = [
        dask.submit(client, shards.encode, one, chosen, worker=worker)
        for one, worker in zip(scanned, where, strict=True)
    ]
    found = [dask.submit(client, _size, one) for one in ids]
    sums = [dask.submit(client, dask.pick, one, 3) for one in scanned]
    dask.wait_for(client, found + sums)
    found, sums = client.gather(found), client.gather(sums)
    if not sum(tokens for tokens, _ in found):
        raise CorpusError(f"no word of {said} is in the vocabulary")
    return ShardedText(
        ids,
        where,
        [tokens for tokens, _ in found],
        [sentences for _, sentences in found],
        client.gather(chosen, direct=True),
        names,
        hashlib.sha256(b"".join(sums)).hexdigest(),
        preprocessing,
    )


def set_aside(client: Any, text: ShardedText, share: float, seed: int) -> tuple[ShardedText, Corpus]:
    """`holdout.set_aside` on a cluster: the same sentences; those set aside go to the client."""
    count = sum(text.sentences)
    firsts = np.cumsum([0, *text.sentences]).tolist()
    both = [
        dask.submit(client, shards.set_aside, ids, first, share, seed, worker=worker)
        for ids, first, worker in zip(text.ids, firsts[:-1], text.where, strict=True)
    ]
    kept, aside = (
        [dask.submit(client, dask.pick, one, part, worker=w) for one, w in zip(both, text.where, strict=True)]
        for part in (0, 1)
    )
    sizes = [dask.submit(client, _size, one) for one in kept]
    dask.wait_for(client, [*aside, *sizes])
    ids, sentences = concatenate(client.gather(aside, direct=True))
    check_predictions(np.diff(sentences), count, share)
    lengths, sentences_kept = map(list, zip(*client.gather(sizes), strict=True))
    return (
        replace(text, ids=kept, lengths=lengths, sentences=sentences_kept),
        Corpus(ids, sentences, text.vocabulary, text.names, len(ids), text.chosen.types, text.checksum),
    )


def _size(text: shards.EncodedShard) -> tuple[int, int]:
    return len(text.ids), len(text.sentences) - 1

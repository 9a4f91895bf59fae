"""What a round on a cluster costs in bytes and seconds, and so how many rounds pay.

With V words, vectors of `dim` numbers and n workers, a worker sends its changes of each block to
the block's owner, and gets every new block from there. Changes are bfloat16 and blocks float32, of
two matrices:

    bytes into a worker, and out of it, a round <= (n - 1) / n * (4 + 8) V dim

A round that touches few rows sends less. Beyond eight workers changes are first merged in groups;
their sums, V dim bytes more for each worker, are left out here.

Training takes, for each token that subsampling keeps, as many predictions as it has context words
(`expected_contexts`), of L branches each, the mean length of the paths, with 6 dim operations a
branch.
"""

from dataclasses import dataclass

from w2v_hs.options import Resolved
from w2v_hs.text.vocabulary import Vocabulary
from w2v_hs.text.windows import expected_contexts
from w2v_hs.tree.tree import Tree

SHARE = 0.1  # of the seconds of training that communication may take
BANDWIDTH = 4e8  # bytes a second into a worker: 4 and 8 of them on 16 cores, all a round costs
SPEED = 6e10  # operations a second of a thread
SHORTEST = 20_000  # tokens of a worker in a round, some 10 ms


@dataclass(frozen=True)
class Work:
    """The work of an epoch: words, dim, tokens, and operations for a token."""

    words: int
    dim: int
    tokens: int
    operations: float

    def training_seconds(self, workers: int, threads: int = 1) -> float:
        """Seconds of an epoch without communication."""
        return self.tokens * self.operations / (SPEED * workers * threads)

    def round_bytes(self, workers: int) -> float:
        """Bytes into each worker in a round, at most."""
        return (workers - 1) / workers * 12 * self.words * self.dim

    def round_seconds(self, workers: int) -> float:
        """Seconds of communication in a round, at most."""
        return self.round_bytes(workers) / BANDWIDTH

    def rounds(self, workers: int, threads: int = 1) -> int:
        """Rounds of an epoch that take `SHARE` of its time, or the fewest that do."""
        fewest = fewest_rounds(workers)
        if workers == 1:
            return fewest
        most = max(fewest, self.tokens // (workers * SHORTEST))
        fit = SHARE * self.training_seconds(workers, threads) / self.round_seconds(workers)
        return int(min(most, max(fewest, fit)))


def fewest_rounds(workers: int) -> int:
    """Rounds of an epoch below which the workers diverge so far that vectors suffer.

    It is what 2 and 4 workers needed (docs/cluster.md), and a guess for more.
    """
    return 4 * max(1, workers - 1) + 1


def work_of(vocabulary: Vocabulary, tree: Tree, tokens: int, options: Resolved) -> Work:
    """The work of a run."""
    kept = vocabulary.kept_frequencies(options.sample)
    branches = float(kept @ tree.lengths) / float(vocabulary.counts.sum())
    contexts = expected_contexts(options)
    predictions = contexts if options.arch == "skipgram" else 1
    # CBOW adds up the window and hands its error back.
    around = 0 if options.arch == "skipgram" else 2 * options.dim * contexts
    operations = predictions * branches * 6 * options.dim + around
    return Work(len(vocabulary), options.dim, tokens, operations)

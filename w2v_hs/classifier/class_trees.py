"""Trees over classes: by frequency, learned from their rows, or the user's own."""

from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from queue import SimpleQueue
from typing import Any

import numpy as np
import scipy.sparse

from w2v_hs.checks import quoted
from w2v_hs.classifier.base import Classifier, Features
from w2v_hs.classifier.objective import rows_of
from w2v_hs.errors import OptionError
from w2v_hs.kernels import two_means
from w2v_hs.text.vocabulary import Vocabulary
from w2v_hs.tree import Tree, balanced, huffman, nested_codes, tree_from_children, tree_from_codes
from w2v_hs.types import Array, Float64, Int64

_STARTS = 4  # attempts at each cut, of which the best is kept
BUILDERS: dict[str, Callable[[Int64], Tree]] = {"huffman": huffman, "balanced": balanced}


def whole_counts(weights: Float64) -> Int64:
    """Weights of classes as whole numbers of at least 1: sample weights may be fractions."""
    if (weights != np.rint(weights)).any() or weights.max() > 2**40:
        weights = weights / weights.max() * 2**40
    return np.maximum(np.rint(weights), 1).astype(np.int64)


def plant(
    estimator: Any, X: Features, members: Any, rows: Float64, seeds: list[int], pool: ThreadPoolExecutor
) -> list[Tree]:
    """The trees that the parameter `tree` of an estimator asks for, one for each seed.

    members (m, n): CSR of the weights of the rows of each class. rows (n,): weights of the rows.
    """
    tree, counts = estimator.tree, whole_counts(np.asarray(members.sum(axis=1), np.float64))
    if isinstance(tree, str):
        estimator._one_of("tree", ("learned", *BUILDERS))
        if tree == "learned":
            found = centroids(X, members, rows)
            return [learned(found, counts, seed, pool, estimator._threads()) for seed in seeds]
    if len(seeds) > 1:
        raise OptionError(f"n_trees={len(seeds)} with one tree: several are for tree='learned'")
    if isinstance(tree, str):
        return [BUILDERS[tree](counts)]
    return [own_tree(estimator, tree, estimator.classes_, counts)]


def own_tree(estimator: Classifier, tree: Any, classes: Array, counts: Int64) -> Tree:
    """The user's tree over the sorted classes: a `Tree`, nested lists, or a dict of parents."""
    if isinstance(tree, Tree):
        if tree.inner != len(counts) - 1:
            raise OptionError(
                f"The 'tree' parameter of {type(estimator).__name__} must be a tree over the sorted "
                f"classes of y, of which there are {len(counts)}. Got a tree over "
                f"{tree.inner + 1} classes instead."
            )
        return tree
    labels = classes.tolist()
    if isinstance(tree, Mapping):
        tree = nested_from_parents(tree, labels)
    if not isinstance(tree, (list, tuple)):
        names = ", ".join(map(repr, ("learned", *BUILDERS)))
        raise estimator._invalid("tree", f"{names}, a w2v_hs.tree.Tree, nested lists or a dict of parents")
    codes = nested_codes(tree, dict(zip(map(str, labels), counts.tolist(), strict=True)))
    rows = {str(label): row for row, label in enumerate(labels)}
    if len(rows) < len(labels):
        raise OptionError("tree: two labels of y are the same as text; give a w2v_hs.tree.Tree")
    unknown, missing = set(codes.words) - set(rows), set(rows) - set(codes.words)
    if unknown or missing:
        found = f"{quoted(min(unknown))} is not in y" if unknown else f"{quoted(min(missing))} is missing"
        raise OptionError(f"tree: the class {found}; the leaves must be the labels of y")
    return tree_from_codes(codes, Vocabulary([str(label) for label in labels], counts))


def nested_from_parents(parents: Mapping[Any, Any], labels: list[Any]) -> Any:
    """Nested lists of the same groups, without those that hold no label or one member alone.

    parents: the parent of each label and of each group but the root.
    """
    members: dict[Any, dict[Any, None]] = {}
    roots: dict[Any, None] = {}
    for label in labels:
        node, above = label, 0
        while node in parents:
            if above > len(parents):
                raise OptionError(f"tree: the parents of {quoted(label)} run in a circle")
            members.setdefault(parents[node], {})[node] = None
            node, above = parents[node], above + 1
        if node == label:
            raise OptionError(f"tree: the class {quoted(label)} has no parent; give one for each label of y")
        roots[node] = None
    if len(roots) > 1:
        found = ", ".join(quoted(root) for root in list(roots)[:3])
        raise OptionError(f"tree: {len(roots)} groups have no parent, {found}; expected one root")
    built: dict[Any, Any] = {}
    pending = [(root, False) for root in roots]
    while pending:
        node, ready = pending.pop()
        if node not in members:
            built[node] = node
        elif not ready:
            if node in set(labels):
                raise OptionError(f"tree: the class {quoted(node)} is the parent of another; only groups are")
            pending += [(node, True), *((member, False) for member in members[node])]
        else:
            below = [built[member] for member in members[node]]
            built[node] = below if len(below) > 1 else below[0]
    return built[next(iter(roots))]


class _Cutter:
    """Halves parts of the classes by their centroids, on several threads.

    centroids (m, d): of length 1 or 0. counts (m,), at least 1: rows of each class. Halves have
    about equally many rows. What is found does not depend on the number of threads.
    """

    def __init__(self, centroids: Features, counts: Int64, seed: int, pool: ThreadPoolExecutor, threads: int):
        self._rows, self._mass, self._pool = rows_of(centroids), counts.astype(np.float64), pool
        self._generator = np.random.Generator(np.random.PCG64(seed))
        self._threads, self._scratch = threads, SimpleQueue[two_means.MeansScratch]()
        for _ in range(threads):
            self._scratch.put(two_means.make_scratch(*centroids.shape))

    def cut(self, order: Int64, firsts: Int64, lasts: Int64) -> Int64:
        """Reorder each part order[firsts[i] : lasts[i]]; returns where the second halves begin.

        The best of `_STARTS` attempts. A task makes one attempt at each of some parts.
        """
        seeds = self._generator.integers(2**64, size=(_STARTS, len(firsts)), dtype=np.uint64)
        orders, cuts = np.tile(order, (_STARTS, 1)), np.empty((_STARTS, len(firsts)), np.int64)
        lengths, sizes = np.empty(cuts.shape), lasts - firsts
        starts = np.concatenate([[0], np.cumsum(sizes)])
        bounds = np.searchsorted(starts, np.linspace(0, starts[-1], self._threads + 1))

        def work(attempt: int, a: int, b: int) -> None:
            memory, parts = self._scratch.get(), (firsts[a:b], lasts[a:b])
            results = cuts[attempt, a:b], lengths[attempt, a:b]
            try:
                two_means.cut_parts(
                    self._rows, orders[attempt], *parts, self._mass, seeds[attempt, a:b], memory, *results
                )
            finally:  # others wait for it
                self._scratch.put(memory)

        some = [(attempt, *ends) for ends in pairwise(bounds) for attempt in range(_STARTS)]
        list(self._pool.map(work, *zip(*some, strict=True)))
        # The first of equals: rounding must not decide between two attempts at the same halves.
        best = np.argmax(lengths >= (1 - 1e-9) * lengths.max(axis=0), axis=0)
        places = np.arange(starts[-1]) + np.repeat(firsts - starts[:-1], sizes)
        order[places] = orders[np.repeat(best, sizes), places]
        found: Int64 = cuts[best, np.arange(len(firsts))]
        return found


def learned(centroids: Features, counts: Int64, seed: int, pool: ThreadPoolExecutor, threads: int) -> Tree:
    """The tree that halves the classes by their centroids, as `kernels.two_means` does.

    Arguments as those of `_Cutter`.
    """
    classes, cutter = len(counts), _Cutter(centroids, counts, seed, pool, threads)
    order = np.arange(classes)
    children = np.empty((classes - 1, 2), np.int64)
    flat = children.reshape(-1)
    firsts, lasts, above = np.array([0]), np.array([classes]), np.array([-1])
    while len(firsts):
        cuts = cutter.cut(order, firsts, lasts)
        # The part that is cut at place c is inner node c - 1.
        flat[above[above >= 0]] = classes + cuts[above >= 0] - 1
        starts, ends = np.concatenate([firsts, cuts]), np.concatenate([cuts, lasts])
        places = np.concatenate([2 * (cuts - 1), 2 * (cuts - 1) + 1])
        single = ends - starts == 1
        flat[places[single]] = order[starts[single]]
        firsts, lasts, above = starts[~single], ends[~single], places[~single]
    return tree_from_children(children, counts)


def grouped(
    centroids: Features, counts: Int64, number: int, seed: int, pool: ThreadPoolExecutor, threads: int
) -> list[Int64]:
    """The classes in `number` groups: half of them of one frequent class, the others of like ones.

    As in the adaptive softmax (Grave et al. 2017), frequent classes are not shut in with others.
    Arguments as those of `_Cutter`, which halves the group of most rows until there are enough.
    """
    cutter, order = _Cutter(centroids, counts, seed, pool, threads), np.argsort(-counts, kind="stable")
    single = number // 2
    firsts, lasts = np.array([single]), np.array([len(counts)])
    while len(firsts) < number - single:
        sums = np.concatenate([[0.0], np.cumsum(counts[order], dtype=np.float64)])
        masses = np.where(lasts - firsts > 1, sums[lasts] - sums[firsts], 0)
        heaviest = np.argsort(-masses, kind="stable")[: number - single - len(firsts)]
        some = heaviest[masses[heaviest] > masses.max() / 2]
        cuts = cutter.cut(order, firsts[some], lasts[some])
        firsts, lasts = np.append(firsts, cuts), np.append(lasts, lasts[some])
        lasts[some] = cuts
    alone = [order[place : place + 1] for place in range(single)]
    return alone + [np.sort(order[a:b]) for a, b in zip(firsts, lasts, strict=True)]


def centroids(X: Features, members: Any, weights: Float64) -> Features:
    """(m, d): for each class the direction of the mean direction of its rows.

    Rows are scaled to length 1 first. Sparse features are weighted by the logarithm of the inverse
    of their frequency; dense ones are centred.
    """
    X = X.astype(np.float64)
    if isinstance(X, np.ndarray):
        X -= weights @ X / weights.sum()
    else:
        present = np.bincount(X.indices, np.repeat(weights, np.diff(X.indptr)), X.shape[1])
        X = X @ scipy.sparse.diags_array(np.log((1 + weights.sum()) / (1 + present)) + 1)
    return directions(members @ directions(X))


def directions(X: Features) -> Features:
    """Rows scaled to length 1; rows of zeros stay zeros."""
    if isinstance(X, np.ndarray):
        norms = np.sqrt(np.einsum("ij,ij->i", X, X))
        return X / np.where(norms > 0, norms, 1)[:, None]
    X = scipy.sparse.csr_array(X)
    norms = np.sqrt(X.multiply(X).sum(axis=1))
    return scipy.sparse.csr_array(scipy.sparse.diags_array(1 / np.where(norms > 0, norms, 1)) @ X)

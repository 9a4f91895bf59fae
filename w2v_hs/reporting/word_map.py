"""A map of the most frequent words: places in two dimensions, nearest neighbours."""

import importlib.util
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from w2v_hs.checks import one_of, warn, whole
from w2v_hs.errors import OptionError
from w2v_hs.vectors.vectors import Vectors

PROJECTIONS = ("pca", "tsne", "umap")
NEIGHBOURS = 10
BLOCK_VALUES = 1 << 23  # cosines held at once: 32 MiB
_SEED = 1  # t-SNE and UMAP draw: the same vectors give the same map


@dataclass(frozen=True)
class WordMap:
    """The n most frequent words that have a direction, and k neighbours of each."""

    projection: str
    rows: np.ndarray  # (n,) int64, rows in the vectors
    places: np.ndarray  # (n, 2) float32, at most 1 from 0
    # For PCA the share of the variance of the unit vectors that the two directions hold, else None.
    variance: float | None
    # (n, k) int64: the rows of highest cosine among all words, nearest first.
    neighbours: np.ndarray
    cosines: np.ndarray  # (n, k) float32
    left_out: int  # rows without a direction, zero or not finite


def word_map(
    vectors: Vectors,
    most: int = 10_000,
    projection: str | None = None,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> WordMap:
    """Lay out the `most` most frequent words, and find the neighbours of each among all words.

    `projection` of the unit vectors is "tsne" (openTSNE) or "umap" (umap-learn), which keep
    neighbours by cosine together, or "pca" (the two directions of largest variance). None: "tsne"
    or, with a warning, "pca" where openTSNE is not installed. `progress(done, total)` is called
    during the search for neighbours. Takes a second matrix of the size of the vectors. Raises
    `OptionError` if `projection` is unknown or its package is missing, or if `most` is below 1.
    """
    most, projection = whole("words", most, 1), chosen(projection)
    norms = np.sqrt(np.einsum("ij,ij->i", vectors.matrix, vectors.matrix, dtype=np.float64))
    usable = np.flatnonzero(np.isfinite(norms) & (norms > 0))
    unit = vectors.matrix[usable]
    # Divided in float64, for the norm of large float32 values may not fit float32.
    np.divide(unit, norms[usable, None], out=unit, casting="same_kind")
    shown = np.arange(len(unit))[:most]
    places, variance = laid_out(unit[:most], projection)
    neighbours, cosines = nearest(unit, shown, len(unit), NEIGHBOURS, progress)
    return WordMap(
        projection=projection,
        rows=usable[:most],
        places=places,
        variance=variance,
        neighbours=usable[neighbours],
        cosines=cosines,
        left_out=len(vectors) - len(usable),
    )


def chosen(projection: str | None) -> str:
    """The name of a projection; None: the one by default, with a warning if it is "pca"."""
    if projection is None:
        projection = "tsne" if importlib.util.find_spec("openTSNE") else "pca"
        if projection == "pca":
            warn("the map is by PCA, which shows few of the neighbourhoods; for t-SNE: pip install openTSNE")
    return one_of("projection", projection, PROJECTIONS)


def laid_out(unit: np.ndarray, projection: str) -> tuple[np.ndarray, float | None]:
    """Places of unit vectors, (n, 2) float32, at most 1 from 0; `WordMap.variance`."""
    variance: float | None
    places, variance = _pca(unit)
    place = {"pca": None, "tsne": _tsne, "umap": _umap}[projection]
    if place is not None and len(unit) > 2:
        places, variance = place(unit, places), None
    return _scaled(places), variance


def nearest(
    unit: np.ndarray,
    rows: np.ndarray,
    candidates: int,
    k: int,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> tuple[np.ndarray, np.ndarray]:
    """The neighbours of some rows among the first `candidates`, a row itself left out.

    Their rows and cosines, (n, k) each, nearest first; k is less where there are fewer candidates.
    """
    n, k = len(rows), max(0, min(k, candidates - 1))
    found_rows, found_cosines = np.zeros((n, k), np.int64), np.zeros((n, k), np.float32)
    step = max(1, BLOCK_VALUES // max(1, candidates))
    for start in range(0, n if k else 0, step):
        these = rows[start : start + step]
        found = unit[these] @ unit[:candidates].T
        own = np.flatnonzero(these < candidates)
        found[own, these[own]] = -np.inf
        best = np.argpartition(found, candidates - k, axis=1)[:, -k:]
        values = np.take_along_axis(found, best, axis=1)
        order = np.lexsort((best, -values), axis=1)
        block = slice(start, start + len(these))
        found_rows[block] = np.take_along_axis(best, order, axis=1)
        found_cosines[block] = np.take_along_axis(values, order, axis=1)
        progress(block.stop, n)
    return found_rows, found_cosines


def _pca(unit: np.ndarray) -> tuple[np.ndarray, float]:
    """Places along the two directions of largest variance, (n, 2) float64, and their share of it.

    Directions have no sign of their own: each points to where its largest weight is positive.
    """
    if len(unit) == 0:
        return np.zeros((0, 2)), 0.0
    centred = unit - unit.mean(axis=0, dtype=np.float64)
    _, sizes, axes = np.linalg.svd(centred, full_matrices=False)
    axes = axes[:2]
    largest = np.take_along_axis(axes, np.abs(axes).argmax(axis=1)[:, None], axis=1)
    axes = axes * np.where(largest < 0, -1, 1)
    places = np.zeros((len(unit), 2))  # a second direction is missing where dim is 1
    places[:, : len(axes)] = centred @ axes.T
    total = float((sizes**2).sum())
    return places, float((sizes[:2] ** 2).sum()) / total if total else 0.0


def _tsne(unit: np.ndarray, start: np.ndarray) -> np.ndarray:
    try:
        from openTSNE import TSNEEmbedding
        from openTSNE.affinity import PerplexityBasedNN
        from openTSNE.nearest_neighbors import PrecomputedNeighbors
    except ImportError:
        raise _missing("tsne", "openTSNE") from None
    # Perplexity and start as van der Maaten and Hinton (2008) and Kobak and Berens (2019) advise.
    # The Fourier transform makes the time of an iteration linear, but its grid takes seconds for 60
    # words; Barnes-Hut is faster up to some 3,000. More iterations change little.
    start = 1e-4 * start / max(float(start[:, 0].std()), 1e-30)
    perplexity = min(30.0, (len(unit) - 1) / 3)
    rows, cosines = nearest(unit, np.arange(len(unit)), len(unit), int(3 * perplexity))
    near = PrecomputedNeighbors(rows, np.maximum(0, 1 - cosines))
    affinities = PerplexityBasedNN(knn_index=near, perplexity=perplexity, n_jobs=1)
    method = "bh" if len(unit) < 3000 else "fft"
    layout = TSNEEmbedding(start, affinities, negative_gradient_method=method, random_state=_SEED, n_jobs=1)
    layout.optimize(100, exaggeration=12, momentum=0.5, inplace=True)
    layout.optimize(150, momentum=0.8, inplace=True)
    return np.asarray(layout)


def _umap(unit: np.ndarray, start: np.ndarray) -> np.ndarray:
    try:
        from umap import UMAP
    except ImportError:
        raise _missing("umap", "umap-learn") from None
    start = 10 * _scaled(start)
    layout = UMAP(metric="cosine", init=start, n_neighbors=min(15, len(unit) - 1), random_state=_SEED)
    places: np.ndarray = layout.fit_transform(unit)
    return places


def _missing(projection: str, package: str) -> OptionError:
    return OptionError(
        f"projection={projection} needs {package}: pip install {package}, or take projection=pca"
    )


def _scaled(places: np.ndarray) -> np.ndarray:
    """Places around their middle with 1 as the largest distance along an axis, float32."""
    if len(places) == 0:
        return places.astype(np.float32)
    middle = (places.max(axis=0) + places.min(axis=0)) / 2
    size = float(np.abs(places - middle).max())
    scaled: np.ndarray = (places - middle) / (size or 1.0)
    return scaled.astype(np.float32)

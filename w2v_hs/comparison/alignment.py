"""One model rotated onto another, so that the vectors of the two can be compared."""

from dataclasses import dataclass, field, fields, replace
from typing import Any

import numpy as np

from w2v_hs.checks import one_of, option, whole
from w2v_hs.comparison.sides import NO_COUNTS, Shared, vectors_of
from w2v_hs.errors import OptionError
from w2v_hs.evaluation.evaluation import Result
from w2v_hs.model import Model
from w2v_hs.types import Float32, Float64, Int64
from w2v_hs.vectors import Vectors
from w2v_hs.vectors.rotation import rotation
from w2v_hs.vectors.subwords import Subwords, compose_rows

WEIGHTS = ("none", "frequency")
TRIMMED = 0.1  # the share of words left out of a repeated fit


@dataclass
class Alignment(Result):
    """A rotated model, and how well it fits.

    Attributes
    ----------
    aligned
        The model or vectors, rotated.
    rotation
        (dim, dim) float32: the orthogonal matrix by which each row was multiplied.
    shared_words
        How many words both hold.
    fitted_words
        From how many of them the rotation was estimated.
    without_direction
        Shared words left out because a vector is zero or not finite.
    mean_cosine_before, mean_cosine_after
        The mean cosine of the two vectors of a shared word, as they were and after the rotation.
    residual
        What the fit minimises: the Frobenius norm of the difference after the rotation divided by
        that of the target. 0 if the rotation explains everything; sqrt(2) = 1.41 for vectors that
        are unrelated; for a mean cosine of c, unless weighted or centred, sqrt(2 - 2 c).
    weight, centre, iterate
        As given.
    """

    aligned: Model | Vectors
    rotation: Float32 = field(repr=False)
    shared_words: int
    fitted_words: int
    without_direction: int
    mean_cosine_before: float
    mean_cosine_after: float
    residual: float
    weight: str
    centre: bool
    iterate: int

    def as_dict(self) -> dict[str, Any]:
        """The figures and options, without the vectors and the matrix."""
        return {each.name: getattr(self, each.name) for each in fields(self)[2:]}


def align(
    old: Model | Vectors,
    new: Model | Vectors,
    *,
    weight: str = "none",
    centre: bool = False,
    iterate: int = 0,
) -> Alignment:
    """Rotate `new` so that the vectors of the words that it shares with `old` come closest.

    Orthogonal Procrustes of vectors of length 1 (Schönemann 1966; Hamilton, Leskovec and Jurafsky
    2016). A rotation keeps the lengths and cosines of the vectors. The output weights and the
    vectors of n-grams rotate with the vectors of words, so a model keeps all its probabilities, up
    to the rounding of float32.

    Parameters
    ----------
    old, new : Model or Vectors
        Of the same dimension.
    weight : str
        "frequency": the fit weights each word by the geometric mean of its relative frequencies in
        the two texts; this needs two models. "none": all words count the same.
    centre : bool
        Subtract the mean vectors before the rotation is estimated. What is returned is only
        rotated, for a shift would change probabilities and cosines.
    iterate : int
        Repeat the fit this many times, each time without the tenth of the words that moved most
        under the previous rotation.

    Returns
    -------
    Alignment
        Its `aligned` is a copy of `new`, of the same type.

    Raises
    ------
    OptionError
        The two share no words, or fewer than a rotation of their dimension needs; they differ in
        dimension; an option is outside its range, or `weight` needs counts that are not known.
    TypeError
        `old` or `new` is neither a model nor `Vectors`.
    """
    one_of("weight", weight, WEIGHTS)
    iterate = whole("iterate", iterate, 0, 100)
    shared = Shared.of([old, new])
    target, source = shared.units
    weights = _weights(shared) if weight == "frequency" else None
    matrix, fitted = fit(source, target, weights, bool(centre), iterate)
    used = None if weights is None else weights[fitted]
    figures: dict[str, Any] = {
        "shared_words": len(shared),
        "fitted_words": len(fitted),
        "without_direction": shared.without_direction,
        "mean_cosine_before": float(cosines(source, target).mean()),
        "mean_cosine_after": float(cosines(source @ matrix, target).mean()),
        "residual": _residual(source[fitted], target[fitted], matrix, used, bool(centre)),
        "weight": weight,
        "centre": bool(centre),
        "iterate": iterate,
    }
    return Alignment(_rotated(new, matrix, figures), matrix, **figures)


def fit(
    source: Float32, target: Float32, weights: Float64 | None = None, centre: bool = False, iterate: int = 0
) -> tuple[Float32, Int64]:
    """The rotation of source onto target, (dim, dim) float32, and the rows it was estimated from.

    source, target: (n, dim) float32, rows of length 1. weights: (n,). `OptionError` if the rows are
    too few: a rotation is not determined by fewer than `dim` of them.
    """
    words, dim = source.shape
    fitted = np.arange(words)
    needed = dim if not iterate else int(np.ceil(dim / (1 - TRIMMED)))
    if words < needed:
        fewer = f", {needed} with {option('iterate')}" if needed > dim else ""
        raise OptionError(
            f"{words:,} shared words: a rotation of {dim} dimensions needs at least {dim}{fewer}; "
            "expected vectors of more words, or of fewer dimensions"
        )
    for turn in range(iterate + 1):
        used = None if weights is None else weights[fitted]
        matrix = rotation(source[fitted], target[fitted], used, centre)
        if turn < iterate:
            nearest = np.argsort(-cosines(source @ matrix, target), kind="stable")
            fitted = np.sort(nearest[: words - int(TRIMMED * words)])
    return matrix, fitted


def cosines(one: Float32, other: Float32) -> Float32:
    """The cosine of each pair of rows, which have length 1; (n,)."""
    found: Float32 = np.einsum("ij,ij->i", one, other)
    return found


def _weights(shared: Shared) -> Float64:
    """The geometric mean of the two relative frequencies of each word, (n,)."""
    if shared.counts is None or shared.tokens is None:
        raise OptionError(
            f"{option('weight', 'frequency')}: {NO_COUNTS}; expected two other models, or "
            f"{option('weight', 'none')}"
        )
    (a, b), (m, n) = shared.counts, shared.tokens
    weights: Float64 = np.sqrt(a / m * (b / n))
    return weights


def _residual(
    source: Float32, target: Float32, matrix: Float32, weights: Float64 | None, centre: bool
) -> float:
    """The norm of source @ matrix - target over that of target, weighted and centred as the fit."""
    rotated = source @ matrix
    if centre:
        rotated, target = (rows - np.average(rows, axis=0, weights=weights) for rows in (rotated, target))
    squares = [np.average((rows**2).sum(axis=1), weights=weights) for rows in (rotated - target, target)]
    return float(np.sqrt(squares[0] / squares[1])) if squares[1] > 0 else 0.0


def _rotated(model: Model | Vectors, matrix: Float32, figures: dict[str, Any]) -> Model | Vectors:
    """The same, each row times the matrix."""
    known = vectors_of(model)
    if known.subwords is None:
        vectors = Vectors(known.words, known.matrix @ matrix)
    else:
        ngrams = known.subwords.ngrams
        rows = known.subwords.rows @ matrix
        composed = compose_rows(ngrams.parts(known.names), rows)
        vectors = Vectors(known.words, composed, Subwords(ngrams, rows))
    if not isinstance(model, Model):
        return vectors
    provenance = {**model.provenance, "alignment": figures}
    return replace(model, vectors=vectors, outputs=model.outputs @ matrix, provenance=provenance)

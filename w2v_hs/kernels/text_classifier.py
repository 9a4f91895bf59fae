"""Text classification: the mean of the vectors of a text predicts its label (Joulin et al. 2017).

A text is a list of rows r_1 .. r_n, those of its words and n-grams, with vectors x_r. Their mean h
predicts the label y, by the full softmax over m labels with output vectors o_c

    h   = (x_1 + ... + x_n) / n
    P(c | h) = exp(h . o_c) / sum_u exp(h . o_u),    g_c = rate * ((c = y) - P(c | h))

or by the branches of a tree of labels, with g_l as in `skipgram`. In both cases

    x_r += (1 / n) sum_c g_c o_c for every row r,    o_c += g_c h      (both from the old x and o)

which is the gradient of -log P(y | h), to the letter: unlike `cbow`, the error is divided by n. The
rate falls linearly to 0 over all steps of a run.

Oracle: `naive.train_texts`.
"""

from typing import NamedTuple

import numpy as np

from w2v_hs.kernels.cbow import apply_gradients, score_path, train_path
from w2v_hs.kernels.common import TrainScratch, Window, collect_loss, make_scratch, start_loss
from w2v_hs.kernels.copies import merge, merge_due, own_row
from w2v_hs.kernels.jit import inline, jit
from w2v_hs.kernels.paths import find_path
from w2v_hs.kernels.probability import log_sigmoid, node_score, product, search
from w2v_hs.kernels.simd import (
    LANES,
    add,
    broadcast,
    load,
    multiply,
    pointer,
    pointers,
    prefetch_to_write,
    store,
)
from w2v_hs.kernels.softmax import softmax_gradient
from w2v_hs.kernels.tokens import END, mix

AHEAD = 8  # rows that are prefetched


class Texts(NamedTuple):
    """Texts, or types, as rows of input vectors, in compressed sparse rows."""

    offsets: np.ndarray  # (n + 1,) int64
    rows: np.ndarray  # int32: text i has rows[offsets[i]:offsets[i + 1]], at least one


class Steps(NamedTuple):
    """The steps of an epoch: step i takes the text order[i] with the label labels[order[i]]."""

    order: np.ndarray  # (n,) int64
    labels: np.ndarray  # (n,) int32
    rate: float  # of the run at its start
    before: int  # steps of the run before this epoch
    total: int  # steps of the run


class Grams(NamedTuple):
    """Which n-grams of words count, and the row of each of their buckets."""

    longest: int  # words; 1: none but the words themselves
    rows: np.ndarray  # (buckets,) int32: -1 for a bucket that no training text uses


# ---- texts to rows ------------------------------------------------------------------------------


@inline
def extend(state, word):
    """The hash of an n-gram and the word, a row of the vocabulary, that follows it."""
    return mix((state ^ np.uint64(word)) + np.uint64(0x9E3779B97F4A7C15))


@jit
def count_grams(stream, words, longest, counts):
    """Add the occurrences of each bucket of n-grams, of 2 to `longest` words, to `counts`.

    stream (N,) int32: types, and `END` after each text. words (types,) int32: their rows, -1 for
    words that are not in the vocabulary, which no n-gram contains. Row 0 is the end of a text.
    counts (buckets,) int32.
    """
    buckets = np.uint64(len(counts))
    for i in range(len(stream)):
        word = 0 if stream[i] == END else words[stream[i]]
        state, j = extend(np.uint64(0), word), i
        while word >= 0 and stream[j] != END and j + 1 < len(stream) and j + 1 - i < longest:
            j += 1
            word = 0 if stream[j] == END else words[stream[j]]
            if word >= 0:
                state = extend(state, word)
                counts[state % buckets] += 1


@jit
def find_rows(stream, words, parts, grams, offsets, found):
    """Write the rows of each text: of its words, their character n-grams and word n-grams.

    stream, words: as in `count_grams`. parts: the rows of the character n-grams of each
    type; its offsets have one element if there are none. Written: offsets (texts + 1,) int64 and
    found int32, which must have room. Row 0 ends each text; n-grams follow their first word.
    """
    buckets = np.uint64(len(grams.rows))
    count, text = 0, 0
    offsets[0] = 0
    for i in range(len(stream)):
        word = 0 if stream[i] == END else words[stream[i]]
        if word >= 0:
            found[count] = word
            count += 1
        if stream[i] == END:
            text += 1
            offsets[text] = count
            continue
        if len(parts.offsets) > 1:
            for at in range(parts.offsets[stream[i]], parts.offsets[stream[i] + 1]):
                found[count] = parts.rows[at]
                count += 1
        state, j = extend(np.uint64(0), word), i
        while word >= 0 and stream[j] != END and j + 1 - i < grams.longest:
            j += 1
            word = 0 if stream[j] == END else words[stream[j]]
            if word >= 0:
                state = extend(state, word)
                row = grams.rows[state % buckets]
                if row >= 0:
                    found[count] = row
                    count += 1
    return count


# ---- training -----------------------------------------------------------------------------------


def make_text_scratch(longest_path: int, stride: int) -> TrainScratch:
    """Scratch memory of one thread, for paths of up to `longest_path` nodes or as many labels."""
    return make_scratch(1, Window(0, 0, False), longest_path, stride)


@inline
def mean_rows(rows, begin, end, vectors, stride, hidden):
    """hidden[:stride] = the mean of the vectors of rows[begin:end]; all float32, flat."""
    for k in range(0, stride, LANES):
        store(hidden, k, broadcast(np.float32(0.0)))
    whole = begin + (end - begin) // 4 * 4
    for i in range(begin, whole, 4):
        a, b = np.int64(rows[i]) * stride, np.int64(rows[i + 1]) * stride
        c, d = np.int64(rows[i + 2]) * stride, np.int64(rows[i + 3]) * stride
        for k in range(0, stride, LANES):
            low = add(load(vectors, a + k), load(vectors, b + k))
            high = add(load(vectors, c + k), load(vectors, d + k))
            store(hidden, k, add(load(hidden, k), add(low, high)))
    for i in range(whole, end):
        a = np.int64(rows[i]) * stride
        for k in range(0, stride, LANES):
            store(hidden, k, add(load(hidden, k), load(vectors, a + k)))
    share = broadcast(np.float32(1.0 / (end - begin)))
    for k in range(0, stride, LANES):
        store(hidden, k, multiply(load(hidden, k), share))


@inline
def add_to_text(rows, begin, end, vectors, stride, hidden):
    """Add hidden[stride:] / n to the vectors of the n rows[begin:end], one after the other."""
    share = broadcast(np.float32(1.0 / (end - begin)))
    for k in range(stride, 2 * stride, LANES):
        store(hidden, k, multiply(load(hidden, k), share))
    for i in range(begin, end):
        a = np.int64(rows[i]) * stride
        for k in range(0, stride, LANES):
            store(vectors, a + k, add(load(vectors, a + k), load(hidden, stride + k)))


@inline
def train_steps(train_label, arguments, texts, steps, first, last, vectors, weights, stride, nodes, scratch):
    """Train steps first .. last - 1, one after the other; a copy of `nodes` is merged at the end.

    Calls train_label(label, rate, weights, stride, nodes, scratch, *arguments) for each: the mean
    is in scratch.hidden[:stride], the error goes to scratch.hidden[stride:].
    """
    for step in range(first, last):
        text = steps.order[step]
        begin, end = texts.offsets[text], texts.offsets[text + 1]
        if step + 1 < last:  # the first rows of the next text
            following = texts.offsets[steps.order[step + 1]]
            for i in range(following, min(following + AHEAD, texts.offsets[steps.order[step + 1] + 1])):
                for k in range(0, stride, LANES):
                    prefetch_to_write(vectors, np.int64(texts.rows[i]) * stride + k)
        mean_rows(texts.rows, begin, end, vectors, stride, scratch.hidden)
        rate = steps.rate * (1.0 - (steps.before + step) / steps.total)
        train_label(steps.labels[text], rate, weights, stride, nodes, scratch, *arguments)
        add_to_text(texts.rows, begin, end, vectors, stride, scratch.hidden)
        merge_due(weights, stride, nodes)
    merge(weights, stride, nodes)


@inline
def train_leaf(label, rate, weights, stride, nodes, scratch, paths):
    """Train the path of a label."""
    length = find_path(paths, label, weights, stride, nodes, scratch, 0)
    train_path(0, length, weights, stride, rate, scratch.hidden, scratch, True)


@jit
def train_tree(texts, steps, first, last, paths, vectors, weights, stride, nodes, scratch):
    """Train steps first .. last - 1 against a tree; return the sum of their losses in nats.

    vectors (rows*stride,), weights (rows*stride,) float32, flat; paths: `common.Paths` of the
    labels. nodes: `copies.Copies`, the rows of `weights` that are private to this thread.
    """
    texts, steps, paths, nodes = pointers(texts), pointers(steps), pointers(paths), pointers(nodes)
    totals, scratch = scratch.totals, pointers(scratch)
    totals[0] = 0.0
    start_loss(scratch)
    train_steps(
        train_leaf,
        (paths,),
        texts,
        steps,
        first,
        last,
        pointer(vectors),
        pointer(weights),
        stride,
        nodes,
        scratch,
    )
    collect_loss(scratch)
    return totals[0]


@inline
def train_class(label, rate, weights, stride, nodes, scratch, labels, scores, lanes, totals):
    """Train the output vectors of all labels."""
    score_path(0, labels, weights, stride, scratch.hidden, scratch)
    totals[0] += softmax_gradient(scores, label, labels, rate, lanes)
    apply_gradients(0, labels, weights, stride, scratch.hidden, scratch, True)


@jit
def train_softmax(texts, steps, first, last, labels, vectors, weights, stride, nodes, scratch):
    """As `train_tree`, against the full softmax over `labels` labels, a row of `weights` each."""
    texts, steps, nodes = pointers(texts), pointers(steps), pointers(nodes)
    totals, lanes = scratch.totals, scratch.lanes[:LANES]
    scores = scratch.scores[: (labels + LANES - 1) // LANES * LANES]
    scratch = pointers(scratch)
    totals[0] = 0.0
    for j in range(labels + LANES):  # all labels are the path, and the first pads it
        scratch.path[j] = own_row(nodes, j if j < labels else 0) * stride
    train_steps(
        train_class,
        (labels, scores, lanes, totals),
        texts,
        steps,
        first,
        last,
        pointer(vectors),
        pointer(weights),
        stride,
        nodes,
        scratch,
    )
    return totals[0]


# ---- prediction ---------------------------------------------------------------------------------


@jit
def hidden_vectors(texts, vectors, dim):
    """(n, dim) float64: the mean of the rows of each text; vectors (rows, >= dim) float32."""
    count = len(texts.offsets) - 1
    hidden = np.zeros((count, dim))
    for text in range(count):
        begin, end = texts.offsets[text], texts.offsets[text + 1]
        for i in range(begin, end):
            for k in range(dim):
                hidden[text, k] += np.float64(vectors[texts.rows[i], k])
        hidden[text] /= end - begin
    return hidden


@jit
def tree_log_probs(hidden, children, order, weights):
    """(n, m) float64: log P of each label given each of hidden (n, dim), by sweeps from the root.

    children, order: as in `probability`. weights (m - 1, dim) float32.
    """
    labels = len(children) + 1
    result = np.empty((len(hidden), labels))
    reached = np.zeros(2 * labels - 1)
    for i in range(len(hidden)):
        for node in order:
            f, above = product(hidden[i], weights, node), reached[labels + node]
            reached[children[node, 0]] = above + log_sigmoid(f)
            reached[children[node, 1]] = above + log_sigmoid(-f)
        result[i] = reached[:labels]
    return result


@jit
def best_labels(hidden, children, root, weights, k):
    """The k most probable labels given each of hidden (n, dim), by `probability.search`.

    Returns labels (n, k) int64 and log P (n, k) float64.
    """
    labels, count = len(children) + 1, len(hidden)
    keys, items = np.empty(labels), np.empty(labels, np.int64)
    best, log_probs = np.empty((count, k), np.int64), np.empty((count, k))
    for i in range(count):
        search(k, children, root, node_score, (hidden[i], weights), keys, items, best[i], log_probs[i])
    return best, log_probs

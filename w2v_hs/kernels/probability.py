"""Probabilities of words given one hidden vector, in float64.

A hidden vector h is what a model predicts from: the input vector of a context word, or the mean of
several. Node l with vector n_l passes the share sigmoid(h . n_l) of its probability to its left
child and the rest, sigmoid(-h . n_l), to its right child (Morin and Bengio 2005), so

    log P(w | h) = sum over the path of w of log sigmoid(s_l h . n_l)

The same sum over the first branches alone is the log-probability of a prefix of the path: of all
leaves below it together. Weights are float32; products and sums are float64; nothing is clipped.

`children` (V - 1, 2) int64 is the tree as `tree.Tree.children` gives it: a value c < V is word c, a
value V + j inner node j. `order` (V - 1,) int64 lists the inner nodes, parents first; `root` is the
first of them. h (dim,) float64 and weights (V - 1, dim) float32 wherever they occur.

Oracles: `naive.log_prob` for one word, `naive.tree_probabilities` for all.
"""

import math

import numpy as np

from w2v_hs.kernels.common import next_random
from w2v_hs.kernels.jit import inline, jit


@inline
def log_sigmoid(z):
    """log sigmoid(z) for any finite z, without the exp of a positive number, which overflows."""
    return min(z, 0.0) - math.log1p(math.exp(-abs(z)))


@inline
def product(h, weights, row):
    """h . weights[row], as four sums in parallel, since each addition waits for the one before."""
    a, b, c, d = 0.0, 0.0, 0.0, 0.0
    whole = len(h) // 4 * 4
    for k in range(0, whole, 4):
        a += h[k] * np.float64(weights[row, k])
        b += h[k + 1] * np.float64(weights[row, k + 1])
        c += h[k + 2] * np.float64(weights[row, k + 2])
        d += h[k + 3] * np.float64(weights[row, k + 3])
    for k in range(whole, len(h)):
        a += h[k] * np.float64(weights[row, k])
    return (a + b) + (c + d)


@jit
def path_log_probs(hidden, words, offsets, nodes, bits, weights):
    """(B,) float64: log P(words[i] | hidden[i]) in nats.

    hidden (B, dim) float64, words (B,) int64; offsets, nodes, bits as in `common.Paths`.
    """
    result = np.zeros(len(words))
    for i in range(len(words)):
        for step in range(offsets[words[i]], offsets[words[i] + 1]):
            f = product(hidden[i], weights, nodes[step])
            result[i] += log_sigmoid(f if bits[step] == 0 else -f)
    return result


@jit
def all_log_probs(h, children, order, weights):
    """(V,) float64: log P(w | h) of every word, by one sweep from the root down."""
    words = len(children) + 1
    reached = np.zeros(2 * words - 1)  # log-probability of each word and, behind them, inner node
    for node in order:
        f = product(h, weights, node)
        reached[children[node, 0]] = reached[words + node] + log_sigmoid(f)
        reached[children[node, 1]] = reached[words + node] + log_sigmoid(-f)
    return reached[:words].copy()


@inline
def comes_first(key, item, other_key, other, words):
    """Whether `item` leaves the queue before `other`.

    On a tie inner nodes come first: a word below may be as probable, and earlier in the vocabulary.
    """
    if key != other_key:
        return key > other_key
    if (item < words) != (other < words):
        return item >= words
    return item < other


@inline
def push(keys, items, size, key, item, words):
    """Add to a binary heap of `size` entries."""
    at = size
    while at > 0:
        parent = (at - 1) // 2
        if not comes_first(key, item, keys[parent], items[parent], words):
            break
        keys[at], items[at] = keys[parent], items[parent]
        at = parent
    keys[at], items[at] = key, item


@inline
def pop(keys, items, size, words):
    """Remove the first of `size` entries of a binary heap, which the caller has read."""
    last = size - 1
    key, item = keys[last], items[last]
    at = 0
    while 2 * at + 1 < last:
        child = 2 * at + 1
        if child + 1 < last and comes_first(
            keys[child + 1], items[child + 1], keys[child], items[child], words
        ):
            child += 1
        if not comes_first(keys[child], items[child], key, item, words):
            break
        keys[at], items[at] = keys[child], items[child]
        at = child
    keys[at], items[at] = key, item


@inline
def search(k, children, root, score, arguments, keys, items, best, log_probs):
    """Best-first search for the k most probable words; returns the number of inner nodes visited.

    score(node, *arguments) is the f of an inner node: its left branch has the probability
    sigmoid(f). A priority queue holds prefixes of paths. The probability of a prefix bounds those
    of all leaves below it, so nothing in the queue can beat a leaf that leaves it. keys (V,)
    float64 and items (V,) int64: memory for the queue. Written: best (k,) int64 and log_probs (k,)
    float64, the most probable first; on a tie the first in the vocabulary.
    """
    words = len(children) + 1
    keys[0], items[0] = 0.0, words + root
    size, found, visited = 1, 0, 0
    while found < k:
        key, item = keys[0], items[0]
        pop(keys, items, size, words)
        size -= 1
        if item < words:
            best[found], log_probs[found] = item, key
            found += 1
            continue
        node = item - words
        visited += 1
        f = score(node, *arguments)
        push(keys, items, size, key + log_sigmoid(f), children[node, 0], words)
        push(keys, items, size + 1, key + log_sigmoid(-f), children[node, 1], words)
        size += 2
    return visited


@inline
def node_score(node, h, weights):
    """f = h . weights[node]."""
    return product(h, weights, node)


@jit
def best_first(h, children, root, weights, k):
    """The k most probable words, by `search`: (words (k,) int64, log P (k,) float64, visited)."""
    words = len(children) + 1
    keys, items = np.empty(words), np.empty(words, np.int64)
    best, log_probs = np.empty(k, np.int64), np.empty(k)
    visited = search(k, children, root, node_score, (h, weights), keys, items, best, log_probs)
    return best, log_probs, visited


@jit
def draw_words(h, children, root, weights, count, random):
    """(count,) int64: words drawn from P(. | h), each by a walk from the root.

    random: (1,) uint64, the state of the generator.
    """
    words = len(children) + 1
    drawn = np.empty(count, np.int64)
    for i in range(count):
        item = words + root
        while item >= words:
            node = item - words
            uniform = np.float64(next_random(random) >> np.uint64(11)) * 2.0**-53
            left = math.exp(log_sigmoid(product(h, weights, node)))
            item = children[node, 0] if uniform < left else children[node, 1]
        drawn[i] = item
    return drawn

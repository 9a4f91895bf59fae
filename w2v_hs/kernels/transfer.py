"""Weights for the nodes of a new tree from those of an old one.

To first order around the mean input m, the new nodes give the probabilities that the old ones gave.
In the old tree, with s and f of a branch as in `skipgram` and f at x = m,

    log P(w | x) = log P(w | m) + (x - m) . o_w + ...
    o_w          = sum over the path of s sigmoid(-s f) n

so for a set S of words, whose P is the sum of theirs, o_S is the mean of the o_w weighted by
P(w | m). A node of the new tree that splits S into L and R needs

    x . n = log P(L | x) - log P(R | x)
          = log P(L | m) - log P(R | m) + (x - m) . (o_L - o_R) + ...

A node has no bias for the constant b, the part without x. Among the multiples of m . x, the nearest
to 1 in the mean square over all inputs is m . x E[m . x] / E[(m . x)^2]; so

    n = o_L - o_R + b m E[m . x] / (E[(m . x)^2] + r)

where r keeps n small while inputs are small (`RIDGE` in `w2v_hs.tree.learned`).

Oracle: `naive.tree_probabilities` of both trees, in tests/tree/test_learned.py.
"""

import numpy as np

from w2v_hs.kernels.jit import inline, jit


@inline
def add_multiple(factor, source, target):
    """target += factor * source, both (stride,) float32. A loop: an expression would allocate."""
    for k in range(len(target)):
        target[k] += factor * source[k]


@jit
def word_outputs(offsets, nodes, bits, weights, mean, outputs, log_probs):
    """Write outputs (V, stride) float32, o_w, and log_probs (V,) float64, log P(w | m).

    offsets, nodes, bits: the paths of the old tree, as in `common.Paths`. weights (V - 1, stride)
    float32: its nodes. mean (stride,) float32: m.
    """
    inner = len(weights)
    # Of each branch, by its bit: log P(branch | m), and s sigmoid(-s f).
    branches, factors = np.empty((inner, 2)), np.empty((inner, 2), np.float32)
    for node in range(inner):
        f = 0.0
        for k in range(len(mean)):
            f += np.float64(weights[node, k]) * np.float64(mean[k])
        for bit in range(2):
            sign = 1.0 - 2.0 * bit
            branches[node, bit] = min(sign * f, 0.0) - np.log1p(np.exp(-abs(f)))
            factors[node, bit] = sign / (1.0 + np.exp(sign * f))
    for word in range(len(offsets) - 1):
        outputs[word] = 0
        log_probs[word] = 0
        for step in range(offsets[word], offsets[word + 1]):
            node, bit = nodes[step], bits[step]
            log_probs[word] += branches[node, bit]
            add_multiple(factors[node, bit], weights[node], outputs[word])


@jit
def node_weights(children, order, outputs, log_probs, mean, constant, weights):
    """Write weights (V - 1, stride) float32 of the new tree, from what `word_outputs` wrote.

    children, order: as in `probability`. constant: E[m . x] / (E[(m . x)^2] + r).
    """
    words, inner = len(outputs), len(children)
    probs = np.zeros(inner)
    # From the leaves up: weights[j] becomes o of all words below node j.
    for place in range(inner - 1, -1, -1):
        node = order[place]
        for side in range(2):
            child = children[node, side]
            probs[node] += np.exp(log_probs[child]) if child < words else probs[child - words]
        weights[node] = 0
        for side in range(2):
            child = children[node, side]
            if child < words:
                share = np.exp(log_probs[child]) / probs[node]
                add_multiple(np.float32(share), outputs[child], weights[node])
            else:
                share = probs[child - words] / probs[node]
                add_multiple(np.float32(share), weights[child - words], weights[node])
    # From the root down: a node's own o is no longer needed when its weights replace it.
    for place in range(inner):
        node = order[place]
        left, right = children[node, 0], children[node, 1]
        weights[node] = outputs[left] if left < words else weights[left - words]
        weights[node] -= outputs[right] if right < words else weights[right - words]
        odds = log_probs[left] if left < words else np.log(probs[left - words])
        odds -= log_probs[right] if right < words else np.log(probs[right - words])
        for k in range(len(mean)):
            odds -= np.float64(weights[node, k]) * np.float64(mean[k])
        add_multiple(np.float32(odds * constant), mean, weights[node])

"""Oracles: what the package does fast, slow and obvious; float64, plain Python, word by word."""

import collections
import heapq
import itertools
import math
import statistics
import unicodedata

import numpy as np

MASK = (1 << 64) - 1


class Random:
    """SplitMix64 on Python integers."""

    def __init__(self, state):
        self.state = int(state)

    def bits(self):
        self.state = (self.state + 0x9E3779B97F4A7C15) & MASK
        z = self.state
        z = ((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9) & MASK
        z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & MASK
        return z ^ (z >> 31)


def sigmoid(z):
    return 1 / (1 + math.exp(-z)) if z >= 0 else math.exp(z) / (1 + math.exp(z))


# ---- trees --------------------------------------------------------------------------------------


def huffman_cost(counts):
    """Sum of count times code length, by a heap of weights."""
    heap = [int(count) for count in counts]
    heapq.heapify(heap)
    cost = 0
    while len(heap) > 1:
        merged = heapq.heappop(heap) + heapq.heappop(heap)
        cost += merged
        heapq.heappush(heap, merged)
    return cost


def path(tree, word):
    """(node, sign) along the path of a word: sign 1 is left, -1 right."""
    steps = range(tree.offsets[word], tree.offsets[word + 1])
    return [(int(tree.nodes[i]), 1 - 2 * int(tree.bits[i])) for i in steps]


# ---- losses and gradients -----------------------------------------------------------------------


def tree_loss(h, nodes, steps):
    """-log P(word | h) in nats; nodes (V - 1, dim), steps as `path` gives them."""
    return sum(math.log1p(math.exp(-s * float(h @ nodes[n]))) for n, s in steps)


def tree_gradient(h, nodes, steps):
    """d loss / d h, (dim,), and d loss / d nodes, (V - 1, dim)."""
    dh, dnodes = np.zeros_like(h), np.zeros_like(nodes)
    for n, s in steps:
        slope = -s * sigmoid(-s * float(h @ nodes[n]))
        dh += slope * nodes[n]
        dnodes[n] += slope * h
    return dh, dnodes


def softmax_probabilities(h, outputs):
    scores = outputs @ h
    powers = np.exp(scores - scores.max())
    return powers / powers.sum()


def softmax_loss(h, outputs, word):
    return -math.log(softmax_probabilities(h, outputs)[word])


def softmax_gradient(h, outputs, word):
    slope = softmax_probabilities(h, outputs)
    slope[word] -= 1
    return slope @ outputs, np.outer(slope, h)


# ---- probabilities ------------------------------------------------------------------------------


def log_prob(h, outputs, tree, word):
    """log P(word | h) in nats, from float64 weights; `tree` is None for the full softmax."""
    if tree is None:
        scores = outputs @ h
        return float(scores[word] - np.logaddexp.reduce(scores))
    return -float(sum(np.logaddexp(0, -s * float(h @ outputs[n])) for n, s in path(tree, word)))


def around(sentence, i, left, right):
    """The words at most `left` before word i of a sentence or `right` after it."""
    return sentence[max(0, i - left) : i] + sentence[i + 1 : i + 1 + right]


def predictions(sentence, left, right, cbow):
    """(contexts, centre) of each prediction in a sentence, at the full reach of the window."""
    for i, centre in enumerate(sentence):
        contexts = around(sentence, i, left, right)
        for group in [contexts] if cbow and contexts else [[c] for c in contexts]:
            yield group, centre


def sentence_losses(sentence, left, right, cbow, x, outputs, tree):
    """-log P of each prediction in a sentence, in nats."""
    return [
        -log_prob(np.mean([x[c] for c in contexts], axis=0), outputs, tree, centre)
        for contexts, centre in predictions(sentence, left, right, cbow)
    ]


# ---- training -----------------------------------------------------------------------------------


def reaches(window, random):
    """How far a window (left, right, shrinks) reaches to the left and right this time."""
    left, right, shrinks = window
    reach = 1 + ((random.bits() >> 32) * max(left, right) >> 32) if shrinks else max(left, right)
    return min(left, reach), min(right, reach)


def windows(sentences, keep, window, random):
    """(centre, contexts) of each kept word, with the random numbers of the kernels."""
    for sentence in sentences:
        kept = [
            word for word in sentence if np.float32(random.bits() >> 40) * np.float32(2**-24) < keep[word]
        ]
        for i, centre in enumerate(kept):
            contexts = around(kept, i, *reaches(window, random))
            if contexts:
                yield centre, contexts


def train_skipgram_tree(sentences, keep, window, tree, x, nodes, rate, random, batch=8):
    """Train x (V, dim) and nodes (V - 1, dim) in place; return (loss, predictions).

    A window is cut into equal batches of at most `batch` contexts, which see the same nodes.
    """
    loss = predictions = 0
    for centre, contexts in windows(sentences, keep, window, random):
        loss += skipgram_window(contexts, path(tree, centre), x, nodes, rate, batch)
        predictions += len(contexts)
    return loss, predictions


def skipgram_window(contexts, steps, x, nodes, rate, batch=8):
    """Train x[c] of each context c and the nodes of a path; return the loss."""
    loss, groups = 0, -(-len(contexts) // batch)
    bounds = [len(contexts) * i // groups for i in range(groups + 1)]
    for group in (contexts[a:b] for a, b in itertools.pairwise(bounds)):
        dnodes = np.zeros_like(nodes)
        errors = []
        for c in group:
            loss += tree_loss(x[c], nodes, steps)
            dh, dn = tree_gradient(x[c], nodes, steps)
            errors.append((c, dh))
            dnodes += dn
        for c, dh in errors:
            x[c] -= rate * dh
        nodes -= rate * dnodes
    return loss


def train_cbow_tree(sentences, keep, window, tree, x, nodes, rate, random):
    """As `train_skipgram_tree`, for CBOW: one prediction a window, from the mean."""
    loss = predictions = 0
    for centre, contexts in windows(sentences, keep, window, random):
        loss += cbow_window(contexts, path(tree, centre), x, nodes, rate)
        predictions += 1
    return loss, predictions


def cbow_window(contexts, steps, x, nodes, rate):
    """As `skipgram_window`, for CBOW."""
    h = np.mean([x[c] for c in contexts], axis=0)
    loss = tree_loss(h, nodes, steps)
    dh, dnodes = tree_gradient(h, nodes, steps)
    for c in contexts:
        x[c] -= rate * dh
    nodes -= rate * dnodes
    return loss


def train_softmax(sentences, keep, window, cbow, x, outputs, rate, random, batch, parts=None, shares=None):
    """As `train_skipgram_tree`, for the full softmax: all predictions of a batch see the same
    weights, and their gradients are summed. Word w has the mean of the rows parts[w] of x, and
    each of them takes its share of the gradient."""
    loss = predictions = 0
    pending = []
    if parts is None:
        parts, shares = [[word] for word in range(len(x))], [[1]] * len(x)

    def flush():
        nonlocal loss, predictions
        vectors = [np.mean([x[row] for row in rows], axis=0) for rows in parts]
        hidden = [np.mean([vectors[c] for c in contexts], axis=0) for _, contexts in pending]
        doutputs = np.zeros_like(outputs)
        errors = []
        for (word, contexts), h in zip(pending, hidden, strict=True):
            loss += softmax_loss(h, outputs, word)
            dh, do = softmax_gradient(h, outputs, word)
            doutputs += do
            errors.append((contexts, dh))
        for contexts, dh in errors:
            for c in contexts:
                for row, share in zip(parts[c], shares[c], strict=True):
                    x[row] -= share * rate * dh
        outputs[:] -= rate * doutputs
        predictions += len(pending)
        pending.clear()

    for centre, contexts in windows(sentences, keep, window, random):
        for group in [contexts] if cbow else [[c] for c in contexts]:
            pending.append((centre, group))
            if len(pending) == batch:
                flush()
    if pending:
        flush()
    return loss, predictions


# ---- subwords -----------------------------------------------------------------------------------


def ngram_buckets(word, shortest, longest, buckets):
    """The buckets of a word's n-grams, in the order of fastText."""
    text, found = f"<{word}>", []
    for start in range(len(text)):
        for end in range(start + shortest, min(len(text), start + longest) + 1):
            if end - start == 1 and (start == 0 or end == len(text)):
                continue
            state = 2166136261
            for byte in text[start:end].encode():
                # fastText extends a byte by its sign before it is mixed in.
                state = (state ^ (byte if byte < 128 else byte | 0xFFFFFF00)) * 16777619 % 2**32
            found.append(state % buckets)
    return found


def ngrams(word, shortest, longest):
    """The n-grams of a word, in the order of fastText."""
    text = f"<{word}>"
    spans = [(i, i + n) for i in range(len(text)) for n in range(shortest, longest + 1) if i + n <= len(text)]
    return [text[i:j] for i, j in spans if text[i:j] not in ("<", ">")]


def tied_ngrams(words, frequencies, shortest, longest, least):
    """For each n-gram, which n-grams or words it may be trained as: dict of str and set of str.

    A word is named with an equals sign before it. The next one is the most frequent of those that
    contain the n-gram, a word or one character longer, and have `least` of its frequency or more.
    """
    masses = {f"={word}": frequency for word, frequency in zip(words, frequencies, strict=True)}
    for word, frequency in zip(words, frequencies, strict=True):
        for ngram in ngrams(word, shortest, longest):
            masses[ngram] = masses.get(ngram, 0) + frequency

    def roots(name):
        if name.startswith("="):
            return {name}
        longer = [
            other for other in masses if name in other and other[0] != "=" and len(other) == len(name) + 1
        ]
        longer += [f"={word}" for word in words if name in f"<{word}>"]
        fit = [other for other in longer if masses[other] >= least * masses[name]]
        most = max((masses[other] for other in fit), default=0)
        found = [roots(other) for other in fit if masses[other] == most]
        return set().union(*found) if found else {name}

    return {name: roots(name) for name in masses}


def train_tree_with_parts(sentences, keep, window, tree, parts, shares, rows, nodes, rate, random, cbow):
    """As `train_skipgram_tree` or `train_cbow_tree`, where the vector of word w is the mean of the
    rows parts[w]. It is composed when w comes within reach of the window; when w is out of reach,
    its change times the share of a row goes to that row. Trains rows and nodes in place."""
    loss = predictions = 0
    for sentence in sentences:
        kept = [
            word for word in sentence if np.float32(random.bits() >> 40) * np.float32(2**-24) < keep[word]
        ]
        x, before = {}, {}

        def leave(at):
            word = kept[at]  # noqa: B023 (called in this turn of the loop)
            for row, share in zip(parts[word], shares[word], strict=True):
                rows[row] += share * (x[at] - before[at])  # noqa: B023

        for i, centre in enumerate(kept):
            if i > window[0]:
                leave(i - window[0] - 1)
            for at in range(len(x), min(len(kept), i + window[1] + 1)):
                x[at] = np.mean([rows[row] for row in parts[kept[at]]], axis=0)
                before[at] = x[at].copy()
            contexts = around([*range(len(kept))], i, *reaches(window, random))
            if not contexts:
                continue
            train = cbow_window if cbow else skipgram_window
            loss += train(contexts, path(tree, centre), x, nodes, rate)
            predictions += 1 if cbow else len(contexts)
        for at in range(max(0, len(kept) - 1 - window[0]), len(kept)):
            leave(at)
    return loss, predictions


# ---- softmax regression -------------------------------------------------------------------------


def regression(X, labels, weights, bias, l2, tree=None):
    """Mean cross entropy + l2/2 ||weights||^2 over rows X (n, d), and its gradient.

    weights (m, d) or, with a tree, (m - 1, d). Returns (cross entropy, objective, d weights,
    d bias).
    """
    full = np.column_stack([weights, bias])  # an intercept is a feature that is always 1
    entropy, gradient = 0.0, np.zeros_like(full)
    for x, label in zip(X, labels, strict=True):
        x = np.append(x, 1.0)
        if tree is None:
            entropy += softmax_loss(x, full, label)
            gradient += softmax_gradient(x, full, label)[1]
        else:
            entropy += tree_loss(x, full, path(tree, label))
            gradient += tree_gradient(x, full, path(tree, label))[1]
    entropy, gradient = entropy / len(X), gradient / len(X)
    objective = entropy + l2 / 2 * float((weights**2).sum())
    return entropy, objective, gradient[:, :-1] + l2 * weights, gradient[:, -1]


def descend(X, labels, outputs, rate, epochs, l2, has_bias, tree=None):
    """Gradient descent on all rows from zero at a rate that falls linearly to 0.

    Returns (weights, bias, cross entropy before each step).
    """
    weights, bias, losses = np.zeros((outputs, X.shape[1])), np.zeros(outputs), []
    for epoch in range(epochs):
        entropy, _, dweights, dbias = regression(X, labels, weights, bias, l2, tree)
        losses.append(entropy)
        weights = weights - rate * (1 - epoch / epochs) * dweights
        if has_bias:
            bias = bias - rate * (1 - epoch / epochs) * dbias
    return weights, bias, losses


def train_texts(texts, steps, x, outputs, tree=None):
    """Descend on texts, lists of rows of x, in place; each step is (text, label, rate).

    Returns the sum of the losses, each before its step.
    """
    loss = 0.0
    for text, label, rate in steps:
        rows = texts[text]
        h = x[rows].mean(axis=0)
        loss -= log_prob(h, outputs, tree, label)
        if tree is None:
            dh, doutputs = softmax_gradient(h, outputs, label)
        else:
            dh, doutputs = tree_gradient(h, outputs, path(tree, label))
        np.subtract.at(x, rows, rate * dh / len(rows))
        outputs -= rate * doutputs
    return loss


def text_features(tokens, known, longest, subwords, buckets):
    """What has a row in a text, in order: words, buckets of characters, n-grams of known words.

    The last word of every text is its end, "</s>", which is known.
    """
    words = [*tokens, "</s>"]
    for i, word in enumerate(words):
        if word in known:
            yield word
        if word != "</s>" and subwords is not None:
            yield from (("bucket", b) for b in ngram_buckets(word, *subwords, buckets))
        for n in range(2, longest + 1):
            gram = tuple(words[i : i + n])
            if len(gram) == n and set(gram) <= known:
                yield gram


def label_marginals(x, nodes, tree):
    """(L,): the product of sigmoid(w . x) along the path of each label, itself included.

    nodes (2L - 1, d): weights of the labels, then of the inner nodes of the tree.
    """
    labels = tree.inner + 1
    found = []
    for label in range(labels):
        above = [labels + node for node, _ in path(tree, label)]
        found.append(math.prod(sigmoid(float(nodes[node] @ x)) for node in [*above, label]))
    return np.array(found)


def grouped_probabilities(x, coef, intercept, groups):
    """P of all classes, in float64: rows of `coef` are the groups, then the classes."""

    def softmax(rows):
        e = np.exp(coef[rows] @ x + intercept[rows] - (coef[rows] @ x + intercept[rows]).max())
        return e / e.sum()

    found = np.empty(len(coef) - len(groups))
    for p, group in zip(softmax(np.arange(len(groups))), groups, strict=True):
        found[group] = p * softmax(len(groups) + group)
    return found


def tree_probabilities(x, nodes, tree):
    """(m,): the probability of each leaf, the product of the branches on its path."""
    words = range(len(tree.offsets) - 1)
    return np.array([math.exp(-tree_loss(x, nodes, path(tree, word))) for word in words])


# ---- text ---------------------------------------------------------------------------------------


def split_words(text):
    """The tokens of each line by the tokenizer "words", one character with its marks at a time."""
    return [_line_words(line) for line in text.split("\n")]


def _line_words(line):
    tokens = []
    for chunk in line.split():
        characters = []
        for c in chunk:
            if characters and unicodedata.category(c)[0] == "M":
                characters[-1] += c
            else:
                characters.append(c)
        kinds = [_kind(c) for c in characters]
        for i, c in enumerate(characters):
            before, after = "".join(kinds[i - 1 : i]), "".join(kinds[i + 1 : i + 2])
            if (kinds[i], before, after) in (("joiner", "letter", "letter"), ("point", "digit", "digit")):
                kinds[i] = before
                characters[i] = c.replace("’", "'")
        for i, c in enumerate(characters):
            if i and _belongs(kinds[i - 1], kinds[i], characters[i - 1][0] == c[0]):
                tokens[-1] += c
            else:
                tokens.append(c)
    return tokens


def _kind(character):
    category = unicodedata.category(character[0])
    if character in "'’·‧" or (category in ("Pc", "Cf") and len(character) == 1):
        return "joiner"
    if character in ".,٫٬":
        return "point"
    if category == "Nd":
        return "digit"
    return "letter" if category[0] in "LN" else "symbol"


def _belongs(before, kind, same):
    words = ("letter", "digit")
    return (before in words and kind in words) or (before not in words and kind not in words and same)


def encode(text, min_count, longest=1000):
    """(words, counts, sentences as rows of the vocabulary) of a text, by str.split and a dict."""
    lines = [line.split() for line in text.split("\n")]
    counts = {}
    for line in lines:
        for token in line:
            counts[token] = counts.get(token, 0) + 1
    words = sorted((w for w in counts if counts[w] >= min_count), key=lambda w: (-counts[w], w))
    row = {word: i for i, word in enumerate(words)}
    sentences = []
    for line in lines:
        kept = [row[token] for token in line if token in row]
        sentences += [kept[i : i + longest] for i in range(0, len(kept), longest)]
    return words, [counts[word] for word in words], sentences


def mean_contexts(sentences, keep, vectors, left, right):
    """`tree.learned.mean_contexts` if subsampling keeps a word always or never (keep 1 or 0)."""
    near = [[] for _ in vectors]
    for sentence in sentences:
        kept = [word for word in sentence if keep[word]]
        for i, word in enumerate(kept):
            near[word] += [vectors[other] for other in around(kept, i, left, right)]
    middle = np.mean([vector for one in near for vector in one] or [0 * vectors[0]], axis=0)
    return np.array([np.mean(one, axis=0) - middle if one else 0 * middle for one in near])


# ---- statistics ---------------------------------------------------------------------------------


def wilson(successes, trials, confidence):
    """Wilson's score interval by its closed form."""
    z = statistics.NormalDist().inv_cdf((1 + confidence) / 2)
    share = successes / trials
    centre = (share + z * z / (2 * trials)) / (1 + z * z / trials)
    half = z * math.sqrt(share * (1 - share) / trials + (z / (2 * trials)) ** 2)
    half /= 1 + z * z / trials
    return centre - half, centre + half


def spearman(x, y):
    """Pearson's correlation of ranks; equal values share the mean of theirs."""

    def ranks(values):
        return [
            sum(v < value for v in values) + (sum(v == value for v in values) + 1) / 2 for value in values
        ]

    return statistics.correlation(ranks(x), ranks(y))


def mcnemar(only_first, only_second):
    """Twice the probability that a fair coin shows so few heads or fewer; at most 1."""
    n, k = only_first + only_second, min(only_first, only_second)
    return min(1.0, 2 * sum(math.comb(n, i) for i in range(k + 1)) / 2**n)


# ---- phrases ------------------------------------------------------------------------------------


def join_phrases(sentences, min_count, delta, threshold, connector="_"):
    """One pass: {(a, b): (score, count)} of pairs above the threshold, and the joined sentences."""
    words = collections.Counter(word for sentence in sentences for word in sentence)
    pairs = collections.Counter(pair for s in sentences for pair in itertools.pairwise(s))
    tokens = sum(words.values())
    found = {}
    for (a, b), count in pairs.items():
        score = (count - delta) / (words[a] * words[b]) * tokens
        if count >= min_count and score > threshold:
            found[a, b] = score, count
    joined = []
    for sentence in sentences:
        line, i = [], 0
        while i < len(sentence):
            pair = tuple(sentence[i : i + 2])
            line.append(connector.join(pair) if pair in found else sentence[i])
            i += 2 if pair in found else 1
        joined.append(line)
    return found, joined


# ---- comparison of models -----------------------------------------------------------------------


def unit(vector):
    return np.asarray(vector, np.float64) / math.sqrt(sum(float(x) ** 2 for x in vector))


def procrustes(source, target, weights=None, centre=False):
    """Schönemann's rotation (1966) between the directions of rows: the SVD of their product."""
    weights = [1.0] * len(source) if weights is None else weights
    a, b = [unit(row) for row in source], [unit(row) for row in target]
    if centre:
        for rows in (a, b):
            mean = sum(w * row for w, row in zip(weights, rows, strict=True)) / sum(weights)
            rows[:] = [row - mean for row in rows]
    product = sum(w * np.outer(x, y) for w, x, y in zip(weights, a, b, strict=True))
    u, _, v = np.linalg.svd(product)
    return u @ v


def overlap(old, new, word, candidates, k):
    """The share of the k nearest of the first `candidates` rows that is the same in both."""
    sets = []
    for rows in (old, new):
        near = [(unit(rows[word]) @ unit(rows[i]), i) for i in range(candidates) if i != word]
        sets.append({i for _, i in sorted(near, reverse=True)[:k]})
    return len(sets[0] & sets[1]) / k


def distance(old, new, word):
    """1 - cosine after the rotation of `new` onto `old`."""
    return 1 - unit(new[word]) @ procrustes(new, old) @ unit(old[word])


def peers_median(values, place, size):
    """The median of `size` values around a place; beyond the ends they are mirrored."""
    mirrored = [*values, *reversed(values)]
    around = range(place - size // 2, place + size // 2 + 1)
    return statistics.median(mirrored[i % len(mirrored)] for i in around)

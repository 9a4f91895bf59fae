"""What words occur with: sums of the input vectors around the occurrences of each word.

A node of the tree sees the inputs of context words, so it can separate words whose contexts differ.
The mean context of a word summarises them (Mnih and Hinton 2009):

    m_w = sum over occurrences of w, and contexts c of each, of x_c / number of these contexts

Oracle: `naive.mean_contexts`.
"""

from typing import NamedTuple

import numpy as np

from w2v_hs.kernels.common import subsample
from w2v_hs.kernels.jit import jit
from w2v_hs.kernels.simd import (
    LANES,
    add,
    broadcast,
    load,
    pointer,
    pointers,
    prefetch,
    prefetch_to_write,
    store,
    subtract,
)

AHEAD = 4  # words whose rows are prefetched


class ContextScratch(NamedTuple):
    """Memory of one thread."""

    random: np.ndarray  # (1,) uint64, as in `common.TrainScratch`
    kept: np.ndarray  # (S,) int32, as in `common.TrainScratch`
    running: np.ndarray  # (stride,) float32: the sum of the window


def make_scratch(longest_sentence: int, stride: int) -> ContextScratch:
    """Memory of one thread."""
    return ContextScratch(
        random=np.zeros(1, np.uint64),
        kept=np.zeros(longest_sentence, np.int32),
        running=np.zeros(stride, np.float32),
    )


@jit
def add_contexts(text, first, last, window, vectors, stride, begin, end, scratch, sums, contexts):
    """Add the vectors of the words in the window of each word to the row of that word in `sums`.

    The words are those of sentences first .. last - 1, after subsampling. window: `common.Window`,
    in its full width. Only columns begin .. end - 1 are added, multiples of 16, so threads can
    share the work; subsampling depends on the number of the sentence alone, so they all see the
    same windows. vectors (V*stride,) float32, flat. Written: sums (V*stride,) float32; contexts
    (V,) int64, the number of words added.
    """
    text, scratch = pointers(text), pointers(scratch)
    vectors, sums, contexts = pointer(vectors), pointer(sums), pointer(contexts)
    kept, running = scratch.kept, scratch.running
    for sentence in range(first, last):
        # The generator's own step would give neighbouring sentences the same numbers, shifted.
        scratch.random[0] = np.uint64(sentence) * np.uint64(0xD1342543DE82EF95)
        length = subsample(text, sentence, scratch)
        for k in range(begin, end, LANES):
            total = broadcast(np.float32(0.0))
            for i in range(min(window.right, length)):
                total = add(total, load(vectors, np.int64(kept[i]) * stride + k))
            store(running, k, total)
        for i in range(length):
            word = np.int64(kept[i]) * stride
            enters, leaves = i + window.right, i - window.left - 1
            if enters + AHEAD < length:
                row = np.int64(kept[enters + AHEAD]) * stride
                for k in range(begin, end, LANES):
                    prefetch(vectors, row + k)
            if i + AHEAD < length:
                row = np.int64(kept[i + AHEAD]) * stride
                for k in range(begin, end, LANES):
                    prefetch_to_write(sums, row + k)
            for k in range(begin, end, LANES):
                total = load(running, k)
                if enters < length:
                    total = add(total, load(vectors, np.int64(kept[enters]) * stride + k))
                if leaves >= 0:
                    total = subtract(total, load(vectors, np.int64(kept[leaves]) * stride + k))
                store(running, k, total)
                around = subtract(total, load(vectors, word + k))
                store(sums, word + k, add(load(sums, word + k), around))
            contexts[kept[i]] += min(length, enters + 1) - max(0, leaves + 1) - 1

"""The loop over windows in training against a tree, and windows cut into batches.

The functions here take a function of the kernel as an argument. Numba resolves it when it compiles
the kernel and LLVM inlines it, so the call costs nothing.
"""

from w2v_hs.kernels.common import BATCH, collect_loss, draw_reach, start_loss, subsample
from w2v_hs.kernels.copies import merge, merge_due
from w2v_hs.kernels.jit import inline
from w2v_hs.kernels.paths import find_contexts, look_ahead
from w2v_hs.kernels.simd import pointer, pointers


@inline
def train_windows(
    train_window, text, first, last, window, paths, vectors, weights, stride, rate, nodes, scratch
):
    """Train on the windows of sentences first .. last - 1, one after the other.

    Calls train_window(contexts, path, length, vectors, weights, stride, rate, scratch) for each
    window: scratch.rows[:contexts] holds the offsets of its context vectors, scratch.path[path:]
    those of the `length` nodes on the path of its centre. It returns the number of predictions.

    vectors (V*stride,) and weights (rows*stride,) float32, flat. nodes: `copies.Copies`, the rows
    of `weights` that are private to this thread, merged every `nodes.interval` windows and if
    first == last. Adds to scratch.totals: loss in nats, predictions, kept tokens.
    """
    predictions, tokens = 0, 0
    path, ahead = 0, len(scratch.path) // 2
    # Only pointers from here on; see `pointer`.
    text, paths, scratch = pointers(text), pointers(paths), pointers(scratch)
    nodes, vectors, weights = pointers(nodes), pointer(vectors), pointer(weights)
    start_loss(scratch)
    for sentence in range(first, last):
        length = subsample(text, sentence, scratch)
        tokens += length
        depth, next_depth = 0, 0
        for i in range(-1, length):
            depth, path, ahead = next_depth, ahead, path
            next_depth = look_ahead(i, length, window, paths, vectors, weights, stride, nodes, scratch, ahead)
            if i < 0:
                continue
            reach = draw_reach(window, scratch.random)
            begin, end = max(0, i - reach), min(length, i + reach + 1)
            contexts = find_contexts(scratch.kept, begin, i, end, stride, scratch.rows)
            if contexts == 0:
                continue
            predictions += train_window(contexts, path, depth, vectors, weights, stride, rate, scratch)
            merge_due(weights, stride, nodes)
    if first == last:
        merge(weights, stride, nodes)
    collect_loss(scratch)
    scratch.totals[1] += predictions
    scratch.totals[2] += tokens


@inline
def in_batches(function, contexts, arguments):
    """Cut a window into equal batches of up to `BATCH` contexts, and call `function` for each.

    The call is function(like_contexts, like_nodes, first, *arguments), with the first context of
    the batch. The lengths of the two tuples say how many contexts are multiplied with how many
    nodes at once. They are part of the types, so `function` is compiled for each size with unrolled
    loops. The sums of products fill the 16 lanes of a vector: the fewer contexts, the more nodes.
    """
    batches = (contexts + BATCH - 1) // BATCH
    first = 0
    for batch in range(batches):
        count = (contexts - first) // (batches - batch)
        if count == 1:
            function((0,), (0,) * 8, first, *arguments)
        elif count == 2:
            function((0,) * 2, (0,) * 8, first, *arguments)
        elif count == 3:
            function((0,) * 3, (0,) * 5, first, *arguments)
        elif count == 4:
            function((0,) * 4, (0,) * 4, first, *arguments)
        elif count == 5:
            function((0,) * 5, (0,) * 3, first, *arguments)
        elif count == 6:
            function((0,) * 6, (0,) * 2, first, *arguments)
        elif count == 7:
            function((0,) * 7, (0,) * 2, first, *arguments)
        else:
            function((0,) * 8, (0,) * 2, first, *arguments)
        first += count

"""The loop over windows in training against a tree, and windows cut into batches.

The functions here take a function of the kernel as an argument. Numba resolves it when it compiles
the kernel and LLVM inlines it, so the call costs nothing.
"""

from w2v_hs.kernels.common import BATCH, collect_loss, draw_window, start_loss, subsample
from w2v_hs.kernels.copies import merge, merge_due
from w2v_hs.kernels.jit import inline
from w2v_hs.kernels.paths import find_contexts, look_ahead
from w2v_hs.kernels.simd import pointer, pointers
from w2v_hs.kernels.subwords import enter, leave, prefetch_parts, prefetch_rows


@inline
def train_windows(
    train_window, text, first, last, window, paths, vectors, ring, weights, stride, rate, nodes, scratch
):
    """Train on the windows of sentences first .. last - 1, one after the other.

    Calls train_window(contexts, path, length, vectors, weights, stride, rate, scratch) for each
    window: scratch.rows[:contexts] holds the offsets of its context vectors, scratch.path[path:]
    those of the `length` nodes on the path of its centre. It returns the number of predictions.

    window: `common.Window`. vectors (rows*stride,) and weights (rows*stride,) float32, flat. ring:
    `subwords.Ring`; if it is in use, the windows train its slots, and `vectors` has the rows that
    compose them. nodes: `copies.Copies`, the rows of `weights` that are private to this thread,
    merged every `nodes.interval` windows and if first == last. Adds to scratch.totals: loss in
    nats, predictions, kept tokens.
    """
    predictions, tokens = 0, 0
    path, ahead = 0, len(scratch.path) // 2
    # Only pointers from here on; see `pointer`.
    text, paths, scratch = pointers(text), pointers(paths), pointers(scratch)
    nodes, vectors, weights, ring = pointers(nodes), pointer(vectors), pointer(weights), pointers(ring)
    inputs = ring.values if ring.mask > 0 else vectors
    start_loss(scratch)
    for sentence in range(first, last):
        length = subsample(text, sentence, scratch)
        tokens += length
        depth, next_depth, entered = 0, 0, 0
        for i in range(-1, length):
            depth, path, ahead = next_depth, ahead, path
            next_depth = look_ahead(i, length, window, paths, vectors, weights, stride, nodes, scratch, ahead)
            if ring.mask > 0:
                entered = move_ring(ring, i, length, window, entered, vectors, stride, scratch)
            if i < 0:
                continue
            begin, end = draw_window(i, length, window, scratch.random)
            contexts = find_contexts(scratch.kept, begin, i, end, ring.mask, stride, scratch.rows)
            if contexts == 0:
                continue
            predictions += train_window(contexts, path, depth, inputs, weights, stride, rate, scratch)
            merge_due(weights, stride, nodes)
        if ring.mask > 0:
            for at in range(max(0, length - 1 - window.left), length):
                leave(ring, at, scratch.kept[at], vectors, stride)
    if first == last:
        merge(weights, stride, nodes)
    collect_loss(scratch)
    scratch.totals[1] += predictions
    scratch.totals[2] += tokens


@inline
def move_ring(ring, i, length, window, entered, vectors, stride, scratch):
    """Before window i of scratch.kept[:length]: one word leaves the ring, others enter.

    Returns how many have entered so far. The next is prefetched.
    """
    kept = scratch.kept
    if i > window.left:
        leave(ring, i - window.left - 1, kept[i - window.left - 1], vectors, stride)
    if i + window.right + 2 < length:
        prefetch_parts(ring, kept[i + window.right + 2])
    end = min(length, i + window.right + 1)
    while entered < end:
        enter(ring, entered, kept[entered], vectors, stride)
        entered += 1
    if end < length:
        prefetch_rows(ring, kept[end], vectors, stride)
    return entered


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

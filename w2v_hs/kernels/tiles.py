"""Register tiles: tuples of vectors, which hold a block of a matrix product in registers.

The length of a tuple is part of its type, so loops over it are unrolled and all of its vectors stay
in registers. Where only the length of an argument counts, it is called `like`. Offsets are those of
`simd`.
"""

from llvmlite import ir
from numba import types
from numba.extending import intrinsic

from w2v_hs.kernels import llvm
from w2v_hs.kernels.llvm import LANES, float32x16


@intrinsic
def zeros_like_each(typing, like):
    """A tuple of len(like) zero vectors; the tuple `like` may hold anything."""
    count = len(like)

    def generate(context, builder, signature, arguments):
        return llvm.pack(context, builder, [llvm.constant(0.0)] * count)

    return types.UniTuple(float32x16, count)(like), generate


@intrinsic
def zeros_for_products(typing, a, b):
    """A tuple of len(a) * len(b) zero vectors."""
    count = len(a) * len(b)

    def generate(context, builder, signature, arguments):
        return llvm.pack(context, builder, [llvm.constant(0.0)] * count)

    return types.UniTuple(float32x16, count)(a, b), generate


@intrinsic
def repeat_each(typing, like, array, offset):
    """One vector: array[offset] len(like) times, then array[offset + 1] as often, and so on."""
    count = len(like)

    def generate(context, builder, signature, arguments):
        _, array, offset = arguments
        lanes = [i // count for i in range(LANES)]
        vector = llvm.load(context, builder, signature.args[1], array, offset)
        return llvm.shuffle(builder, vector, vector, lanes)

    return float32x16(like, array, types.intp), generate


@intrinsic
def load_each(typing, like, array, offsets, first, shift):
    """array[offsets[first + i] + shift :][:16] for each i below len(like)."""
    count = len(like)

    def generate(context, builder, signature, arguments):
        _, array, offsets, first, shift = arguments
        _, array_type, offsets_type, _, _ = signature.args
        vectors = []
        for i in range(count):
            place = builder.add(first, context.get_constant(types.intp, i))
            pointer = llvm.address(context, builder, offsets_type, offsets, place, ir.IntType(64))
            start = builder.add(builder.load(pointer), shift)
            vectors.append(llvm.load(context, builder, array_type, array, start))
        return llvm.pack(context, builder, vectors)

    return types.UniTuple(float32x16, count)(like, array, offsets, types.intp, types.intp), generate


@intrinsic
def add_to_rows(typing, vectors, array, offsets, first, shift):
    """array[offsets[first + i] + shift :][:16] += vectors[i], in the order of i.

    A row that occurs twice among the offsets gets both additions.
    """

    def generate(context, builder, signature, arguments):
        vectors, array, offsets, first, shift = arguments
        _, array_type, offsets_type, _, _ = signature.args
        for i, vector in enumerate(llvm.unpack(builder, vectors)):
            place = builder.add(first, context.get_constant(types.intp, i))
            pointer = llvm.address(context, builder, offsets_type, offsets, place, ir.IntType(64))
            start = builder.add(builder.load(pointer), shift)
            row = llvm.load(context, builder, array_type, array, start)
            llvm.store(context, builder, array_type, array, start, builder.fadd(row, vector))
        return context.get_dummy_value()

    return types.void(vectors, array, offsets, types.intp, types.intp), generate


@intrinsic
def broadcast_each(typing, like, array, offset):
    """The scalars array[offset + i], each in all lanes of a vector of its own."""
    count = len(like)

    def generate(context, builder, signature, arguments):
        _, array, offset = arguments
        vectors = []
        for i in range(count):
            place = builder.add(offset, context.get_constant(types.intp, i))
            pointer = llvm.address(context, builder, signature.args[1], array, place)
            vectors.append(llvm.broadcast(builder, builder.load(pointer)))
        return llvm.pack(context, builder, vectors)

    return types.UniTuple(float32x16, count)(like, array, types.intp), generate


@intrinsic
def multiply_add_each(typing, a, b, c):
    """a[i] * b + c[i] for each i: `b` is one vector."""
    assert llvm.is_vector_tuple(a) and llvm.is_vector_tuple(c)

    def generate(context, builder, signature, arguments):
        a, b, c = arguments
        pairs = zip(llvm.unpack(builder, a), llvm.unpack(builder, c), strict=True)
        return llvm.pack(context, builder, [llvm.multiply_add(builder, x, b, z) for x, z in pairs])

    return a(a, float32x16, c), generate


@intrinsic
def add_products(typing, a, b, c):
    """c + a[0] * b[0] + a[1] * b[1] + ... : `c` and the result are one vector."""
    assert llvm.is_vector_tuple(a) and llvm.is_vector_tuple(b)

    def generate(context, builder, signature, arguments):
        a, b, total = arguments
        for x, y in zip(llvm.unpack(builder, a), llvm.unpack(builder, b), strict=True):
            total = llvm.multiply_add(builder, x, y, total)
        return total

    return float32x16(a, b, float32x16), generate


@intrinsic
def outer_multiply_add(typing, a, b, c):
    """c[i * len(b) + j] + a[i] * b[j] for each i and j: a block of a matrix product."""
    assert len(c) == len(a) * len(b)

    def generate(context, builder, signature, arguments):
        a, b, c = (llvm.unpack(builder, argument) for argument in arguments)
        products = [(x, y) for x in a for y in b]
        sums = [llvm.multiply_add(builder, x, y, z) for (x, y), z in zip(products, c, strict=True)]
        return llvm.pack(context, builder, sums)

    return c(a, b, c), generate


@intrinsic
def fold(typing, vectors):
    """The horizontal sums of up to 16 vectors, as one vector: lane i is the sum of vectors[i].

    Lanes without a vector are 0. A tree of shuffles: each step adds the halves of two vectors
    side by side.
    """
    count = len(vectors)
    assert count <= LANES

    def generate(context, builder, signature, arguments):
        vectors = llvm.unpack(builder, arguments[0]) + [None] * (LANES - count)
        width = LANES
        while len(vectors) > 1:
            half = len(vectors) // 2
            vectors = [_add_halves(builder, vectors[i], vectors[i + half], width) for i in range(half)]
            width //= 2
        return vectors[0]

    return float32x16(vectors), generate


def _add_halves(builder, a, b, width):
    """In each group of `width` lanes: the sums of the halves of a, then those of b.

    None stands for a vector of zeros. `width` falls from 16 to 2.
    """
    if a is None and b is None:
        return None
    zero = llvm.constant(0.0)
    a, b = (zero if v is None else v for v in (a, b))
    half = width // 2
    first, second = [], []
    for group in range(0, LANES, width):
        first += [group + i for i in range(half)] + [LANES + group + i for i in range(half)]
        second += [group + half + i for i in range(half)]
        second += [LANES + group + half + i for i in range(half)]
    return builder.fadd(llvm.shuffle(builder, a, b, first), llvm.shuffle(builder, a, b, second))

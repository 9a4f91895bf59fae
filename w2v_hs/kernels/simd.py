"""Vector values for kernels: 16 float32 numbers that LLVM keeps in registers.

LLVM's own vectoriser does not find the register blocking that the kernels need, so they say it:
a `float32x16` is one LLVM ``<16 x float>``, and each function below becomes a handful of LLVM
instructions that it lowers to whatever the processor has (one AVX-512 register, two of AVX2,
four of SSE or Neon). Nothing here names a processor.

Functions whose name ends in ``_each`` work on a tuple of vectors. The length of the tuple is part
of its type, so that the loop over it is unrolled and all of its vectors stay in registers.

Offsets count float32 numbers from the start of a flat, contiguous float32 array; nothing is
checked against the array's bounds.
"""

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic, models, register_model

LANES = 16
_FLOAT = ir.FloatType()
_INT = ir.IntType(32)
_VECTOR = ir.VectorType(_FLOAT, LANES)
_INTS = ir.VectorType(_INT, LANES)


class Float32x16(types.Type):
    """The Numba type of a vector of 16 float32 numbers."""

    def __init__(self):
        super().__init__(name="float32x16")


float32x16 = Float32x16()


@register_model(Float32x16)
class _Float32x16Model(models.PrimitiveModel):
    def __init__(self, manager, numba_type):
        super().__init__(manager, numba_type, _VECTOR)


# ---- helpers that write LLVM instructions -------------------------------------------------------


def _start(context, builder, array_type, array):
    """Where the numbers of an array, or behind a pointer, begin."""
    if isinstance(array_type, types.CPointer):
        return array
    return cgutils.create_struct_proxy(array_type)(context, builder, value=array).data


def _pointer(context, builder, array_type, array, offset, element=_FLOAT):
    start = _start(context, builder, array_type, array)
    return builder.bitcast(builder.gep(start, [offset]), element.as_pointer())


def _load(context, builder, array_type, array, offset):
    pointer = _pointer(context, builder, array_type, array, offset, _VECTOR)
    vector = builder.load(pointer)
    vector.align = 4
    return vector


def _store(context, builder, array_type, array, offset, vector):
    pointer = _pointer(context, builder, array_type, array, offset, _VECTOR)
    builder.store(vector, pointer).align = 4


def _call(builder, name, vector_type, arguments):
    """Call LLVM's `name`, such as ``llvm.fmuladd``, on vectors."""
    suffix = "v16f32" if vector_type is _VECTOR else "v16i32"
    signature = ir.FunctionType(vector_type, [vector_type] * len(arguments))
    function = cgutils.get_or_insert_function(builder.module, signature, f"{name}.{suffix}")
    return builder.call(function, arguments)


def _multiply_add(builder, a, b, c):
    # fmuladd, not fma: without a fused instruction, fma is a library call for every lane.
    return _call(builder, "llvm.fmuladd", _VECTOR, [a, b, c])


def _shuffle(builder, a, b, lanes):
    return builder.shuffle_vector(a, b, ir.Constant(ir.VectorType(_INT, len(lanes)), lanes))


def _broadcast(builder, scalar):
    first = builder.insert_element(ir.Constant(_VECTOR, ir.Undefined), scalar, _INT(0))
    return _shuffle(builder, first, ir.Constant(_VECTOR, ir.Undefined), [0] * LANES)


def _constant(value):
    return ir.Constant(_VECTOR, [ir.Constant(_FLOAT, value)] * LANES)


def _int_constant(value):
    return ir.Constant(_INTS, [ir.Constant(_INT, value)] * LANES)


def _unpack(builder, vectors):
    return [builder.extract_value(vectors, i) for i in range(len(vectors.type))]


def _pack(context, builder, vectors):
    return context.make_tuple(builder, types.UniTuple(float32x16, len(vectors)), vectors)


def _is_vector_tuple(t):
    return isinstance(t, types.UniTuple) and t.dtype is float32x16


# ---- pointers -----------------------------------------------------------------------------------


@intrinsic
def pointer(typing, array):
    """A pointer to the numbers of a contiguous array, indexed as the array is, from 0 on.

    It has no length, no negative indices, and does not count as a reference: counting is an atomic
    write to memory that all threads share. The caller keeps the array.
    """

    def generate(context, builder, signature, arguments):
        return _start(context, builder, signature.args[0], arguments[0])

    return types.CPointer(array.dtype)(array), generate


@intrinsic
def pointers(typing, arrays):
    """A named tuple with a pointer for each array in it; its numbers stay."""
    fields = [types.CPointer(t.dtype) if isinstance(t, types.Array) else t for t in arrays.types]
    result = types.BaseTuple.from_types(fields, arrays.instance_class)

    def generate(context, builder, signature, arguments):
        given = _unpack(builder, arguments[0])
        starts = [
            _start(context, builder, t, value) if isinstance(t, types.Array) else value
            for t, value in zip(arrays.types, given, strict=True)
        ]
        return context.make_tuple(builder, result, starts)

    return result(arrays), generate


# ---- one vector ---------------------------------------------------------------------------------


@intrinsic
def load(typing, array, offset):
    """array[offset : offset + 16]"""

    def generate(context, builder, signature, arguments):
        return _load(context, builder, signature.args[0], *arguments)

    return float32x16(array, types.intp), generate


@intrinsic
def store(typing, array, offset, vector):
    """array[offset : offset + 16] = vector"""

    def generate(context, builder, signature, arguments):
        _store(context, builder, signature.args[0], *arguments)
        return context.get_dummy_value()

    return types.void(array, types.intp, float32x16), generate


@intrinsic
def broadcast(typing, scalar):
    """The float32 `scalar` in all 16 lanes."""

    def generate(context, builder, signature, arguments):
        return _broadcast(builder, arguments[0])

    return float32x16(types.float32), generate


@intrinsic
def multiply(typing, a, b):
    """a * b, lane by lane."""

    def generate(context, builder, signature, arguments):
        return builder.fmul(*arguments)

    return float32x16(float32x16, float32x16), generate


@intrinsic
def add(typing, a, b):
    """a + b, lane by lane."""

    def generate(context, builder, signature, arguments):
        return builder.fadd(*arguments)

    return float32x16(float32x16, float32x16), generate


@intrinsic
def subtract(typing, a, b):
    """a - b, lane by lane."""

    def generate(context, builder, signature, arguments):
        return builder.fsub(*arguments)

    return float32x16(float32x16, float32x16), generate


@intrinsic
def maximum(typing, a, b):
    """The larger of a and b, lane by lane; a NaN in `b` is passed on."""

    def generate(context, builder, signature, arguments):
        a, b = arguments
        return builder.select(builder.fcmp_ordered(">", a, b), a, b)

    return float32x16(float32x16, float32x16), generate


@intrinsic
def multiply_add(typing, a, b, c):
    """a * b + c, lane by lane."""

    def generate(context, builder, signature, arguments):
        return _multiply_add(builder, *arguments)

    return float32x16(float32x16, float32x16, float32x16), generate


@intrinsic
def negative_part(typing, a):
    """max(-a, 0), lane by lane."""

    def generate(context, builder, signature, arguments):
        negated = builder.fneg(arguments[0])
        zero = _constant(0.0)
        return builder.select(builder.fcmp_ordered(">", negated, zero), negated, zero)

    return float32x16(float32x16), generate


@intrinsic
def exp_minus_abs(typing, a):
    """exp(-|a|), lane by lane, to about 1 ulp of float32.

    Range reduction exp(-|a|) = 2^n exp(r) with |r| <= ln(2)/2, and the Taylor polynomial of degree
    7 in Horner form. Below exp(-87), the smallest normal float32, the result stays at that value,
    which no sum with a number near 1 can tell from the true one. A NaN stays a NaN.
    """

    def generate(context, builder, signature, arguments):
        x = builder.fneg(_call(builder, "llvm.fabs", _VECTOR, [arguments[0]]))
        low = _constant(-87.0)
        x = builder.select(builder.fcmp_ordered("<", x, low), low, x)
        # Adding 1.5 * 2^23 rounds to an integer that stands in the low bits of the sum.
        magic = _constant(12582912.0)
        shifted = _multiply_add(builder, x, _constant(1.4426950408889634), magic)
        n = builder.fsub(shifted, magic)
        # ln 2 in two parts, so that n * ln 2 loses nothing (Cody and Waite 1980).
        r = _multiply_add(builder, n, _constant(-0.693359375), x)
        r = _multiply_add(builder, n, _constant(2.12194440e-4), r)
        polynomial = _constant(1.0 / 5040.0)
        for coefficient in (1 / 720, 1 / 120, 1 / 24, 1 / 6, 0.5, 1.0, 1.0):
            polynomial = _multiply_add(builder, polynomial, r, _constant(coefficient))
        exponent = builder.shl(builder.bitcast(shifted, _INTS), _int_constant(23))
        scaled = builder.add(builder.bitcast(polynomial, _INTS), exponent)
        return builder.bitcast(scaled, _VECTOR)

    return float32x16(float32x16), generate


@intrinsic
def complement(typing, z, e):
    """sigmoid(-z), lane by lane, where e = exp(-|z|): e / (1 + e) if z >= 0, else 1 / (1 + e)."""

    def generate(context, builder, signature, arguments):
        z, e = arguments
        one = _constant(1.0)
        top = builder.select(builder.fcmp_ordered(">=", z, _constant(0.0)), e, one)
        return builder.fdiv(top, builder.fadd(one, e))

    return float32x16(float32x16, float32x16), generate


@intrinsic
def prefetch(typing, array, offset):
    """Ask for the cache line of an array that holds `offset`; a hint, never a fault."""

    def generate(context, builder, signature, arguments):
        _prefetch(context, builder, signature, arguments, to_write=0)
        return context.get_dummy_value()

    return types.void(array, types.intp), generate


@intrinsic
def prefetch_to_write(typing, array, offset):
    """As `prefetch`, taking the line from the caches of other cores at once."""

    def generate(context, builder, signature, arguments):
        _prefetch(context, builder, signature, arguments, to_write=1)
        return context.get_dummy_value()

    return types.void(array, types.intp), generate


def _prefetch(context, builder, signature, arguments, to_write):
    pointer = _pointer(context, builder, signature.args[0], *arguments, ir.IntType(8))
    signature = ir.FunctionType(ir.VoidType(), [pointer.type, _INT, _INT, _INT])
    function = cgutils.get_or_insert_function(builder.module, signature, "llvm.prefetch.p0")
    # Keep in all caches (3); data, not instructions (1).
    builder.call(function, [pointer, _INT(to_write), _INT(3), _INT(1)])


@intrinsic
def load_word(typing, array, offset):
    """Eight bytes of a uint8 array from `offset` on, as one uint64 in the machine's order."""

    def generate(context, builder, signature, arguments):
        pointer = _pointer(context, builder, signature.args[0], *arguments, ir.IntType(64))
        word = builder.load(pointer)
        word.align = 1
        return word

    return types.uint64(array, types.intp), generate


# ---- tuples of vectors --------------------------------------------------------------------------


@intrinsic
def zeros_like_each(typing, like):
    """A tuple of zero vectors, as many as the tuple `like` (of anything) has elements."""
    count = len(like)

    def generate(context, builder, signature, arguments):
        return _pack(context, builder, [_constant(0.0)] * count)

    return types.UniTuple(float32x16, count)(like), generate


@intrinsic
def zeros_for_products(typing, a, b):
    """A tuple of len(a) * len(b) zero vectors."""
    count = len(a) * len(b)

    def generate(context, builder, signature, arguments):
        return _pack(context, builder, [_constant(0.0)] * count)

    return types.UniTuple(float32x16, count)(a, b), generate


@intrinsic
def repeat_each(typing, like, array, offset):
    """One vector that holds array[offset] len(like) times, then array[offset + 1], and so on."""
    count = len(like)

    def generate(context, builder, signature, arguments):
        _, array, offset = arguments
        lanes = [i // count for i in range(LANES)]
        vector = _load(context, builder, signature.args[1], array, offset)
        return _shuffle(builder, vector, vector, lanes)

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
            pointer = _pointer(context, builder, offsets_type, offsets, place, ir.IntType(64))
            start = builder.add(builder.load(pointer), shift)
            vectors.append(_load(context, builder, array_type, array, start))
        return _pack(context, builder, vectors)

    return types.UniTuple(float32x16, count)(like, array, offsets, types.intp, types.intp), generate


@intrinsic
def add_to_rows(typing, vectors, array, offsets, first, shift):
    """array[offsets[first + i] + shift :][:16] += vectors[i], one i after the other.

    A row that occurs twice among the offsets gets both additions.
    """

    def generate(context, builder, signature, arguments):
        vectors, array, offsets, first, shift = arguments
        _, array_type, offsets_type, _, _ = signature.args
        for i, vector in enumerate(_unpack(builder, vectors)):
            place = builder.add(first, context.get_constant(types.intp, i))
            pointer = _pointer(context, builder, offsets_type, offsets, place, ir.IntType(64))
            start = builder.add(builder.load(pointer), shift)
            row = _load(context, builder, array_type, array, start)
            _store(context, builder, array_type, array, start, builder.fadd(row, vector))
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
            pointer = _pointer(context, builder, signature.args[1], array, place)
            vectors.append(_broadcast(builder, builder.load(pointer)))
        return _pack(context, builder, vectors)

    return types.UniTuple(float32x16, count)(like, array, types.intp), generate


@intrinsic
def multiply_add_each(typing, a, b, c):
    """a[i] * b + c[i] for each i: `b` is one vector."""
    assert _is_vector_tuple(a) and _is_vector_tuple(c)

    def generate(context, builder, signature, arguments):
        a, b, c = arguments
        pairs = zip(_unpack(builder, a), _unpack(builder, c), strict=True)
        return _pack(context, builder, [_multiply_add(builder, x, b, z) for x, z in pairs])

    return a(a, float32x16, c), generate


@intrinsic
def add_products(typing, a, b, c):
    """c + a[0] * b[0] + a[1] * b[1] + ... : `c` and the result are one vector."""
    assert _is_vector_tuple(a) and _is_vector_tuple(b)

    def generate(context, builder, signature, arguments):
        a, b, total = arguments
        for x, y in zip(_unpack(builder, a), _unpack(builder, b), strict=True):
            total = _multiply_add(builder, x, y, total)
        return total

    return float32x16(a, b, float32x16), generate


@intrinsic
def outer_multiply_add(typing, a, b, c):
    """c[i * len(b) + j] + a[i] * b[j] for each i and j: a block of a matrix product."""
    assert len(c) == len(a) * len(b)

    def generate(context, builder, signature, arguments):
        a, b, c = (_unpack(builder, argument) for argument in arguments)
        products = [(x, y) for x in a for y in b]
        sums = [_multiply_add(builder, x, y, z) for (x, y), z in zip(products, c, strict=True)]
        return _pack(context, builder, sums)

    return c(a, b, c), generate


@intrinsic
def fold(typing, vectors):
    """The sums of all lanes of up to 16 vectors, as one vector: lane i holds that of vectors[i].

    Lanes without a vector hold 0. A tree of shuffles: each step adds the halves of two vectors
    side by side.
    """
    count = len(vectors)
    assert count <= LANES

    def generate(context, builder, signature, arguments):
        vectors = _unpack(builder, arguments[0]) + [None] * (LANES - count)
        width = LANES
        while len(vectors) > 1:
            half = len(vectors) // 2
            vectors = [
                _add_halves(builder, vectors[i], vectors[i + half], width) for i in range(half)
            ]
            width //= 2
        return vectors[0]

    return float32x16(vectors), generate


def _add_halves(builder, a, b, width):
    """In each group of `width` lanes: the sums of the halves of a, then those of b.

    None stands for a vector of zeros. `width` falls from 16 to 2.
    """
    if a is None and b is None:
        return None
    zero = _constant(0.0)
    a, b = (zero if v is None else v for v in (a, b))
    half = width // 2
    first, second = [], []
    for group in range(0, LANES, width):
        first += [group + i for i in range(half)] + [LANES + group + i for i in range(half)]
        second += [group + half + i for i in range(half)]
        second += [LANES + group + half + i for i in range(half)]
    return builder.fadd(_shuffle(builder, a, b, first), _shuffle(builder, a, b, second))

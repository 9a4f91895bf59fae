"""Vectors of 16 float32 numbers that LLVM keeps in registers.

LLVM's own vectoriser does not find the register blocking that the kernels need, so they state it: a
`float32x16` is one LLVM ``<16 x float>``, and each function here becomes a few LLVM instructions
that are lowered to what the processor has (one AVX-512 register, two of AVX2, four of SSE or Neon).
Nothing here names a processor. Offsets count float32 numbers from the start of a flat, contiguous
float32 array; nothing is checked against its bounds.
"""

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

from w2v_hs.kernels import llvm
from w2v_hs.kernels.llvm import LANES as LANES
from w2v_hs.kernels.llvm import float32x16

# ---- pointers -----------------------------------------------------------------------------------


@intrinsic
def pointer(typing, array):
    """A pointer to the numbers of a contiguous array, indexed from 0 as the array is.

    It has no length and no negative indices. It is not counted as a reference, since counting is an
    atomic write to memory that all threads share; the caller must keep the array alive.
    """

    def generate(context, builder, signature, arguments):
        return llvm.data(context, builder, signature.args[0], arguments[0])

    return types.CPointer(array.dtype)(array), generate


@intrinsic
def pointers(typing, arrays):
    """A named tuple with its arrays replaced by pointers; its numbers stay."""
    fields = [types.CPointer(t.dtype) if isinstance(t, types.Array) else t for t in arrays.types]
    result = types.BaseTuple.from_types(fields, arrays.instance_class)

    def generate(context, builder, signature, arguments):
        given = llvm.unpack(builder, arguments[0])
        starts = [
            llvm.data(context, builder, t, value) if isinstance(t, types.Array) else value
            for t, value in zip(arrays.types, given, strict=True)
        ]
        return context.make_tuple(builder, result, starts)

    return result(arrays), generate


# ---- one vector ---------------------------------------------------------------------------------


@intrinsic
def load(typing, array, offset):
    """array[offset : offset + 16]"""

    def generate(context, builder, signature, arguments):
        return llvm.load(context, builder, signature.args[0], *arguments)

    return float32x16(array, types.intp), generate


@intrinsic
def store(typing, array, offset, vector):
    """array[offset : offset + 16] = vector"""

    def generate(context, builder, signature, arguments):
        llvm.store(context, builder, signature.args[0], *arguments)
        return context.get_dummy_value()

    return types.void(array, types.intp, float32x16), generate


@intrinsic
def broadcast(typing, scalar):
    """The float32 `scalar` in all 16 lanes."""

    def generate(context, builder, signature, arguments):
        return llvm.broadcast(builder, arguments[0])

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
def divide(typing, a, b):
    """a / b, lane by lane."""

    def generate(context, builder, signature, arguments):
        return builder.fdiv(*arguments)

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
        return llvm.multiply_add(builder, *arguments)

    return float32x16(float32x16, float32x16, float32x16), generate


@intrinsic
def negative_part(typing, a):
    """max(-a, 0), lane by lane."""

    def generate(context, builder, signature, arguments):
        negated = builder.fneg(arguments[0])
        zero = llvm.constant(0.0)
        return builder.select(builder.fcmp_ordered(">", negated, zero), negated, zero)

    return float32x16(float32x16), generate


@intrinsic
def exp_minus_abs(typing, a):
    """exp(-|a|), lane by lane, to about 1 ulp of float32.

    Range reduction exp(-|a|) = 2^n exp(r) with |r| <= ln(2)/2, and the Taylor polynomial of degree
    7 in Horner form. The result is at least exp(-87), about the smallest normal float32; added to
    a number near 1, that is as good as the true value. A NaN stays a NaN.
    """

    def generate(context, builder, signature, arguments):
        x = builder.fneg(llvm.call(builder, "llvm.fabs", [arguments[0]]))
        low = llvm.constant(-87.0)
        x = builder.select(builder.fcmp_ordered("<", x, low), low, x)
        # Adding 1.5 * 2^23 rounds to an integer, which is then in the low bits of the sum.
        magic = llvm.constant(12582912.0)
        shifted = llvm.multiply_add(builder, x, llvm.constant(1.4426950408889634), magic)
        n = builder.fsub(shifted, magic)
        # ln 2 in two parts, so that n * ln 2 loses nothing (Cody and Waite 1980).
        r = llvm.multiply_add(builder, n, llvm.constant(-0.693359375), x)
        r = llvm.multiply_add(builder, n, llvm.constant(2.12194440e-4), r)
        polynomial = llvm.constant(1.0 / 5040.0)
        for coefficient in (1 / 720, 1 / 120, 1 / 24, 1 / 6, 0.5, 1.0, 1.0):
            polynomial = llvm.multiply_add(builder, polynomial, r, llvm.constant(coefficient))
        exponent = builder.shl(builder.bitcast(shifted, llvm.INTS), llvm.int_constant(23))
        scaled = builder.add(builder.bitcast(polynomial, llvm.INTS), exponent)
        return builder.bitcast(scaled, llvm.VECTOR)

    return float32x16(float32x16), generate


@intrinsic
def complement(typing, z, e):
    """sigmoid(-z), lane by lane, where e = exp(-|z|): e / (1 + e) if z >= 0, else 1 / (1 + e)."""

    def generate(context, builder, signature, arguments):
        z, e = arguments
        one = llvm.constant(1.0)
        top = builder.select(builder.fcmp_ordered(">=", z, llvm.constant(0.0)), e, one)
        return builder.fdiv(top, builder.fadd(one, e))

    return float32x16(float32x16, float32x16), generate


@intrinsic
def prefetch(typing, array, offset):
    """Prefetch the cache line that holds array[offset]: a hint, which never faults."""

    def generate(context, builder, signature, arguments):
        _prefetch(context, builder, signature, arguments, to_write=0)
        return context.get_dummy_value()

    return types.void(array, types.intp), generate


@intrinsic
def prefetch_outer(typing, array, offset):
    """As `prefetch`, but not into the innermost cache, which takes fewer lines at once."""

    def generate(context, builder, signature, arguments):
        _prefetch(context, builder, signature, arguments, to_write=0, locality=2)
        return context.get_dummy_value()

    return types.void(array, types.intp), generate


@intrinsic
def prefetch_to_write(typing, array, offset):
    """As `prefetch`, for a write: also takes the line from the caches of other cores."""

    def generate(context, builder, signature, arguments):
        _prefetch(context, builder, signature, arguments, to_write=1)
        return context.get_dummy_value()

    return types.void(array, types.intp), generate


def _prefetch(context, builder, signature, arguments, to_write, locality=3):
    pointer = llvm.address(context, builder, signature.args[0], *arguments, ir.IntType(8))
    signature = ir.FunctionType(ir.VoidType(), [pointer.type, llvm.INT, llvm.INT, llvm.INT])
    function = cgutils.get_or_insert_function(builder.module, signature, "llvm.prefetch.p0")
    # Locality: in all caches (3) or in all but the innermost (2); data, not instructions (1).
    builder.call(function, [pointer, llvm.INT(to_write), llvm.INT(locality), llvm.INT(1)])


@intrinsic
def load_word(typing, array, offset):
    """array[offset : offset + 8] of a uint8 array, as one uint64 in the machine's byte order."""

    def generate(context, builder, signature, arguments):
        pointer = llvm.address(context, builder, signature.args[0], *arguments, ir.IntType(64))
        word = builder.load(pointer)
        word.align = 1
        return word

    return types.uint64(array, types.intp), generate

"""LLVM instructions on vectors of 16 float32 numbers, for the intrinsics of `simd` and `tiles`."""

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import models, register_model

LANES = 16
FLOAT = ir.FloatType()
INT = ir.IntType(32)
VECTOR = ir.VectorType(FLOAT, LANES)
INTS = ir.VectorType(INT, LANES)


class Float32x16(types.Type):
    """The Numba type of a vector of 16 float32 numbers."""

    def __init__(self):
        super().__init__(name="float32x16")


float32x16 = Float32x16()


@register_model(Float32x16)
class _Float32x16Model(models.PrimitiveModel):
    def __init__(self, manager, numba_type):
        super().__init__(manager, numba_type, VECTOR)


def data(context, builder, array_type, array):
    """The address of the numbers of an array; a pointer is that already."""
    if isinstance(array_type, types.CPointer):
        return array
    return cgutils.create_struct_proxy(array_type)(context, builder, value=array).data


def address(context, builder, array_type, array, offset, element=FLOAT):
    """The address of array[offset], as a pointer to `element`."""
    start = data(context, builder, array_type, array)
    return builder.bitcast(builder.gep(start, [offset]), element.as_pointer())


def load(context, builder, array_type, array, offset):
    """array[offset : offset + 16], at any alignment."""
    vector = builder.load(address(context, builder, array_type, array, offset, VECTOR))
    vector.align = 4
    return vector


def store(context, builder, array_type, array, offset, vector):
    """array[offset : offset + 16] = vector, at any alignment."""
    pointer = address(context, builder, array_type, array, offset, VECTOR)
    builder.store(vector, pointer).align = 4


def call(builder, name, arguments):
    """Call LLVM's function `name`, such as ``llvm.fmuladd``, on vectors."""
    signature = ir.FunctionType(VECTOR, [VECTOR] * len(arguments))
    function = cgutils.get_or_insert_function(builder.module, signature, f"{name}.v16f32")
    return builder.call(function, arguments)


def multiply_add(builder, a, b, c):
    """a * b + c, lane by lane."""
    # fmuladd, not fma: without a fused instruction, fma is a library call for every lane.
    return call(builder, "llvm.fmuladd", [a, b, c])


def shuffle(builder, a, b, lanes):
    """Lane i is a[lanes[i]], or b[lanes[i] - 16]."""
    return builder.shuffle_vector(a, b, ir.Constant(ir.VectorType(INT, len(lanes)), lanes))


def broadcast(builder, scalar):
    """A scalar in all lanes."""
    first = builder.insert_element(ir.Constant(VECTOR, ir.Undefined), scalar, INT(0))
    return shuffle(builder, first, ir.Constant(VECTOR, ir.Undefined), [0] * LANES)


def constant(value):
    """A float32 constant in all lanes."""
    return ir.Constant(VECTOR, [ir.Constant(FLOAT, value)] * LANES)


def int_constant(value):
    """An int32 constant in all lanes."""
    return ir.Constant(INTS, [ir.Constant(INT, value)] * LANES)


def unpack(builder, vectors):
    """The elements of a tuple."""
    return [builder.extract_value(vectors, i) for i in range(len(vectors.type))]


def pack(context, builder, vectors):
    """A tuple of vectors."""
    return context.make_tuple(builder, types.UniTuple(float32x16, len(vectors)), vectors)


def is_vector_tuple(t):
    """Whether a Numba type is a tuple of vectors."""
    return isinstance(t, types.UniTuple) and t.dtype is float32x16

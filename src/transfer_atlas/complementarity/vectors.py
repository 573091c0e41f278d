"""Vectors in compiled code: rows that lie well in memory, and pieces of LLVM code for what numba does not make by itself."""

import numba
import numpy as np
from llvmlite import ir
from numba.core import cgutils

BYTE, INT, LONG = (ir.IntType(bits) for bits in (8, 32, 64))
LINE = 64  # bytes of the cache that are read at once


@numba.njit(cache=True)
def aligned_zeros(rows, columns, kind):
    """Zeros [rows, at least `columns`]: whole lines of the cache and one more, each row at the beginning of a line.

    A vector that lies in two lines takes two reads. And rows that are a power of 2 apart would share few places of the cache.
    """
    in_line = LINE // np.zeros(1, kind).itemsize
    width = (-(-columns // in_line) + 1) * in_line
    space = np.zeros(rows * width + in_line, kind)
    start = -space.ctypes.data % LINE // space.itemsize
    return space[start : start + rows * width].reshape(rows, width)


def make_array(context, builder, signature, arguments, place):
    """The array that is an argument of an intrinsic."""
    return context.make_array(signature.args[place])(context, builder, arguments[place])


def row_pointer(builder, array, row, kind):
    """Pointer to values of a kind at the beginning of a row."""
    start = builder.mul(builder.extract_value(array.strides, 0), row)
    return builder.bitcast(builder.gep(builder.bitcast(array.data, BYTE.as_pointer()), [start]), kind.as_pointer())


def load(builder, pointer, place):
    """The value at a place behind a pointer, wherever it lies in memory."""
    return builder.load(builder.gep(pointer, [place]), align=1)


def variable(builder, value):
    """A variable that holds a value; set here and not where the function begins, for the code may run several times."""
    pointer = cgutils.alloca_once(builder, value.type)
    builder.store(value, pointer)
    return pointer


def call(builder, name, result, arguments):
    """Call an intrinsic function of LLVM."""
    kind = ir.FunctionType(result, [argument.type for argument in arguments])
    return builder.call(cgutils.get_or_insert_function(builder.module, kind, name), arguments)


def sum_of(builder, vector):
    """Sum of the integers in a vector."""
    kind = vector.type.element
    return call(builder, f"llvm.vector.reduce.add.v{vector.type.count}i{kind.width}", kind, [vector])

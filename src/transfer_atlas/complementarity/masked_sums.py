"""Sums of the entries of an integer matrix in chosen rows and columns, by instructions that numba does not make by itself.

Processors multiply pairs of integers of 16 bits and add the products to integers of 32 bits in one instruction: with AVX-512 VNNI
32 of them, with AVX2 16. Other processors do the same in several instructions. Sums of integers do not depend on the way.
"""

from contextlib import contextmanager
from itertools import chain

import numba
import numpy as np
from llvmlite import binding, ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

BLOCK = 64  # rows and columns
LINE = 64  # bytes of the cache that are read at once
ROWS_AT_ONCE = 4  # share what is read of the mask, and do not wait for each other's sums
_BYTE, _SHORT, _INT, _LONG = (ir.IntType(bits) for bits in (8, 16, 32, 64))


def _with_vnni(builder, total, entries, mask):
    return _call(builder, "llvm.x86.avx512.vpdpwssd.512", total.type, [total, entries, mask])


def _with_avx2(builder, total, entries, mask):
    shorts = ir.VectorType(_SHORT, 2 * total.type.count)
    pairs = [builder.bitcast(vector, shorts) for vector in (entries, mask)]
    return builder.add(total, _call(builder, "llvm.x86.avx2.pmadd.wd", total.type, pairs))


def _portable(builder, total, entries, mask):
    """The second of each pair in the upper half of 32 bits, the first one moved there."""
    half = ir.Constant(total.type, [16] * total.type.count)
    for move in (lambda pair: pair, lambda pair: builder.shl(pair, half)):
        products = [builder.ashr(move(vector), half) for vector in (entries, mask)]
        total = builder.add(total, builder.mul(*products))
    return total


# what multiplies and adds, and integers of 32 bits in a vector
WAYS = {"vnni": (_with_vnni, 16), "avx2": (_with_avx2, 8), "portable": (_portable, 4)}


def supported_ways():
    """Ways of this processor, the fastest one first."""
    features = binding.get_host_cpu_features()
    if numba.config.CPU_NAME is not None or numba.config.CPU_FEATURES is not None:
        return ["portable"]  # numba compiles for another processor
    needed = {"vnni": ("avx512vnni", "avx512bw"), "avx2": ("avx2",), "portable": ()}
    return [way for way, names in needed.items() if all(features.get(name) for name in names)]


def summing_rows(way):
    """A function for compiled code that sums the entries of rows of a matrix where a mask is set.

    The function takes (matrix, first, rows, blocks, mask): int16 [rows + 1, columns], whose last row is 0; the first row of a block, and
    its rows to be summed as bits; how many blocks of columns; and int16 [columns], 0 or 1. It returns an int32.

    Args:
        way: one of `supported_ways`.
    """
    multiply_and_add, lanes = WAYS[way]
    vector = ir.VectorType(_INT, lanes)

    def generate(context, builder, signature, arguments):
        matrix, mask = (
            context.make_array(signature.args[place])(context, builder, arguments[place]) for place in (0, 4)
        )
        _, first, rows, blocks, _ = arguments
        row_of = _row_pointer(builder, matrix, first, vector)
        columns = builder.bitcast(mask.data, vector.as_pointer())
        vectors = BLOCK // (2 * lanes)  # in a block of columns
        totals = [[_variable(builder, ir.Constant(vector, None)) for _ in range(2)] for _ in range(ROWS_AT_ONCE)]
        left = _variable(builder, rows)
        with _while_not_zero(builder, left):
            pointers = [row_of(left, place > 0) for place in range(ROWS_AT_ONCE)]
            with cgutils.for_range(builder, blocks, intp=_LONG) as loop:
                start = builder.mul(loop.index, ir.Constant(_LONG, vectors))
                for number in range(vectors):
                    place = builder.add(start, ir.Constant(_LONG, number))
                    kept = _load(builder, columns, place)
                    for pointer, of_row in zip(pointers, totals, strict=True):
                        entries, total = _load(builder, pointer, place), of_row[number % 2]
                        builder.store(multiply_and_add(builder, builder.load(total), entries, kept), total)
        whole = ir.Constant(vector, None)
        for total in chain.from_iterable(totals):
            whole = builder.add(whole, builder.load(total))
        return _call(builder, f"llvm.vector.reduce.add.v{lanes}i32", _INT, [whole])

    @intrinsic
    def sum_rows(typing_context, matrix, first, rows, blocks, mask):
        return types.int32(matrix, types.uint64, types.uint64, types.uint64, mask), generate

    return sum_rows


@numba.njit
def aligned_zeros(rows, columns):
    """Zeros, int16 [rows, at least `columns`], of whole blocks and a half.

    A vector that lies in two lines of the cache takes two reads. And rows that are a power of 2 apart would share the same few places
    of the cache.
    """
    width = -(-columns // BLOCK) * BLOCK + BLOCK // 2
    space = np.zeros(rows * width + LINE // 2, np.int16)
    start = -space.ctypes.data % LINE // 2
    return space[start : start + rows * width].reshape(rows, width)


def _row_pointer(builder, matrix, first, vector):
    """Function that takes the lowest bit off the rows that are left, and gives a pointer to its row; to zeros where none is left."""
    stride = builder.extract_value(matrix.strides, 0)
    data = builder.bitcast(matrix.data, _BYTE.as_pointer())
    block = builder.gep(data, [builder.mul(stride, first)])
    last = builder.sub(builder.extract_value(matrix.shape, 0), ir.Constant(_LONG, 1))
    zeros = builder.gep(data, [builder.mul(stride, last)])

    def pointer_of_next(left, may_be_empty):
        rows = builder.load(left)
        row = builder.gep(block, [builder.mul(stride, builder.cttz(rows, ir.Constant(ir.IntType(1), 0)))])
        if may_be_empty:
            row = builder.select(builder.icmp_unsigned("==", rows, ir.Constant(_LONG, 0)), zeros, row)
        builder.store(builder.and_(rows, builder.sub(rows, ir.Constant(_LONG, 1))), left)
        return builder.bitcast(row, vector.as_pointer())

    return pointer_of_next


@contextmanager
def _while_not_zero(builder, variable):
    test, body, end = (builder.append_basic_block(name) for name in ("while", "body", "end"))
    builder.branch(test)
    builder.position_at_end(test)
    builder.cbranch(builder.icmp_unsigned("!=", builder.load(variable), ir.Constant(_LONG, 0)), body, end)
    builder.position_at_end(body)
    yield
    builder.branch(test)
    builder.position_at_end(end)


def _variable(builder, value):
    """A variable that holds a value; set here and not where the function begins, for the code may run several times."""
    variable = cgutils.alloca_once(builder, value.type)
    builder.store(value, variable)
    return variable


def _load(builder, pointer, place):
    return builder.load(builder.gep(pointer, [place]), align=2)


def _call(builder, name, result, arguments):
    kind = ir.FunctionType(result, [argument.type for argument in arguments])
    return builder.call(cgutils.get_or_insert_function(builder.module, kind, name), arguments)

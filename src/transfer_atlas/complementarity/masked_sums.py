"""Sums of the entries of an integer matrix in chosen rows and columns, by instructions that numba does not make by itself.

Processors multiply pairs of integers of 16 bits and add the products to integers of 32 bits in one instruction: with AVX-512 VNNI
32 of them, with AVX2 16. Other processors do the same in several instructions. Sums of integers do not depend on the way.
"""

from contextlib import contextmanager
from itertools import chain

import numba
from llvmlite import binding, ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

from transfer_atlas.complementarity.vectors import INT, LONG, call, load, make_array, row_pointer, sum_of, variable

BLOCK = 64  # rows and columns
ROWS_AT_ONCE = 4  # share what is read of the mask, and do not wait for each other's sums


def _with_vnni(builder, total, entries, mask):
    return call(builder, "llvm.x86.avx512.vpdpwssd.512", total.type, [total, entries, mask])


def _with_avx2(builder, total, entries, mask):
    shorts = ir.VectorType(ir.IntType(16), 2 * total.type.count)
    pairs = [builder.bitcast(vector, shorts) for vector in (entries, mask)]
    return builder.add(total, call(builder, "llvm.x86.avx2.pmadd.wd", total.type, pairs))


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
    vector = ir.VectorType(INT, lanes)
    vectors = BLOCK // (2 * lanes)  # in a block of columns

    def generate(context, builder, signature, arguments):
        matrix, mask = (make_array(context, builder, signature, arguments, place) for place in (0, 4))
        _, first, rows, blocks, _ = arguments
        columns = builder.bitcast(mask.data, vector.as_pointer())
        totals = [[variable(builder, ir.Constant(vector, None)) for _ in range(2)] for _ in range(ROWS_AT_ONCE)]
        left = variable(builder, rows)
        with _while_not_zero(builder, left):
            pointers = [_take_row(builder, matrix, first, left, vector) for _ in range(ROWS_AT_ONCE)]
            with cgutils.for_range(builder, blocks, intp=LONG) as loop:
                start = builder.mul(loop.index, ir.Constant(LONG, vectors))
                for number in range(vectors):
                    place = builder.add(start, ir.Constant(LONG, number))
                    kept = load(builder, columns, place)
                    for pointer, of_row in zip(pointers, totals, strict=True):
                        entries, total = load(builder, pointer, place), of_row[number % 2]
                        builder.store(multiply_and_add(builder, builder.load(total), entries, kept), total)
        whole = ir.Constant(vector, None)
        for total in chain.from_iterable(totals):
            whole = builder.add(whole, builder.load(total))
        return sum_of(builder, whole)

    @intrinsic
    def sum_rows(typing_context, matrix, first, rows, blocks, mask):
        return types.int32(matrix, types.uint64, types.uint64, types.uint64, mask), generate

    return sum_rows


def _take_row(builder, matrix, first, left, vector):
    """Take the lowest bit off the rows that are left; returns a pointer to its row, or to the last row where none is left."""
    rows = builder.load(left)
    row = builder.add(first, builder.cttz(rows, ir.Constant(ir.IntType(1), 0)))
    last = builder.sub(builder.extract_value(matrix.shape, 0), ir.Constant(LONG, 1))
    row = builder.select(builder.icmp_unsigned("==", rows, ir.Constant(LONG, 0)), last, row)
    builder.store(builder.and_(rows, builder.sub(rows, ir.Constant(LONG, 1))), left)
    return row_pointer(builder, matrix, row, vector)


@contextmanager
def _while_not_zero(builder, variable):
    test, body, end = (builder.append_basic_block(name) for name in ("while", "body", "end"))
    builder.branch(test)
    builder.position_at_end(test)
    builder.cbranch(builder.icmp_unsigned("!=", builder.load(variable), ir.Constant(LONG, 0)), body, end)
    builder.position_at_end(body)
    yield
    builder.branch(test)
    builder.position_at_end(end)

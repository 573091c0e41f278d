"""Bits in 64-bit words: packing and counting."""

import numpy as np
from llvmlite import ir
from numba import types
from numba.extending import intrinsic

from transfer_atlas.complementarity.vectors import load, make_array

WORD = 64


@intrinsic
def popcount(typing_context, word):
    """Number of set bits of a 64-bit word, as int64; numba has no function for LLVM's instruction."""

    def generate(context, builder, signature, arguments):
        return builder.ctpop(arguments[0])

    return types.int64(types.uint64), generate


@intrinsic
def trailing_zeros(typing_context, word):
    """Place of the lowest set bit of a 64-bit word, as uint64; 64 where none is set."""

    def generate(context, builder, signature, arguments):
        return builder.cttz(arguments[0], ir.Constant(ir.IntType(1), 0))

    return types.uint64(types.uint64), generate


@intrinsic
def nonzero_bits(typing_context, values, block):
    """Which of the 64 integers in a block of an array, int16 [any], are not 0: bits of a 64-bit word."""

    def generate(context, builder, signature, arguments):
        vector = ir.VectorType(ir.IntType(16), WORD)
        pointer = builder.bitcast(make_array(context, builder, signature, arguments, 0).data, vector.as_pointer())
        nonzero = builder.icmp_signed("!=", load(builder, pointer, arguments[1]), ir.Constant(vector, None))
        return builder.bitcast(nonzero, ir.IntType(WORD))

    return types.uint64(values, types.uint64), generate


def pack_bits(bits):
    """Pack bool [rows, images] into uint64 [rows, ceil(images / 64)]; missing images are 0."""
    rows, images = bits.shape
    padded = np.zeros((rows, -(-images // WORD) * WORD), dtype=bool)
    padded[:, :images] = bits
    return np.packbits(padded, axis=1, bitorder="little").view(np.uint64)

"""Bits in 64-bit words: packing and counting."""

import numpy as np
from numba import types
from numba.extending import intrinsic

WORD = 64


@intrinsic
def popcount(typing_context, word):
    """Number of set bits of a 64-bit word, as int64; numba has no function for LLVM's instruction."""

    def generate(context, builder, signature, arguments):
        return builder.ctpop(arguments[0])

    return types.int64(types.uint64), generate


def pack_bits(bits):
    """Pack bool [rows, images] into uint64 [rows, ceil(images / 64)]; missing images are 0."""
    rows, images = bits.shape
    padded = np.zeros((rows, -(-images // WORD) * WORD), dtype=bool)
    padded[:, :images] = bits
    return np.packbits(padded, axis=1, bitorder="little").view(np.uint64)

"""Random choice inside the graph as a pure function of a key that is fed to it.

No operator keeps a hidden state, so resuming repeats nothing and skips nothing, two devices draw what one would, and a limit as large as the
population is 'take everything'.
"""

from __future__ import annotations

import mindspore as ms
from mindspore import ops

_MASK = 0x7FFFFFFF


def random_priorities(key, count, salt):
    """float32 [B, count] in [0, 2^24): a hash of (key, position, salt), uniform enough that its order is a random order.

    key int32 [B], non-negative. Multiply-and-xor-shift rounds (as in MurmurHash3's finaliser) on 31 bits; a division
    by a power of two stands for a right shift, which not every device has.
    """
    position = ops.arange(0, count).astype(ms.int32)
    state = ops.bitwise_and(position * 0x1E3779B1 + salt * 0x05EBCA6B, _MASK).expand_dims(0)
    state = ops.bitwise_xor(state, key.astype(ms.int32).expand_dims(1))
    for shift, factor in ((65536, 0x05EBCA6B), (8192, 0x42B2AE35), (65536, 0x27D4EB2F), (8192, 0x165667B1)):
        state = ops.bitwise_xor(state, state // shift)
        state = ops.bitwise_and(state * factor, _MASK)
    return (ops.bitwise_xor(state, state // 65536) // 128).astype(ms.float32)


def choose(candidates, priorities, limit):
    """(index int32 [B, k], chosen bool [B, k]): up to `limit` of the true candidates [B, N], those of the highest priority; k = min(limit, N).

    Chosen entries come first; the others' indices are arbitrary.
    """
    values, index = ops.topk(
        ops.select(candidates, priorities, ops.full_like(priorities, -1.0)), min(limit, candidates.shape[1])
    )
    return index.astype(ms.int32), values >= 0

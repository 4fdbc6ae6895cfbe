"""Random sampling inside the graph, as a pure function of a key that is an input of the graph.

No operator has a hidden random state. So a run that is resumed draws what it would have drawn, and two
devices draw for their pictures what one device would. If the limit is as large as the number of candidates,
all of them are sampled.
"""

from __future__ import annotations

import mindspore as ms
import numpy as np
from mindspore import Tensor, ops

_MASK = 0x7FFFFFFF
# The priority of what is no candidate: float16's least number. All others are at least -32,768.
_NO_CANDIDATE = -65504.0


def random_priorities(key, count, salts):
    """Hashes of (key, position, salt), uniform enough that their order is a random order.

    The rounds multiply, and xor with shifted bits, as MurmurHash3's finaliser does, on 31 bits. A division by
    a power of two is used as a right shift, because not every device has shifts. It is exact even where whole
    numbers are divided as float32, as on Ascend: the bits that are shifted out are set to 0 before, and at
    most 18 are left.

    Ascend 910 compares priorities in float16. It keeps 11 bits of a number, however small the number is. So
    the highest priorities are those nearest to 0, where neighbours differ most: of 240,000 candidates the 256
    first ones are told apart nearly as well as in float32.

    Args:
        key: int32 [B], not negative.
        count: The number of positions, a Python number.
        salts: Python numbers, each of which gives another sequence.

    Returns:
        For each salt float32 [B, count], multiples of 2^-9 in [-2^15, 0).
    """
    bits = ops.bitwise_xor(_bits_of_positions(count, salts), key.astype(ms.int32).expand_dims(1))
    for shift, factor in ((65536, 0x05EBCA6B), (8192, 0x42B2AE35), (65536, 0x27D4EB2F), (8192, 0x165667B1)):
        bits = ops.bitwise_xor(bits, ops.bitwise_and(bits, -shift) // shift)
        bits = ops.bitwise_and(bits * factor, _MASK)
    bits = ops.bitwise_xor(bits, ops.bitwise_and(bits, -65536) // 65536)
    return ops.unbind(ops.bitwise_and(bits, -128).astype(ms.float32) * 2.0**-16 - 2.0**15)


@ops.constexpr
def _bits_of_positions(count, salts):
    """int32 [number of salts, 1, count]: what the hash begins with, a constant of the graph."""
    positions = np.arange(count, dtype=np.int64)
    bits = [positions * 0x1E3779B1 + salt * 0x05EBCA6B for salt in salts]
    return Tensor((np.stack(bits) & _MASK).astype(np.int32)[:, None])


def sample(candidates, priorities, limit):
    """Sample up to `limit` of the candidates: those of the highest priority.

    Args:
        candidates: bool [B, N].
        priorities: float32 [B, N], as `random_priorities` gives them.
        limit: A Python number.

    Returns:
        idxs: int32 [B, k], k = min(limit, N). Sampled candidates come first; the other indices are arbitrary.
        sampled: bool [B, k], whether the slot has a sampled candidate.
    """
    values, idxs = ops.topk(
        ops.select(candidates, priorities, ops.full_like(priorities, _NO_CANDIDATE)),
        min(limit, candidates.shape[1]),
    )
    return idxs.astype(ms.int32), values > 0.75 * _NO_CANDIDATE


def limit_negatives(sampled_negative, num_positive, num_total):
    """Keep as many of the sampled negatives as bring positives and negatives together to `num_total`.

    Args:
        sampled_negative: bool [B, k], true entries first, as `sample` returns it.
        num_positive: int32 [B, 1], the sampled positives of each image.
        num_total: A Python number.

    Returns:
        bool [B, k].
    """
    position = ops.arange(0, sampled_negative.shape[1]).astype(ms.int32).expand_dims(0)
    return ops.logical_and(sampled_negative, position < num_total - num_positive)

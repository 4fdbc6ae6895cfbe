"""Which instructions of this machine's CPU matter for a file in 8 bits. Standard library only."""

from __future__ import annotations

from pathlib import Path
from typing import Union

# Products of 8-bit numbers, summed in 32 bits: VNNI of x86, dot products of ARM.
_FLAGS = {"avx512_vnni", "avx_vnni", "asimddp"}


def has_8_bit_products(cpuinfo: Union[str, Path] = "/proc/cpuinfo") -> bool:
    """Whether the CPU has VNNI, or what ARM has for it; True where the system does not tell.

    Args:
        cpuinfo: Linux's description of the CPU.
    """
    try:
        lines = Path(cpuinfo).read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return True  # not Linux: nothing is known that a warning could be about
    for line in lines:
        name, _, value = line.partition(":")
        if name.strip().lower() in ("flags", "features"):
            return bool(_FLAGS & set(value.split()))
    return False

"""Pickle files of strangers: NumPy arrays and plain containers, and nothing that runs code."""

from __future__ import annotations

import pickle
from collections import OrderedDict

import numpy as np

from ..errors import CheckpointError


class _Refused(Exception):
    """A pickle that asks for something else than arrays and containers."""


_NDARRAY = object()  # stands for the class numpy.ndarray, which may be named but not called


def _dtype(code, align=False, copy=True):
    """A type of numbers or text, always a copy: a pickle sets its byte order afterwards."""
    dtype = np.dtype(str(code), False, True)
    if dtype.kind not in "biufcSU":
        raise _Refused(f"an array of the type {code}")
    return dtype


def _reconstruct(kind, shape, code):
    if kind is not _NDARRAY or shape != (0,):
        raise _Refused("an array of an unknown kind")
    return np.ndarray((0,), np.uint8)


def _scalar(dtype, data=b""):
    if not isinstance(data, bytes) or len(data) != dtype.itemsize:
        raise _Refused(
            "a NumPy number that is none"
        )  # (for objects NumPy's own function would unpickle `data`)
    return np.frombuffer(data, dtype)[0]


def _frombuffer(data, dtype, shape, order):
    return np.frombuffer(data, dtype).reshape(shape, order=order)


def _encode(text, encoding="latin1"):
    """How pickles below protocol 3 hold bytes."""
    if encoding not in ("latin1", "latin-1"):
        raise _Refused(f"the encoding {encoding}")
    return text.encode("latin1")


def _bytes():
    """Empty bytes, as protocols below 3 hold them."""
    return b""


# Names a pickle may ask for, and what it gets: the project's own functions where NumPy's do more than is wanted.
_ADMITTED = {
    ("collections", "OrderedDict"): OrderedDict,
    ("numpy", "ndarray"): _NDARRAY,
    ("numpy", "dtype"): _dtype,
    ("_codecs", "encode"): _encode,
    **{
        (module, name): kind
        for module in ("builtins", "__builtin__")
        for name, kind in (("bytes", _bytes), ("set", set), ("frozenset", frozenset))
    },
    **{(f"numpy.{core}.multiarray", "_reconstruct"): _reconstruct for core in ("core", "_core")},
    **{(f"numpy.{core}.multiarray", "scalar"): _scalar for core in ("core", "_core")},
    **{(f"numpy.{core}.numeric", "_frombuffer"): _frombuffer for core in ("core", "_core")},
}


class _Unpickler(pickle.Unpickler):
    def find_class(self, module, name):
        try:
            return _ADMITTED[module, name]
        except KeyError:
            raise _Refused(f"{module}.{name}") from None

    def persistent_load(self, pid):
        raise _Refused("a reference to something outside the file")


def load_plain_pickle(path):
    """The object of a pickle file that is made of NumPy arrays, numbers, texts, lists, tuples, sets and dicts.

    Texts of Python 2 are read as latin1, as detectron2 does. Raises CheckpointError naming the file, and what else it asked for.
    """
    try:
        with open(path, "rb") as file:
            return _Unpickler(file, encoding="latin1").load()
    except _Refused as error:
        raise CheckpointError(
            f"{path}: holds {error}, which is neither a NumPy array nor a plain container; nothing of it was read"
        ) from None
    except OSError as error:
        raise CheckpointError(f"{path}: {error.strerror or error}") from None
    except Exception as error:  # a damaged pickle can raise nearly anything
        raise CheckpointError(
            f"{path}: not a whole pickle file ({' '.join(str(error).split())[:120] or type(error).__name__})"
        ) from None

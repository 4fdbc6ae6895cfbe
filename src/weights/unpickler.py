"""Untrusted pickle files: only NumPy arrays and plain containers are read, and no code is executed."""

from __future__ import annotations

import pickle
from collections import OrderedDict
from pathlib import Path
from typing import Any, Union

import numpy as np

from ..errors import CheckpointError


class _Refused(Exception):
    """The pickle asks for something that is not an array or a plain container."""


_NDARRAY = object()  # in place of the class numpy.ndarray, which a pickle may name but not call


def _dtype(code, align=False, copy=True):
    """A NumPy type of numbers or text. It is a copy, because the pickle sets its byte order afterwards."""
    dtype = np.dtype(str(code), False, True)
    if dtype.kind not in "biufcSU":
        raise _Refused(f"an array of the type {code}")
    return dtype


def _reconstruct(kind, shape, code):
    if kind is not _NDARRAY or shape != (0,):
        raise _Refused("an array of an unknown kind")
    return np.ndarray((0,), np.uint8)


def _scalar(dtype, data=b""):
    # NumPy's own function would unpickle `data` for a dtype of objects
    if not isinstance(data, bytes) or len(data) != dtype.itemsize:
        raise _Refused("a NumPy number that is none")
    return np.frombuffer(data, dtype)[0]


def _frombuffer(data, dtype, shape, order):
    return np.frombuffer(data, dtype).reshape(shape, order=order)


def _encode(text, encoding="latin1"):
    """Bytes, as pickles below protocol 3 hold them."""
    if encoding not in ("latin1", "latin-1"):
        raise _Refused(f"the encoding {encoding}")
    return text.encode("latin1")


def _bytes():
    """Empty bytes, as pickles below protocol 3 hold them."""
    return b""


# {(module, name) that a pickle may ask for: what it gets}. Functions of this file take the place of NumPy's
# where those could do more than make an array.
_ALLOWED = {
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
            return _ALLOWED[module, name]
        except KeyError:
            raise _Refused(f"{module}.{name}") from None

    def persistent_load(self, pid):
        raise _Refused("a reference to something outside the file")


def load_plain_pickle(path: Union[str, Path]) -> Any:
    """Read a pickle file that has only NumPy arrays, numbers, texts, lists, tuples, sets and dicts in it.

    Texts of Python 2 are read as latin1, as detectron2 does.

    Raises:
        CheckpointError: for a file that is missing, damaged, or asks for anything else.
    """
    try:
        with open(path, "rb") as file:
            return _Unpickler(file, encoding="latin1").load()
    except _Refused as error:
        raise CheckpointError(
            f"{path}: holds {error}, which is neither a NumPy array nor a plain container; "
            "nothing of it was read"
        ) from None
    except OSError as error:
        raise CheckpointError(f"{path}: {error.strerror or error}") from None
    except Exception as error:  # a damaged pickle can raise nearly any exception
        line = " ".join(str(error).split())[:120] or type(error).__name__
        raise CheckpointError(f"{path}: not a whole pickle file ({line})") from None

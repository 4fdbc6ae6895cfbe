"""Fonts of this machine: which one has the letters of a text, and what is drawn where none has them."""

from __future__ import annotations

import functools
import importlib.util
import os
import sys
import unicodedata
from typing import List, Optional

import numpy as np

from ...log import logger

# Parts of file names of fonts that are read best at small sizes, in the order of preference; many scripts.
_PREFERRED = (
    "notosanscjk",
    "notosanssc",
    "sourcehansans",
    "wqy-microhei",
    "wqy-zenhei",
    "droidsansfallback",
    "pingfang",
    "msyh",
    "simhei",
    "simsun",
    "hiragino",
    "notosansjp",
    "ipag",
    "takao",
    "notosanskr",
    "nanumgothic",
    "malgun",
    "unbatang",
    "undotum",
    "notosans",
    "dejavusans",
    "freesans",
    "arial",
)
# Debian's packages, and the same for Fedora, CentOS and openEuler.
_FEDORA_NAMES = {
    "fonts-noto-cjk": "google-noto-sans-cjk-ttc-fonts",
    "fonts-noto-core": "google-noto-sans-fonts",
}
_ALWAYS = "0123456789.(crowd)"  # what is written beside a name
_told = set()
_OTHER_STYLES = ("bold", "black", "heavy", "italic", "oblique", "light", "thin", "mono", "serif")


def readable_name(name: str, number: int) -> str:
    """A class name as it can be drawn here: itself, or "class 3" where no font has its letters.

    Args:
        name: The name.
        number: The class's number, from 1.
    """
    text = _one_line(name)
    if text and font_file(text) is not None:
        return text
    if text:
        _tell_missing("fonts-noto-cjk" if _has_east_asian(text) else "fonts-noto-core", text, number)
    return f"class {number}"


def readable_text(text: str) -> str:
    """Any other text as it can be drawn here; letters that no font has are written as escapes."""
    line = _one_line(text)
    return line if font_file(line) is not None else line.encode("ascii", "backslashreplace").decode()


@functools.lru_cache(maxsize=None)
def font_file(text: str) -> Optional[str]:
    """The font file that has all letters of a text; None where there is none, "" for ASCII.

    matplotlib's own DejaVu Sans has the European ones. East Asian ones need a font of the system.
    """
    if text.isascii():
        return ""
    letters = np.array(sorted({ord(letter) for letter in text + _ALWAYS if not letter.isspace()}), np.int64)
    for path in _font_files():
        if np.isin(letters, _letters_of(path)).all():
            return path
    return None


@functools.lru_cache(maxsize=1)
def _font_files() -> List[str]:
    """All font files, in the order in which they are tried."""
    if not _has_matplotlib():
        return []
    # It takes a while to load, and ASCII names do not need it.
    import matplotlib
    from matplotlib.font_manager import findSystemFonts

    own = os.path.join(matplotlib.get_data_path(), "fonts", "ttf", "DejaVuSans.ttf")
    folder = os.path.join(sys.prefix, "share", "fonts")  # conda's
    others = {*findSystemFonts(), *(findSystemFonts(folder) if os.path.isdir(folder) else ())}
    return [own, *sorted(others, key=_order)]


def _has_matplotlib() -> bool:
    """matplotlib finds fonts and reads which letters they have. An environment for inference is without."""
    return importlib.util.find_spec("matplotlib") is not None


def _order(path):
    name = os.path.basename(path).lower()
    preferred = [i for i, part in enumerate(_PREFERRED) if name.startswith(part)]
    return (min(preferred, default=len(_PREFERRED)), sum(part in name for part in _OTHER_STYLES), path)


@functools.lru_cache(maxsize=None)
def _letters_of(path: str) -> np.ndarray:
    """The code points of a font file that can be drawn at any size; none for a file that cannot be read."""
    from matplotlib.ft2font import FT2Font

    try:
        font = FT2Font(path)
        letters = font.get_charmap() if font.scalable else ()
    except (OSError, RuntimeError, ValueError):
        letters = ()  # the next font is tried
    return np.fromiter(letters, np.int64)


def _one_line(text):
    """Composed letters, without line ends, invisible signs, and selectors of emoji."""
    letters = []
    for letter in unicodedata.normalize("NFC", text):
        category = unicodedata.category(letter)
        if category == "Cf" or 0xFE00 <= ord(letter) <= 0xFE0F:
            continue
        letters.append(" " if category in ("Cc", "Zl", "Zp", "Zs") else letter)
    return " ".join("".join(letters).split())


def _has_east_asian(text):
    return any(unicodedata.east_asian_width(letter) in "WF" for letter in text)


def _tell_missing(package, name, number):
    """One notice for each package that would help."""
    if not _has_matplotlib():
        package = "matplotlib"
    if package in _told:
        return
    _told.add(package)
    if package == "matplotlib":
        logger.warning(
            "the class name '%s' is drawn as 'class %d': matplotlib finds the fonts for its letters "
            "(pip install matplotlib)",
            name,
            number,
        )
        return
    logger.warning(
        "no font on this machine has the letters of the class name '%s': such classes are drawn as "
        "'class %d'. Install one (Debian, Ubuntu: apt install %s; openEuler, Fedora: dnf install %s) or put "
        "a .ttf file into ~/.local/share/fonts",
        name,
        number,
        package,
        _FEDORA_NAMES[package],
    )

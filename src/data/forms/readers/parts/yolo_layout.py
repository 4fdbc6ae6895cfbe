"""Where a YOLO data set has its pictures, labels and class names, by the rules of Ultralytics.

https://docs.ultralytics.com/datasets/segment/: data.yaml has `path`, and under `train`, `val` and `test` a
folder of pictures, a txt file that lists pictures, or a list of these. The labels of images/train/a.jpg are
in labels/train/a.txt: the last folder called images becomes labels. Without such a folder they are beside it.
"""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Dict, Iterator, List, NamedTuple, Optional, Sequence

import yaml

from ....findings import Finding, Findings, short
from ....picture_suffixes import PICTURE_SUFFIXES
from ...items import FormSource
from ...label_files import files_below, head, place_of, read_text
from ...listing import Listing

CONFIG_SUFFIXES = (".yaml", ".yml")
CLASS_LISTS = ("classes.txt", "obj.names")  # of labelImg and Label Studio, and of CVAT: a name a line
ROW = re.compile(r"\s*\d+(\.0*)?(\s+[-+.\deE]+){4,}\s*$")
_CONFIG = re.compile(r"^[\"']?(names|nc)[\"']?\s*:", re.MULTILINE)
_CONFIG_SPLIT = re.compile(r"^[\"']?(train|val|validation|test|path)[\"']?\s*:", re.MULTILINE)
_SPLITS = ("train", "val", "valid", "validation", "test", "minival")
_EMPTY = ("", "~", "null")


class YoloConfig(NamedTuple):
    """What data.yaml or a list of classes says.

    Attributes:
        path: of the file.
        names: {class index: name}; empty after a finding.
        splits: {name of a split: its folders and lists, as written}.
        folder: `path` as written; "" without one.
        has_keypoints: whether rows go on with key points after the box.
    """

    path: Path
    names: Dict[int, str]
    splits: Dict[str, List[str]]
    folder: str = ""
    has_keypoints: bool = False


class YoloPicture(NamedTuple):
    """A picture of a split, with None for what is not found; or `problem`, of a list that cannot be read."""

    picture: Optional[Path]
    labels: Optional[Path]
    place: str
    problem: Optional[Finding] = None


class _TextLoader(yaml.BaseLoader):
    """Loads all values as text. Aliases are refused: a few lines of them can stand for any amount of text."""

    def compose_node(self, parent, index):
        if self.check_event(yaml.AliasEvent):
            raise yaml.YAMLError("an alias (*name) is refused; write the value out")
        return super().compose_node(parent, index)


def config_file(root: Path) -> Optional[Path]:
    """The data.yaml or list of classes of a folder; of several YAML files the first of a data set."""
    if root.is_file():
        return root if root.suffix.lower() in CONFIG_SUFFIXES and _is_config(head(root)) else None
    paths = sorted(path for path in root.glob("*.y*ml") if path.suffix.lower() in CONFIG_SUFFIXES)
    paths.sort(key=lambda path: path.stem not in ("data", "dataset"))
    found = next((path for path in paths if _is_config(head(path))), None)
    lists = [folder / name for name in CLASS_LISTS for folder in (root, root / "labels")]
    return found or next((path for path in lists if path.is_file()), None)


def _is_config(text):
    return _CONFIG.search(text) is not None and _CONFIG_SPLIT.search(text) is not None


def label_files(listing: Listing) -> List[Path]:
    """Some label files with rows of YOLO that lie where a picture's labels do, for telling the form."""
    return [
        path
        for path in listing.first_files((".txt",))
        if ROW.match(head(path).split("\n")[0]) and any(map(os.path.isfile, _pictures_of(path)))
    ]


def _pictures_of(labels):
    """Where the picture of a label file may be."""
    written = os.path.abspath(labels)
    for folder in (_swapped(written, "labels", "images"), written):
        yield from (Path(folder).with_suffix(suffix) for suffix in PICTURE_SUFFIXES)


def _swapped(path, folder, other):
    """A path with the last folder of a name called otherwise."""
    parts = path.rsplit(f"/{folder}/", 1)
    return f"/{other}/".join(parts)


def read_config(source: FormSource, findings: Findings) -> Optional[YoloConfig]:
    """The data.yaml or list of classes of a source, or of the folder around it; None where there is none."""
    path = config_file(source.root)
    if path is None and source.root.is_dir():
        path = config_file(source.root.absolute().parent)
    if path is None:
        return None
    place = place_of(path, source.root)
    text = read_text(path, place, findings)
    if text is None:
        return YoloConfig(path, {}, {})
    if path.name in CLASS_LISTS:
        lines = [line.strip() for line in text.split("\n")]
        return YoloConfig(
            path, dict(enumerate(line for line in lines if line)), _folders_of_splits(path.parent)
        )
    try:
        # without types: a class called `no` or 007 stays what is written
        content = yaml.load(text, Loader=_TextLoader)
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        detail = f"not YAML: {' '.join(str(error).split())[:150]}"
        findings.add("label_file_syntax", place, detail=detail)
        return YoloConfig(path, {}, {})
    if not isinstance(content, dict):
        findings.add("label_file_form", place, detail="names of classes expected, as `names: [cat, dog]`")
        return YoloConfig(path, {}, {})
    splits = {name: _entries(content.get(name)) for name in _SPLITS}
    folder = content.get("path")
    return YoloConfig(
        path,
        _names(content, place, findings),
        {name: entries for name, entries in splits.items() if entries},
        folder if isinstance(folder, str) and folder not in _EMPTY else "",
        "kpt_shape" in content,
    )


def _folders_of_splits(folder):
    """The splits of a data set without data.yaml: the folders below `images`."""
    names = [name for name in _SPLITS if (folder / "images" / name).is_dir()]
    return {name: [f"images/{name}"] for name in names}


def _entries(value):
    """The folders and lists of a split."""
    values = value if isinstance(value, list) else [value]
    return [one for one in values if isinstance(one, str) and one not in _EMPTY]


def _names(content, place, findings):
    """{class index: name} of data.yaml; a list that cannot be used is a finding."""
    written = content.get("names")
    count = content.get("nc")
    if written in (None, "") and isinstance(count, str) and count.isdecimal() and len(count) < 6:
        return {index: f"class_{index}" for index in range(int(count))}
    pairs = enumerate(written) if isinstance(written, list) else ()
    if isinstance(written, dict):
        pairs = written.items()
    names = {}
    for index, name in pairs:
        is_index = type(index) is int or (isinstance(index, str) and index.isdecimal() and len(index) < 6)
        if not (is_index and isinstance(name, str) and name.strip()):
            detail = f"names: {short(index)}: {short(name)}; an index and a name expected"
            findings.add("label_file_form", place, detail=detail)
        elif name.strip() in names.values():
            findings.add("category_twice", place, detail=f"the name {short(name)} is used twice in names")
        else:
            names[int(index)] = name.strip()
    if not names:
        detail = "names of classes expected, as `names: [cat, dog]`"
        findings.add("label_file_form", place, detail=detail)
    elif isinstance(count, str) and count.isdecimal() and count != str(len(written)):
        detail = f"nc: {short(count)} contradicts names, which has {len(written)}"
        findings.add("label_file_form", place, detail=detail)
    return names


def split_pictures(source: FormSource, data_yaml: Optional[YoloConfig]) -> Iterator[YoloPicture]:
    """The pictures of a source's split, in order, and then label files without a picture."""
    layout = _Layout(source, data_yaml)
    if data_yaml is None or source.split is None:
        folder = source.root if source.root.is_dir() else source.root.parent
        yield from layout.folder(source.pictures or folder, "")
        return
    for entry in data_yaml.splits.get(source.split, ()):
        place = f"{place_of(data_yaml.path, source.root)}: {source.split}"
        path = layout.resolved(entry)
        if path is None:
            yield YoloPicture(None, None, f"{place}: {entry}")
        elif path.is_dir():
            yield from layout.folder(path, place)
        else:
            yield from layout.listed(path)


class _Layout:
    """Finds pictures and labels of a source."""

    def __init__(self, source: FormSource, data_yaml: Optional[YoloConfig]):
        self.root = source.root if source.root.is_dir() else source.root.parent
        self.pictures = source.pictures
        self.bases = [source.pictures] if source.pictures else []
        if data_yaml is not None:
            beside = data_yaml.path.parent
            if data_yaml.folder:
                # `path` may be called from the folder around it, as in Ultralytics' own data sets
                self.bases += [beside / data_yaml.folder, beside.parent / data_yaml.folder]
            self.bases.append(beside)
        # os.path: a name of any length and any letters is a question that is answered there
        self.bases = [base for base in self.bases if os.path.isdir(base)]

    def resolved(self, entry: str) -> Optional[Path]:
        """A folder or list of data.yaml, which may have been written elsewhere; None if it is not there."""
        for name in _endings(entry):
            for base in self.bases:
                path = Path(os.path.normpath(base / name))
                if os.path.exists(path):
                    return path
        return None

    def folder(self, folder: Path, place: str) -> Iterator[YoloPicture]:
        """The pictures below a folder, and then the label files that belong to none of them."""
        used = set()
        folder = Path(os.path.abspath(folder))
        for picture in files_below(folder, PICTURE_SUFFIXES):
            labels = self.labels(picture)
            used.add(labels)
            yield YoloPicture(picture, labels, self.place(labels or picture))
        label_folders = dict.fromkeys([Path(_swapped(f"{folder}/", "images", "labels")), folder])
        for label_folder in label_folders:
            for path in files_below(label_folder, (".txt",)):
                text = head(path)
                if (
                    path not in used
                    and path.name not in CLASS_LISTS
                    and (not text or ROW.match(text.split("\n")[0]))
                ):
                    used.add(path)
                    yield YoloPicture(None, path, self.place(path))

    def listed(self, path: Path) -> Iterator[YoloPicture]:
        """The pictures of a txt file."""
        place = self.place(path)
        probe = Findings(place, collect=True)
        text = read_text(path, place, probe)
        if text is None:
            (problem,) = (finding for listed in probe.listed.values() for finding in listed)
            yield YoloPicture(None, None, place, problem)
        for number, line in enumerate((text or "").split("\n"), 1):
            name = line.strip()
            if not name:
                continue
            bases = [path.parent, *self.bases]
            found = (Path(os.path.normpath(base / end)) for end in _endings(name) for base in bases)
            picture = next(
                (one for one in found if os.path.isfile(one) and self._is_allowed(one, path)), None
            )
            if picture is None:
                yield YoloPicture(None, None, f"{place}: line {number}")
            else:
                labels = self.labels(picture)
                yield YoloPicture(picture, labels, self.place(labels or picture))

    def _is_allowed(self, picture, path):
        """Whether a listed picture is below a folder that the user named: lists are not trusted."""
        allowed = [os.path.abspath(base) for base in (path.parent, *self.bases)]
        picture = os.path.abspath(picture)
        return any(os.path.commonpath([base, picture]) == base for base in allowed)

    def labels(self, picture: Path) -> Optional[Path]:
        """The label file of a picture; None if it has none."""
        written = os.path.abspath(picture)
        places = [Path(_swapped(written, "images", "labels")), Path(written)]
        if self.pictures is not None:
            name = os.path.relpath(written, os.path.abspath(self.pictures))
            places += [self.root / "labels" / name, self.root / name]
            places += [self.root / _swapped(f"/{name}", "images", "labels").lstrip("/")]
        return next(filter(os.path.isfile, (path.with_suffix(".txt") for path in places)), None)

    def place(self, path: Path) -> str:
        """A file's name in findings."""
        return place_of(path, self.root)


def _endings(written: str) -> Sequence[str]:
    """A path as written, and the ends of it that may be what is left of it on this computer."""
    name = written.replace("\\", "/")
    while name.startswith("./"):
        name = name[2:]
    inside = name
    while inside.startswith("../"):
        # Roboflow's exports have ../train/images for what is beside data.yaml
        inside = inside[3:]
    parts = [part for part in inside.split("/") if part]
    shorter = ["/".join(parts[i:]) for i in range(1, len(parts) - 1)]
    return list(dict.fromkeys([inside, name, *shorter]))

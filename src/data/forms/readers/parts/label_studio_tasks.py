"""Label Studio's exports as tasks: JSON, JSON-MIN, and the files that it writes to a target storage."""

from __future__ import annotations

import base64
import binascii
import re
from typing import Any, Dict, Iterator, List, NamedTuple
from urllib.parse import parse_qs, unquote, urlsplit

from ....findings import Findings
from ....picture_suffixes import PICTURE_SUFFIXES

_UPLOADED = re.compile("^[0-9a-f]{8}-")  # before the names of uploaded files
_MOST_FOLDERS = 12  # of a path whose ends are looked for


class Task(NamedTuple):
    """A picture with its regions.

    Attributes:
        place: for findings.
        names: under which the picture may be here, the best first.
        embedded: the picture's base64 text; "" where it is a file.
        results: the regions, unchecked; a region of JSON-MIN is its own `value`.
    """

    place: str
    names: List[str]
    embedded: str
    results: List[Any]


def read_tasks(content: Any, place: str, findings: Findings) -> Iterator[Task]:
    """The tasks of an export."""
    if isinstance(content, dict):
        content = [content]
    if not isinstance(content, list):
        findings.add("label_file_form", place, detail="a list of tasks expected")
        return
    last = {_task_id(item): index for index, item in enumerate(content) if _is_min(item)}
    for index, item in enumerate(content):
        where = f"{place}: [{index}]"
        if not isinstance(item, dict):
            findings.add("label_file_form", where, detail="a task with data and annotations expected")
            continue
        task_id = _task_id(item)
        where = f"{place}: task {task_id}" if task_id is not None else where
        if isinstance(item.get("task"), dict) and "result" in item:
            # a file of a target storage is an annotation with its task
            item = {**item["task"], "annotations": [item]}
        if not _is_min(item):
            results = _annotation(item, where, findings)
            data = item.get("data")
        elif task_id is not None and last[task_id] != index:
            findings.add("label_others", where)
            continue
        else:
            lists = [value for value in item.values() if isinstance(value, list)]
            results = [region for value in lists for region in value if isinstance(region, dict)]
            data = item
        names, embedded = _picture(data if isinstance(data, dict) else {}, item.get("file_upload"))
        yield Task(where, names, embedded, results)


def _task_id(item):
    task = item.get("task", item) if isinstance(item, dict) else {}
    value = task.get("id") if isinstance(task, dict) else task
    return value if type(value) in (int, str) else None


def _is_min(item):
    """Whether a task is one of JSON-MIN: its data and its regions side by side."""
    return isinstance(item, dict) and not {"annotations", "completions", "data", "result"} & set(item)


def _annotation(item: Dict[str, Any], place: str, findings: Findings) -> List[Any]:
    """The regions of one annotation of a task: the ground truth, or else the newest."""
    written = item.get("annotations", item.get("completions"))
    written = written if isinstance(written, list) else []
    usable = [one for one in written if isinstance(one, dict) and not one.get("was_cancelled")]
    if not usable:
        return []
    if len(usable) > 1:
        findings.add("label_others", place, detail=f"{len(usable)} annotations")
    chosen = max(usable, key=lambda one: (one.get("ground_truth") is True, str(one.get("updated_at", ""))))
    results = chosen.get("result")
    if not isinstance(results, list):
        findings.add("label_file_form", place, detail="an annotation with a list 'result' expected")
        return []
    return results


def _picture(data: Dict[str, Any], upload: Any):
    """(names of the picture, its base64 text)."""
    texts = [value for key, value in data.items() if isinstance(value, str) and key != "file_upload"]
    pictures = [text for text in texts if _has_picture_suffix(text)]
    image = data.get("image")
    if not isinstance(image, str):
        image = next(
            iter(pictures or [text for text in texts if text.startswith(("/data/", "data:image"))]), ""
        )
    if image.startswith("data:image"):
        return [], image.partition(",")[2]
    names = picture_names(image)
    if isinstance(upload, str):
        names += picture_names(upload)
    return list(dict.fromkeys(names)), ""


def _has_picture_suffix(text):
    return text.partition("?")[0].lower().endswith(PICTURE_SUFFIXES) or "?d=" in text


def picture_names(image: str) -> List[str]:
    """The names under which a task's picture may be here.

    Args:
        image: /data/upload/1/0a1b2c3d-cat.jpg, /data/local-files/?d=cats/cat.jpg, a URL (also of a cloud
            storage, or a presigned one with the storage's URL in base64), or a path.
    """
    path = _path_of(image.replace("\\", "/"))
    parts = [part for part in path.split("/") if part not in ("", ".", "..")][-_MOST_FOLDERS:]
    names = ["/".join(parts[i:]) for i in range(len(parts))]
    if parts and _UPLOADED.match(parts[-1]):
        names.append(parts[-1][9:])
    return names


def _path_of(image):
    try:
        url = urlsplit(image)
    except ValueError:
        return image
    query = parse_qs(url.query)
    if "d" in query:
        return query["d"][-1]
    if "fileuri" in query:
        text = query["fileuri"][-1]
        try:
            inner = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True).decode()
            return unquote(urlsplit(inner).path)
        except (binascii.Error, ValueError):
            return image
    if url.scheme and url.netloc or image.startswith("/data/"):
        return unquote(url.path)
    return image


def label_texts(values: Any) -> List[str]:
    """The texts of a list of labels."""
    values = values if isinstance(values, list) else [values]
    return [value for value in values if isinstance(value, str) and value.strip()]

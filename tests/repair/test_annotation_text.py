"""A changed annotation file is the old text everywhere else."""

from __future__ import annotations

import json

import pytest

from src.errors import DataError
from src.repair.annotation_text import AnnotationText
from tests.repair.labels import annotation, content

ODD = """{"zeta": [1.50, 1E2], "images": [{"id": 1, "file_name": "a\\u00e9.png"}],
  "annotations" : [
    {"id": 5, "bbox": [1.0, 2.00, 3e0, 4],  "who": "Zoë"},
    {"id": 9,"bbox":[0,0,1,1]} ,
\t{"id": "7", "bbox": [5, 6, 7, 8.10]}
  ],
  "categories": [], "annotationsX": {"annotations": [0]}}
"""


@pytest.fixture
def odd(tmp_path):
    path = tmp_path / "odd.json"
    path.write_text(ODD, encoding="utf-8")
    return AnnotationText(path)


def changed(text, **changes):
    return "".join(
        text.with_changes(changes.get("changed", {}), changes.get("removed", set()), changes.get("added", []))
    )


def test_without_changes_it_is_the_text(odd):
    assert changed(odd) == ODD


def test_ids_are_read_in_any_spelling(odd):
    assert odd.positions == {5: 0, 9: 1, 7: 2}
    assert odd.item(7) == {"id": "7", "bbox": [5, 6, 7, 8.1]} and odd.largest_id() == 9


def test_only_the_changed_one_is_written_anew(odd):
    assert changed(odd, changed={9: {"id": 9, "new": 1}}) == ODD.replace(
        '{"id": 9,"bbox":[0,0,1,1]}', '{"id": 9, "new": 1}'
    )


@pytest.mark.parametrize("removed", [{5}, {9}, {7}, {5, 9}, {9, 7}, {5, 9, 7}])
@pytest.mark.parametrize("added", [[], [{"id": 10}], [{"id": 10}, {"id": 11}]])
def test_removing_and_adding_leaves_json_with_the_rest(odd, removed, added):
    text = changed(odd, removed=removed, added=added)
    before, after = json.loads(ODD), json.loads(text)
    left = [item for item in before["annotations"] if int(item["id"]) not in removed]
    assert after == {**before, "annotations": left + added}
    assert list(after) == list(before)
    for item in (
        '{"id": 5, "bbox": [1.0, 2.00, 3e0, 4],  "who": "Zoë"}',
        '{"id": "7", "bbox": [5, 6, 7, 8.10]}',
    ):
        assert (item in text) == (int(json.loads(item)["id"]) not in removed)
    assert '"zeta": [1.50, 1E2]' in text and "a\\u00e9.png" in text


def test_an_object_is_added_to_an_empty_list(tmp_path):
    path = tmp_path / "empty.json"
    path.write_text('{"images": [], "annotations": [ ], "categories": []}')
    assert json.loads(changed(AnnotationText(path), added=[{"id": 1}, {"id": 2}]))["annotations"] == [
        {"id": 1},
        {"id": 2},
    ]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("[1, 2]", "repair.py takes COCO JSON"),
        ("picture.jpg 1,2,3,4,0", "convert_data.py SOURCE OUT --to coco"),
        ('{"images": []}', "has no 'annotations'"),
        ('{"annotations": {"a": 1}}', "has no 'annotations'"),
        ('{"annotations": [{"id": 1}', "repair.py takes COCO JSON"),
        ('{"annotations": [{"id": 1}, {"id": 1.0}]}', r"annotations\[1\] has the id 1 of another one"),
        ('{"annotations": [{"id": 1}, {"image_id": 1}]}', r"annotations\[1\] has no whole number as id"),
    ],
)
def test_other_files_are_refused_in_one_line(tmp_path, text, expected):
    path = tmp_path / "labels.json"
    path.write_text(text)
    with pytest.raises(DataError, match=expected) as error:
        AnnotationText(path)
    assert "\n" not in str(error.value) and str(path) in str(error.value)


def test_a_folder_of_label_files_is_refused(tmp_path):
    with pytest.raises(DataError, match="convert_data.py"):
        AnnotationText(tmp_path)


def test_a_file_in_utf_16_is_read(tmp_path):
    path = tmp_path / "wide.json"
    written = json.dumps(content([annotation(1, 1, 2, 3, note="é")]), ensure_ascii=False)
    path.write_bytes(written.encode("utf-16"))
    assert changed(AnnotationText(path)) == written

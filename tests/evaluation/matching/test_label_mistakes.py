"""Suspected label mistakes, and the pictures behind a cell of the confusion matrix."""

from __future__ import annotations

from src.evaluation.coco_settings import CocoSettings
from src.evaluation.inputs import read_inputs
from src.evaluation.matching.confusion import confusion_matrix
from src.evaluation.matching.label_mistakes import label_mistakes
from src.evaluation.matching.table import make_match_table
from tests.evaluation.coco_examples import annotation, row


def suspicious_table():
    """In picture 1 all is right but a missing annotation; in picture 2 one object is labelled b instead of a.

    Picture 3 has an object that is none, and a crowd with a detection in it.
    """
    truth = {
        "images": [{"id": number, "width": 400, "height": 400} for number in (1, 2, 3)],
        "categories": [{"id": 1, "name": "a"}, {"id": 2, "name": "b"}],
        "annotations": [
            annotation(1, 1, 1, (0, 0, 40, 40)),
            annotation(2, 2, 2, (100, 0, 40, 40)),
            annotation(3, 3, 2, (200, 0, 40, 40)),
            annotation(4, 3, 1, (0, 200, 200, 200), iscrowd=1),
        ],
    }
    rows = [
        row(1, 1, (0, 0, 40, 40), 0.9),
        row(1, 2, (300, 300, 40, 40), 0.8),  # where nothing is annotated
        row(1, 2, (300, 200, 40, 40), 0.1),  # the same, but unsure
        row(2, 1, (100, 0, 40, 40), 0.95),  # of class a, on an object of class b
        row(3, 2, (10, 210, 40, 40), 0.85),  # another class within a crowd
        row(3, 2, (225, 0, 40, 40), 0.7),  # beside the object of picture 3: IoU 15/65
    ]
    return make_match_table(read_inputs(truth, rows, "bbox"), CocoSettings())


def test_what_is_suspected():
    table = suspicious_table()
    mistakes = label_mistakes(table, 0, confusion_matrix(table, 0, 0.5))
    assert [(entry["image_id"], entry["row"], entry["class"]) for entry in mistakes["without_object"]] == [
        (1, 1, "b")
    ]
    assert mistakes["without_object"][0]["bbox"] == [300, 300, 40, 40]
    never = mistakes["never_found"]
    assert [(entry["image_id"], entry["class"], entry["area"]) for entry in never] == [(3, "b", 1600)]
    assert abs(never[0]["best_iou"] - 15 / 65) < 1e-12
    assert [
        (entry["image_id"], entry["class"], entry["predicted"], entry["score"], entry["row"])
        for entry in mistakes["other_class"]
    ] == [(2, "b", "a", 0.95, 3)]
    assert mistakes["swapped_classes"] == [
        {"classes": ["a", "b"], "first_as_second": 0, "second_as_first": 1}
    ]


def test_lists_have_a_limit_and_the_most_suspicious_first():
    table = suspicious_table()
    mistakes = label_mistakes(table, 0, confusion_matrix(table, 0, 0.0), most=1)
    assert [len(entries) for entries in mistakes.values()] == [1, 1, 1, 1]
    assert mistakes["without_object"][0]["row"] == 1


def test_a_cell_of_the_confusion_matrix_names_its_pictures():
    table = suspicious_table()
    confusion = confusion_matrix(table, 0, 0.5)
    # rows: a, b, background; the detection in the crowd is of another class, so it counts
    assert confusion.matrix.tolist() == [[1, 0, 0], [1, 0, 1], [0, 3, 0]]
    assert confusion.pictures(table, 0, 0) == [1]
    assert confusion.pictures(table, 1, 0) == [2]
    assert confusion.pictures(table, 1, 2) == [3]
    assert confusion.pictures(table, 2, 1) == [1, 3]
    assert confusion.pictures(table, 0, 1) == []

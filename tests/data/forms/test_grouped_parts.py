"""Shapes of one group are one object."""

from src.data.forms.grouped_parts import Part, grouped_objects

A, B, C, D, E, F = ([x, 0.0, x + 1.0, 0.0, x, 1.0] for x in range(6))


def test_shapes_of_one_class_and_group_are_one_object_at_the_place_of_the_first():
    parts = [
        Part("cat", 1, "1st", A),
        Part("cat", None, "2nd", B),
        Part("dog", 1, "3rd", C),
        Part("cat", None, "4th", D),
        Part("cat", 1, "5th", E, crowd=True),
        Part("cat", "1", "6th", F),
    ]
    objects = grouped_objects(parts)
    assert [(one.class_name, one.place, one.segmentation, one.crowd) for one in objects] == [
        ("cat", "1st", [A, E], True),
        ("cat", "2nd", [B], False),
        ("dog", "3rd", [C], False),
        ("cat", "4th", [D], False),
        ("cat", "6th", [F], False),
    ]


def test_a_rectangle_of_a_group_is_no_box():
    square = [0.0, 0.0, 9.0, 0.0, 9.0, 9.0, 0.0, 9.0]
    (alone,) = grouped_objects([Part("cat", 1, "", square, is_box=True)])
    assert (alone.box, alone.is_box) == ((0.0, 0.0, 9.0, 9.0), True)
    (two,) = grouped_objects([Part("cat", 1, "", square, is_box=True), Part("cat", 1, "", A)])
    assert (two.box, two.is_box) == (None, False)

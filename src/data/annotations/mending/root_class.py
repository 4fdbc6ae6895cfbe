"""Roboflow's first category: not a class, but what its COCO files call all classes together.

    "categories": [{"id": 0, "name": "animals", "supercategory": "none"},
                   {"id": 1, "name": "cat", "supercategory": "animals"}, ...]

No object has it. As a class it would be one more for the network, and its name may be a class's, too.
"""

from __future__ import annotations

from typing import Any, Collection, List, Optional

_ROOT_ID = 0


def root_position(categories: List[Any], used: Collection[int]) -> Optional[int]:
    """The position of such a category in COCO's list; None where there is none.

    Args:
        categories: the list as written.
        used: the category ids of the annotations.
    """
    if _ROOT_ID in used or not all(isinstance(category, dict) for category in categories):
        return None
    roots = [
        index
        for index, category in enumerate(categories)
        if type(category.get("id")) is int and category["id"] == _ROOT_ID
    ]
    if len(roots) != 1 or len(categories) < 2:
        return None
    root = categories[roots[0]]
    parents = [category.get("supercategory") for category in categories if category is not root]
    is_parent = isinstance(root.get("name"), str) and all(parent == root["name"] for parent in parents)
    return roots[0] if is_parent and root.get("supercategory") in ("none", None, "") else None

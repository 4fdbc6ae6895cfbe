"""The ten lines of NumPy in docs/deploy.md give the expected objects of the golden picture."""

from __future__ import annotations

import json
import re

import numpy as np
import pytest
from PIL import Image
from pycocotools import mask as mask_api

from tests.conftest import ROOT

GOLDEN = ROOT / "tests" / "golden"


@pytest.fixture(scope="module")
def lines():
    """The program as it stands in the document."""
    page = (ROOT / "docs" / "deploy.md").read_text(encoding="utf-8")
    return re.search(r"## Post-processing\n.*?```python\n(.*?)```", page, re.DOTALL)[1]


def test_the_document_says_ten_lines_and_numpy_alone(lines):
    written = [line for line in lines.splitlines() if line.strip() and not line.startswith("import")]
    assert len(written) == 10
    assert re.findall(r"^import (\w+)", lines, re.MULTILINE) == ["numpy"]


def test_the_ten_lines_find_the_golden_objects(lines):
    outputs = np.load(GOLDEN / "outputs.npz")
    expected = json.loads((GOLDEN / "expected.json").read_text())
    height, width = np.asarray(Image.open(GOLDEN / "picture.png")).shape[:2]
    assert [height, width] == expected["size"]
    namespace = {}
    exec(lines, namespace)
    found = namespace["objects"](
        outputs["boxes"], outputs["scores"], outputs["labels"], outputs["masks"], outputs["image_meta"]
    )
    wanted = expected["objects"]
    assert len(found) == len(wanted) == 3
    for (label, score, box, mask), one in zip(sorted(found, key=lambda item: -item[1]), wanted):
        assert expected["classes"][label] == one["class"]
        assert score == pytest.approx(one["score"], abs=1e-4)
        np.testing.assert_allclose(box, one["box"], atol=0.01)
        pixels = mask_api.decode(one["segmentation"]).astype(bool)
        assert mask.shape == (height, width) and mask.dtype == bool
        # OpenCV places samples to 1/32 of a pixel: at most some pixels of the outline differ.
        assert (mask != pixels).sum() <= 0.005 * pixels.sum() + 2

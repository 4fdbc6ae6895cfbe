"""The notebooks run from top to bottom, and are kept without what they printed."""

from __future__ import annotations

import json
import re

import numpy as np
import pytest

from tests.conftest import ROOT

NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_no_outputs_are_stored(path):
    cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
    code = [cell for cell in cells if cell["cell_type"] == "code"]
    assert code and all(cell["outputs"] == [] and cell["execution_count"] is None for cell in code)


def text_of(cell):
    return "".join(output.get("text", "") for output in cell.outputs)


def test_fine_tuning_from_the_check_to_the_exported_file(tmp_path, monkeypatch):
    nbformat = pytest.importorskip("nbformat")
    nbclient = pytest.importorskip("nbclient")
    monkeypatch.setenv("MASKRCNN_PROJECT", str(ROOT))
    notebook = nbformat.read(ROOT / "notebooks" / "finetune_on_your_data.ipynb", as_version=4)
    nbclient.NotebookClient(
        notebook, timeout=500, kernel_name="python3", resources={"metadata": {"path": str(tmp_path)}}
    ).execute()
    cells = {cell.id: cell for cell in notebook.cells}
    assert "wrote data_report.json, data_report.png, data_browse" in text_of(cells["check"])
    shown = [
        output.data.keys()
        for cell in notebook.cells
        for output in cell.get("outputs", ())
        if "data" in output
    ]
    assert sum("image/png" in data for data in shown) == 6
    assert "report.html" in text_of(cells["eval"])
    figures = json.loads((tmp_path / "finetune" / "eval" / "metrics.json").read_text())
    assert figures["pictures"] == 8 and 0 <= figures["segm"]["AP"] <= 1
    assert "mask_rcnn.onnx" in text_of(cells["export"])
    # Both ways of prediction find the same in the first picture.
    rows = json.loads((tmp_path / "finetune" / "predictions" / "results.json").read_text())
    rows = [row for row in rows if row["image_id"] == 1]
    found = re.findall(r"^(\w+) +([\d.]+) \[(.+)\] \d+ pixels$", text_of(cells["python"]), re.M)
    assert rows  # else nothing is compared
    assert [(row["category"], f"{row['score']:.2f}") for row in rows] == [pair[:2] for pair in found]
    for row, (_, _, box) in zip(rows, found):
        x1, y1, x2, y2 = (float(side) for side in box.split(","))
        np.testing.assert_allclose(row["bbox"], [x1, y1, x2 - x1, y2 - y1], atol=1.01)

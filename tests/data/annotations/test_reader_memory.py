"""What reading an annotation file holds in memory: COCO's file is half a gigabyte."""

from __future__ import annotations

import json
import tracemalloc

from src.config import load_config
from src.data.annotations import coco_reader
from src.data.annotations.json_stream import parse_object
from src.data_settings import annotation_settings

SIZE = 4_000_000


def test_the_bytes_are_gone_when_their_text_is_parsed(tmp_path, monkeypatch):
    path = tmp_path / "instances_train2017.json"
    content = {"info": "x" * SIZE, "images": [], "annotations": [], "categories": [{"id": 1, "name": "disc"}]}
    path.write_text(json.dumps(content))
    held = []

    def parse(text, handlers):
        held.append(tracemalloc.get_traced_memory()[0])
        return parse_object(text, handlers)

    monkeypatch.setattr(coco_reader, "parse_object", parse)
    words = [f"ann_file={path}", f"coco_root={tmp_path}", "coco_classes=auto"]
    settings = annotation_settings(load_config(words), "val")
    tracemalloc.start()
    try:
        source = coco_reader.read_coco(settings)
    finally:
        tracemalloc.stop()
    assert source.records == [] and SIZE < held[0] < 1.5 * SIZE

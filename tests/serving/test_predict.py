"""Pictures through a running server: the answers, against what `Predictor` finds in the same pictures."""

from __future__ import annotations

import concurrent.futures
import io
import json

import numpy as np
import pytest
from pycocotools import mask as coco_mask

from src.data.images.decode import decode_picture
from src.predictor import Predictor
from tests.serving.server import network_file, png, running


@pytest.fixture(scope="module")
def server():
    with running(network_file(), "--max-batch", "4") as server:
        yield server


@pytest.fixture(scope="module")
def predictor():
    return Predictor(network_file())


def form(picture, name="picture", boundary="some-boundary"):
    """(a form's body, its Content-Type), as RFC 7578 writes it."""
    head = f'--{boundary}\r\nContent-Disposition: form-data; name="{name}"; filename="a.png"\r\n'
    body = f"{head}Content-Type: image/png\r\n\r\n".encode() + picture + f"\r\n--{boundary}--\r\n".encode()
    return body, f"multipart/form-data; boundary={boundary}"


def test_bytes_and_a_form_give_what_the_predictor_finds(server, predictor):
    picture = png()
    expected = predictor(decode_picture(picture, "a")).above(0.35)
    assert len(expected) > 2
    body, kind = form(picture)
    for answer in (
        server.predict(picture, "?threshold=0.35"),
        server.predict(picture, "?threshold=0.35", Content_Type="application/octet-stream"),
        server.ask("/v1/predict?threshold=0.35", body, Content_Type=kind),
    ):
        assert answer.status == 200 and answer.headers["content-type"] == "application/json"
        content = answer.json
        assert (content["width"], content["height"]) == (200, 120)
        assert len(content["objects"]) == len(expected)
        for row, instance in zip(content["objects"], expected):
            assert row["category"] == instance.class_name
            assert row["score"] == pytest.approx(instance.score, abs=1e-4)
            x, y, width, height = row["bbox"]
            assert (x, y, x + width, y + height) == pytest.approx(instance.box, abs=0.05)
            mask = coco_mask.decode(row["segmentation"]).astype(bool)
            both = np.logical_and(mask, instance.mask()).sum()
            assert both >= 0.98 * np.logical_or(mask, instance.mask()).sum()


def test_masks_as_polygons_and_not_at_all(server):
    picture = png()
    polygons = server.predict(picture, "?masks=polygons&threshold=0.35").json["objects"]
    assert polygons
    for row in polygons:
        x, y, width, height = row["bbox"]
        for polygon in row["segmentation"]:
            points = np.reshape(polygon, (-1, 2))
            assert len(points) >= 3
            # A pixel that the box cuts is set as a whole.
            assert (points >= (x - 1.5, y - 1.5)).all() and (
                points <= (x + width + 1.5, y + height + 1.5)
            ).all()
    plain = server.predict(picture, "?masks=none&threshold=0.35").json["objects"]
    assert [{**row, "segmentation": None} for row in plain] == [
        {**row, "segmentation": None} for row in polygons
    ]
    assert all("segmentation" not in row for row in plain)


def test_the_drawing_by_query_and_by_accept_header(server):
    picture = png()
    by_query = server.predict(picture, "?format=png&threshold=0.35")
    by_header = server.predict(picture, "?threshold=0.35", Accept="image/png, */*;q=0.1")
    for answer in (by_query, by_header):
        assert answer.status == 200 and answer.headers["content-type"] == "image/png"
        drawn = decode_picture(answer.body, "drawn")
        # Pictures with a side under 400 are enlarged by a whole number: 4 here.
        assert drawn.shape == (480, 800, 3)
    original = np.repeat(np.repeat(decode_picture(picture, "a"), 4, 0), 4, 1)
    changed = np.abs(drawn.astype(int) - original).max(2) > 60
    assert 0.02 < changed.mean() < 0.9
    assert (
        server.predict(picture, "?format=json", Accept="image/png").headers["content-type"]
        == "application/json"
    )
    assert server.predict(picture, Accept="*/*").headers["content-type"] == "application/json"


def test_requests_at_the_same_time_share_batches_and_get_their_own_answers(server, predictor):
    pictures = [png(seed=seed) for seed in range(8)]
    expected = [predictor(decode_picture(picture, "a")).above(0.35) for picture in pictures]
    assert len({len(found) for found in expected}) > 1
    batches = server.metric("maskrcnn_batch_pictures_count")
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda picture: server.predict(picture, "?threshold=0.35"), pictures * 2))
    for answer, found in zip(answers, expected * 2):
        assert [row["score"] for row in answer.json["objects"]] == pytest.approx(
            found.scores.tolist(), abs=1e-4
        )
    batches = server.metric("maskrcnn_batch_pictures_count") - batches
    assert 4 <= batches < 16, "16 pictures in batches of at most 4"


def test_exif_rotation_is_applied(server):
    from PIL import Image

    image = Image.new("RGB", (90, 40), (200, 30, 30))
    exif = Image.Exif()
    exif[274] = 6
    file = io.BytesIO()
    image.save(file, "JPEG", exif=exif)
    answer = server.predict(file.getvalue(), Content_Type="image/jpeg").json
    assert (answer["width"], answer["height"]) == (40, 90)


def test_the_model_tells_its_name_and_classes(server):
    model = server.ask("/v1/model").json
    assert model["name"] == "small.onnx"
    assert model["classes"] == [
        {"id": i, "name": name} for i, name in enumerate(("square", "disc", "star"), 1)
    ]
    assert model["canvas"] == {"width": 128, "height": 128}
    assert server.ask("/health").json == {"status": "ok"} and server.ask("/ready").json == {"status": "ready"}


def test_metrics_count_answers_by_path_and_status(server):
    name = 'maskrcnn_requests_total{path="%s",status="%d"}'
    before = [
        server.metric(name % pair) for pair in (("/v1/predict", 200), ("/v1/predict", 415), ("other", 404))
    ]
    server.predict(png())
    server.predict(b"this is no picture")
    server.ask("/no/such/path")
    after = [
        server.metric(name % pair) for pair in (("/v1/predict", 200), ("/v1/predict", 415), ("other", 404))
    ]
    assert np.subtract(after, before).tolist() == [1, 1, 1]
    assert b"no/such" not in server.ask("/metrics").body


def test_headers_keep_the_page_to_this_server(server):
    policy = server.ask("/").headers["content-security-policy"]
    rules = dict(rule.strip().partition(" ")[::2] for rule in policy.split(";"))
    assert (
        rules["default-src"] == "'none'"
        and rules["script-src"] == "'self'"
        and rules["style-src"] == "'self'"
    )
    assert "unsafe" not in policy and "http" not in policy


def test_nothing_of_mindspore_is_loaded(server):
    with open(f"/proc/{server.process.pid}/maps", encoding="utf-8") as file:
        loaded = file.read()
    assert "onnxruntime" in loaded and "mindspore" not in loaded


def test_the_description_is_valid_json_with_every_path(server):
    description = json.loads(server.ask("/openapi.json").body)
    assert set(description["paths"]) == {"/v1/predict", "/v1/model", "/health", "/ready", "/metrics"}

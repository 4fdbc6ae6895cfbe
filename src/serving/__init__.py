"""HTTP for pictures: a network behind `POST /v1/predict`, and a page that uses it."""

"""The description of the server's interface: OpenAPI 3.1, as `/openapi.json` gives it."""

from __future__ import annotations

from typing import Any, Dict, Iterable

from .form import FIELD
from .query import FORMATS, MASKS

_REASONS = {
    400: "The query, or the form, is none that can be read.",
    401: "The bearer token is missing or wrong.",
    408: "The request took too long to arrive.",
    413: "Too many bytes or pixels.",
    415: "The Content-Type, or the file, is no picture's.",
    422: "The picture is damaged, or of a kind that cannot be read.",
    503: "Too many requests, or the server is starting or stopping. Retry-After says when to come again.",
}


def openapi(version: str, with_token: bool) -> Dict[str, Any]:
    """The description.

    Args:
        version: Of the project.
        with_token: Whether a bearer token is asked for.
    """
    description: Dict[str, Any] = {
        "openapi": "3.1.0",
        "info": {
            "title": "Mask R-CNN",
            "version": version,
            "description": "Finds the objects in a picture: class, score, box and mask of each.",
        },
        "paths": {
            "/v1/predict": {"post": _predict(with_token)},
            "/v1/model": {"get": _get("The model, its classes and its limits.", "Model", [503], with_token)},
            "/health": {"get": _get("Whether the process answers.", "Status", [])},
            "/ready": {"get": _get("Whether pictures are taken.", "Status", [503])},
            "/metrics": {"get": _metrics(with_token)},
        },
        "components": {"schemas": _SCHEMAS},
    }
    if with_token:
        description["components"]["securitySchemes"] = {"token": {"type": "http", "scheme": "bearer"}}
    return description


def _predict(with_token: bool) -> Dict[str, Any]:
    picture = {"schema": {"type": "string", "format": "binary", "minLength": 1}}
    form = {
        "schema": {
            "type": "object",
            "properties": {FIELD: {"type": "string", "format": "binary"}},
            "required": [FIELD],
            "additionalProperties": False,
        }
    }
    kinds = ("image/jpeg", "image/png", "image/webp", "application/octet-stream")
    found = {
        "description": "What was found, by falling score.",
        "content": {
            "application/json": {"schema": _reference("Prediction")},
            "image/png": {"schema": {"type": "string", "format": "binary"}},
        },
    }
    return _secured(
        {
            "summary": "Find the objects in a picture.",
            "operationId": "predict",
            "parameters": [
                _parameter(
                    "threshold",
                    "The lowest score.",
                    {"type": "number", "minimum": 0, "maximum": 1, "default": 0.5},
                ),
                _parameter("masks", "The form of the masks.", {"enum": list(MASKS), "default": MASKS[0]}),
                _parameter(
                    "format",
                    "JSON, or the picture with its objects drawn. Without it the Accept header decides.",
                    {"enum": list(FORMATS)},
                ),
            ],
            "requestBody": {
                "required": True,
                "content": {**{kind: picture for kind in kinds}, "multipart/form-data": form},
            },
            "responses": {"200": found, **_problems([400, 408, 413, 415, 422, 503])},
        },
        with_token,
    )


def _get(summary: str, schema: str, statuses: Iterable[int], with_token: bool = False) -> Dict[str, Any]:
    content = {"application/json": {"schema": _reference(schema)}}
    answers = {"200": {"description": summary, "content": content}, **_problems(statuses)}
    return _secured({"summary": summary, "responses": answers}, with_token)


def _metrics(with_token: bool) -> Dict[str, Any]:
    content = {"text/plain": {"schema": {"type": "string"}}}
    answers = {"200": {"description": "Prometheus' text format.", "content": content}}
    return _secured({"summary": "Counters for Prometheus.", "responses": answers}, with_token)


def _secured(operation: Dict[str, Any], with_token: bool) -> Dict[str, Any]:
    if not with_token:
        return operation
    return {
        **operation,
        "security": [{"token": []}],
        "responses": {**operation["responses"], **_problems([401])},
    }


def _problems(statuses: Iterable[int]) -> Dict[str, Any]:
    content = {"application/json": {"schema": _reference("Problem")}}
    answers: Dict[str, Any] = {}
    for status in statuses:
        answers[str(status)] = {"description": _REASONS[status], "content": content}
        if status == 503:
            answers[str(status)]["headers"] = {
                "Retry-After": {"description": "Seconds.", "schema": {"type": "integer", "minimum": 0}}
            }
    return answers


def _parameter(name: str, description: str, schema: Dict[str, Any]) -> Dict[str, Any]:
    return {"name": name, "in": "query", "description": description, "required": False, "schema": schema}


def _reference(name: str) -> Dict[str, str]:
    return {"$ref": f"#/components/schemas/{name}"}


def _object(properties: Dict[str, Any], optional: Iterable[str] = ()) -> Dict[str, Any]:
    return {
        "type": "object",
        "properties": properties,
        "required": [name for name in properties if name not in optional],
        "additionalProperties": False,
    }


_WHOLE = {"type": "integer", "minimum": 0}
_NUMBERS = {"type": "array", "items": {"type": "number"}}
_SCHEMAS = {
    "Problem": _object({"error": {"type": "string", "description": "What is wrong, in one line."}}),
    "Status": _object({"status": {"type": "string"}}),
    "Prediction": _object(
        {
            "width": {**_WHOLE, "description": "Of the picture in pixels, EXIF-rotated."},
            "height": _WHOLE,
            "objects": {"type": "array", "items": _reference("Object")},
        }
    ),
    "Object": _object(
        {
            "category_id": {**_WHOLE, "description": "The class, from 1; /v1/model has the names."},
            "category": {"type": "string"},
            "bbox": {
                **_NUMBERS,
                "minItems": 4,
                "maxItems": 4,
                "description": "Left, top, width and height in the picture's pixels.",
            },
            "score": {"type": "number", "minimum": 0, "maximum": 1},
            "segmentation": {
                "oneOf": [_reference("Rle"), {"type": "array", "items": {**_NUMBERS, "minItems": 6}}],
                "description": "COCO's compressed RLE, or polygons x, y, x, y ...; not with masks=none.",
            },
        },
        optional=["segmentation"],
    ),
    "Rle": _object({"size": {"type": "array", "items": _WHOLE}, "counts": {"type": "string"}}),
    "Model": _object(
        {
            "name": {"type": "string"},
            "classes": {"type": "array", "items": _object({"id": _WHOLE, "name": {"type": "string"}})},
            "canvas": _object({"width": _WHOLE, "height": _WHOLE}),
            "max_objects": _WHOLE,
            "lowest_score": {"type": "number"},
            "limits": _object({"bytes": _WHOLE, "pixels": _WHOLE}),
        }
    ),
}

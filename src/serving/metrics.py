"""What `/metrics` tells, in Prometheus' text format."""

from __future__ import annotations

from typing import Tuple

from prometheus_client import (
    CONTENT_TYPE_LATEST,
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    ProcessCollector,
    generate_latest,
)

_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)
_PICTURES = (1, 2, 4, 8, 16, 32, 64, 128, 256)


class Metrics:
    """The counters of a server.

    Attributes:
        waiting: How many requests wait for the network.
    """

    def __init__(self):
        self._registry = CollectorRegistry()
        ProcessCollector(registry=self._registry)
        self._requests = Counter(
            "maskrcnn_requests", "Answered requests", ("path", "status"), registry=self._registry
        )
        self._request_seconds = Histogram(
            "maskrcnn_request_seconds",
            "From a request's headers to the end of its answer",
            ("path",),
            buckets=_SECONDS,
            registry=self._registry,
        )
        self._batch_pictures = Histogram(
            "maskrcnn_batch_pictures", "Pictures of a batch", buckets=_PICTURES, registry=self._registry
        )
        self._batch_seconds = Histogram(
            "maskrcnn_batch_seconds",
            "The network's time for a batch",
            buckets=_SECONDS,
            registry=self._registry,
        )
        self.waiting = Gauge(
            "maskrcnn_waiting_requests", "Requests that wait for the network", registry=self._registry
        )

    def observe_request(self, path: str, status: int, seconds: float) -> None:
        """Count an answer. `path` is one of the server's own, or "other": strangers make no new series."""
        self._requests.labels(path, str(status)).inc()
        self._request_seconds.labels(path).observe(seconds)

    def observe_batch(self, pictures: int, seconds: float) -> None:
        """Count a run of the network."""
        self._batch_pictures.observe(pictures)
        self._batch_seconds.observe(seconds)

    def text(self) -> Tuple[bytes, str]:
        """(the metrics, their content type)."""
        return generate_latest(self._registry), CONTENT_TYPE_LATEST

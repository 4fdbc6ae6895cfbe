"""Serve a network over HTTP: pictures in, objects out, and a page to try it with.

    python serve.py mask_rcnn.onnx
    python serve.py FILE.ckpt device_target=CPU --port 9000 --tta flip
    python serve.py mask_rcnn.onnx --host 0.0.0.0 --token-file token.txt

    curl -F picture=@photo.jpg http://127.0.0.1:8000/v1/predict
    curl --data-binary @photo.jpg -H "Content-Type: image/jpeg" \\
        "http://127.0.0.1:8000/v1/predict?format=png&threshold=0.3" > drawn.png

The page is at /, the description of the interface at /openapi.json. SIGTERM or Ctrl-C ends the server when
what is in work is answered. It needs the packages of the extra `serve`.
"""

from src.engine.entry import run_main
from src.interpreter import INFERENCE_MODULES

OPTIONS = (
    (
        "--host",
        {"metavar": "ADDRESS", "default": "127.0.0.1", "help": "default: 127.0.0.1, this machine alone"},
    ),
    ("--port", {"metavar": "N", "type": int, "default": 8000, "help": "default: 8000; 0: any free one"}),
    (
        "--token-file",
        {"metavar": "FILE", "help": "ask callers for the bearer token in this file (default: for none)"},
    ),
    (
        "--max-batch",
        {"metavar": "N", "type": int, "default": 8, "help": "pictures in a call of the network (default: 8)"},
    ),
    (
        "--batch-wait",
        {
            "metavar": "SECONDS",
            "type": float,
            "default": 0.005,
            "help": "how long a picture waits for others to join its batch (default: 0.005)",
        },
    ),
    (
        "--queue",
        {
            "metavar": "N",
            "type": int,
            "default": 64,
            "help": "requests that may wait for the network; further ones get 503 (default: 64)",
        },
    ),
    (
        "--max-bytes",
        {"metavar": "N", "type": int, "default": 20_000_000, "help": "of a request (default: 20000000)"},
    ),
    (
        "--max-pixels",
        {"metavar": "N", "type": int, "default": 25_000_000, "help": "of a picture (default: 25000000)"},
    ),
    (
        "--read-timeout",
        {
            "metavar": "SECONDS",
            "type": float,
            "default": 20.0,
            "help": "how long a request, and its answer, may be on their way (default: 20)",
        },
    ),
    (
        "--timeout",
        {
            "metavar": "SECONDS",
            "type": float,
            "default": 30.0,
            "help": "how long a request may wait and be worked on (default: 30)",
        },
    ),
)


def main() -> int:
    from src.engine.command import VIEW_OPTIONS, parse
    from src.serving.command import serve_model

    config, args = parse(__doc__, takes_files=True, options=(*OPTIONS, *VIEW_OPTIONS))
    return serve_model(config, args)


if __name__ == "__main__":
    run_main(main, INFERENCE_MODULES)

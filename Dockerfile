# Serves an ONNX file on a CPU, without MindSpore: docs/serving.md#in-a-container
FROM python:3.12-slim-bookworm
WORKDIR /app
COPY pyproject.toml requirements.txt README.md ./
COPY src src
# The versions are in pyproject.toml.
# hadolint ignore=DL3013
RUN pip install --no-cache-dir ".[infer,serve]" && useradd --create-home --uid 10001 server
COPY serve.py ./
USER 10001
EXPOSE 8000
HEALTHCHECK --start-period=30s CMD \
    ["python", "-c", "from urllib.request import urlopen; urlopen('http://127.0.0.1:8000/ready', timeout=3)"]
# SIGTERM, which `docker stop` sends, reaches serve.py itself.
ENTRYPOINT ["python", "serve.py", "--host", "0.0.0.0"]
CMD ["/model/mask_rcnn.onnx"]

#!/usr/bin/env bash
set -euo pipefail
# shellcheck source=scripts/common.sh
source "$(dirname -- "$(readlink -f -- "${BASH_SOURCE[0]}")")/common.sh"

help_if_asked 'From a fresh clone to a trained, evaluated and exported network: draws a small data set of
shapes, trains on it, evaluates, exports, and draws what the exported file finds.

    bash scripts/run_demo.sh [KEY=VALUE ...]

KEY=VALUE   settings over those of configs/demo.yaml (src/config.py lists them all)

    bash scripts/run_demo.sh
    bash scripts/run_demo.sh seed=2

Everything is written to demo/ in the current folder. The first run makes .venv and installs requirements.txt;
a second installs nothing.
PYTHON=... names the interpreter; else the active environment is used, and what it lacks is installed
there.' "$@"

setup_python "${REQUIREMENTS[@]}"
run_module src.engine.demo "$@"

#!/usr/bin/env bash
set -euo pipefail
# shellcheck source=scripts/common.sh
source "$(dirname -- "$(readlink -f -- "${BASH_SOURCE[0]}")")/common.sh"

help_if_asked 'Run the tests.

    bash scripts/run_tests.sh [--all] [PYTEST_WORD ...]

--all         the slow tests too (minutes each)
PYTEST_WORD   anything pytest takes; paths are relative to the project; -n 0 for one process (two share the
              work otherwise)

    bash scripts/run_tests.sh
    bash scripts/run_tests.sh tests/test_config.py -k alias

The exit code is that of pytest. Tests that need the references and data of MASKRCNN_SHARED (default: shared/
beside the project) are skipped where that folder is missing. The first run makes .venv and installs
requirements-dev.txt; a second installs nothing.
PYTHON=... names the interpreter; else the active environment is used, and what it lacks is installed
there.' "$@"

words=() chosen=(-m "not slow")
for word in "$@"; do
    if [[ $word == --all ]]; then chosen=(); else words+=("$word"); fi
done

setup_python requirements.txt requirements-dev.txt
cd -- "$PROJECT_ROOT"
# A file's tests stay in one worker, which compiles a network once for all of them; tests/conftest.py says
# which files come first.
exec "$PYTHON" -m pytest -q -p xdist -n 2 --dist loadfile \
    ${chosen[@]+"${chosen[@]}"} ${words[@]+"${words[@]}"}

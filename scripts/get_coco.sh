#!/usr/bin/env bash
set -euo pipefail
# shellcheck source=scripts/common.sh
source "$(dirname -- "$(readlink -f -- "${BASH_SOURCE[0]}")")/common.sh"

# bash scripts/get_coco.sh FOLDER [val|all]: needs only the standard library, so any Python 3 will do. --help
# tells more.
PYTHON=$(any_python)
run_module scripts.get_coco "$@"

#!/usr/bin/env bash
set -euo pipefail
# shellcheck source=scripts/common.sh
source "$(dirname -- "$(readlink -f -- "${BASH_SOURCE[0]}")")/common.sh"

# bash scripts/get_coco.sh FOLDER [val|all]: needs the standard library alone, so any Python 3 will do. --help tells the rest.
python=$(any_python)
exec "$python" "$PROJECT_ROOT/scripts/get_coco.py" "$@"

#!/usr/bin/env bash
set -euo pipefail
# shellcheck source=scripts/common.sh
source "$(dirname -- "$(readlink -f -- "${BASH_SOURCE[0]}")")/common.sh"

# bash scripts/make_rank_table.sh N: needs only the standard library, so any Python 3 will do. --help tells
# more.
PYTHON=$(any_python)
run_module scripts.make_rank_table "$@"

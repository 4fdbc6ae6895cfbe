#!/usr/bin/env bash
set -euo pipefail
# shellcheck source=scripts/common.sh
source "$(dirname -- "$(readlink -f -- "${BASH_SOURCE[0]}")")/common.sh"

help_if_asked 'Check an Ascend card: the device, operators against NumPy, one training step against the CPU,
ten steps, resuming, two ranks, export. Prints a table to paste into an issue.

    bash scripts/check_ascend.sh [--quick] [--config FILE] [KEY=VALUE ...]

--quick         without resuming, two ranks and export
--config FILE   a YAML file of settings (default: configs/demo.yaml)
KEY=VALUE       settings over it (src/config.py lists them all)

    bash scripts/check_ascend.sh
    bash scripts/check_ascend.sh device_target=CPU          tries the check itself, without a card

Everything is written to ascend_check/ in the current folder, the table to ascend_check/table.md. The exit
code is 1 if a row says FAILED. It takes some minutes, most of them compilation.
PYTHON=... names the interpreter; else the active environment is used, else .venv, which is made where it is
missing.' "$@"

use_python
run_module src.engine.card_check "$@"

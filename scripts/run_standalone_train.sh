#!/usr/bin/env bash
set -euo pipefail
# shellcheck source=scripts/common.sh
source "$(dirname -- "$(readlink -f -- "${BASH_SOURCE[0]}")")/common.sh"

help_if_asked 'Train on one device, or on the CPU.

    bash scripts/run_standalone_train.sh [PRETRAINED_CKPT] [--config FILE] [KEY=VALUE ...]

PRETRAINED_CKPT   weights to start from; "" or nothing: train from scratch
--config FILE     a YAML file of settings
KEY=VALUE         settings (src/config.py lists them all); they win over the file

    bash scripts/run_standalone_train.sh resnet50.ckpt coco_root=/data/coco
    bash scripts/run_standalone_train.sh "" coco_root=/data/coco max_steps=5 batch_size=2

Everything is written to train/ in the current folder: loss_0.log, checkpoint/, and the output in log. A
train/ that holds an earlier run is refused; a resume=... word goes on with it, and FORCE=1 before the command
deletes it.
PYTHON=... names the interpreter; else the active environment is used, else .venv, which is made where it
is missing.' "$@"

pretrained=
if (($#)) && ! is_option "$1"; then
    pretrained=$1
    shift
fi
[[ -z $pretrained || -f $pretrained ]] || die "PRETRAINED_CKPT $pretrained: no such file"

use_python
refuse_earlier train -- "$@"
open_log train "$@"
code=0
run_logged train/log "$PYTHON" "$PROJECT_ROOT/train.py" --work-dir train \
    ${pretrained:+"pre_trained=$pretrained"} "$@" || code=$?
drop_unstarted "$code" train -- "$@"
exit "$code"

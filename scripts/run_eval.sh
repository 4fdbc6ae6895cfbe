#!/usr/bin/env bash
set -euo pipefail
# shellcheck source=scripts/common.sh
source "$(dirname -- "$(readlink -f -- "${BASH_SOURCE[0]}")")/common.sh"

help_if_asked 'Evaluate a checkpoint: COCO AP of boxes and masks.

    bash scripts/run_eval.sh [VALIDATION_JSON_FILE] [CHECKPOINT_PATH] [--config FILE] [KEY=VALUE ...]

VALIDATION_JSON_FILE   the annotations to evaluate; "" or nothing: the evaluation split of coco_root
CHECKPOINT_PATH        the weights to use; "" or nothing: the key checkpoint_path
--config FILE          a YAML file of settings, the one that was trained with
KEY=VALUE              settings (src/config.py lists them all); they win over the file

    bash scripts/run_eval.sh /data/coco/annotations/instances_val2017.json \
        train/checkpoint/mask_rcnn-12_7393.ckpt coco_root=/data/coco

Everything is written to eval/ in the current folder: metrics.json, results_bbox.json, results_segm.json, and
the output in log.
PYTHON=... names the interpreter; else the active environment is used, else .venv, which is made where it
is missing.' "$@"

annotations='' checkpoint=''
if (($#)) && ! is_option "$1"; then
    annotations=$1
    shift
    if (($#)) && ! is_option "$1"; then
        checkpoint=$1
        shift
    fi
fi
[[ -z $annotations || -f $annotations ]] || die "VALIDATION_JSON_FILE $annotations: no such file"
[[ -z $checkpoint || -e $checkpoint ]] || die "CHECKPOINT_PATH $checkpoint: no such file"

use_python
open_log eval
run_logged eval/log "$PYTHON" "$PROJECT_ROOT/eval.py" --work-dir eval \
    ${annotations:+"ann_file=$annotations"} ${checkpoint:+"checkpoint_path=$checkpoint"} "$@"

#!/usr/bin/env bash
set -euo pipefail
# shellcheck source=scripts/common.sh
source "$(dirname -- "$(readlink -f -- "${BASH_SOURCE[0]}")")/common.sh"

help_if_asked 'Train on many devices, one process each.

    bash scripts/run_distribute_train.sh RANK_TABLE_FILE [PRETRAINED_CKPT] [--config FILE] [KEY=VALUE ...]
    WORKERS=N bash scripts/run_distribute_train.sh - [PRETRAINED_CKPT] [--config FILE] [KEY=VALUE ...]

RANK_TABLE_FILE   the cards that train together (bash scripts/make_rank_table.sh 8 writes one); run the
                  command on every host of it. MindSpore 2.8 no longer starts from a table itself: the ranks
                  find each other as those of msrun do
-                 no table: msrun starts WORKERS processes, on Ascend or on the CPU
PRETRAINED_CKPT   weights to start from; "" or nothing: train from scratch
KEY=VALUE         settings (src/config.py lists them all); they win over those of --config FILE

    bash scripts/run_distribute_train.sh rank_table_8pcs.json resnet50.ckpt coco_root=/data/coco
    WORKERS=2 bash scripts/run_distribute_train.sh - "" device_target=CPU coco_root=/data/coco
    WORKERS=16 NODES=2 NODE_RANK=0 MASTER_ADDR=10.0.0.1 \
        bash scripts/run_distribute_train.sh - resnet50.ckpt        (and NODE_RANK=1 on the other host)

Rank i writes everything to train_parallel{i}/ in the current folder, its output to log there; the first rank
of a host is shown here as well. Folders that hold an earlier run are refused; a resume=... word goes on with
it, and FORCE=1 deletes it.
When a rank fails, the others are ended and its exit code is passed on.
Environment:
  PYTHON                the interpreter; else the active environment is used, else .venv, which is made where
                        it is missing
  HCCL_CONNECT_TIMEOUT  seconds that cards wait for each other at the start (default 600)
  GLOG_v                the level of MindSpore log lines (default 3, errors; at 2 there are pages of them
                        while the processes connect)
  NO_BIND=1             do not bind the processes to processor cores (taskset); without it each gets an equal
                        share of the cores (rank table only)
  SERVER_ID             which server of the table this host is, from 0 (default: told by its address)
  WORKERS, NODES        without a table: processes in all (default 8), hosts (default 1)
  NODE_RANK             and which host this is, from 0
  MASTER_ADDR, MASTER_PORT   where the first host listens (default: the address of rank 0 in the table, port
                        8118; with one host 127.0.0.1 and a free port)' "$@"

(($#)) || die "RANK_TABLE_FILE is missing ('-' for none); --help tells more"
table=$1 pretrained=''
shift
if (($#)) && ! is_option "$1"; then
    pretrained=$1
    shift
fi
[[ -z $pretrained || -f $pretrained ]] || die "PRETRAINED_CKPT $pretrained: no such file"
[[ $table == - || -f $table ]] || die "RANK_TABLE_FILE $table: no such file"
use_python

# whole_number NAME LEAST: an error unless the variable is a whole number of at least LEAST.
whole_number() {
    [[ ${!1} =~ ^[0-9]{1,9}$ && ${!1} -ge $2 ]] || die "$1=${!1}: a whole number of at least $2 expected"
}

# ---- which ranks run here ----------------------------------------------------------------------------------
export HCCL_CONNECT_TIMEOUT=${HCCL_CONNECT_TIMEOUT:-600} GLOG_v=${GLOG_v:-3}
python3=$PYTHON
[[ $PYTHON_FROM != given ]] || python3=$(any_python)
free_port() {
    "$python3" -c 'import socket; s = socket.socket(); s.bind(("", 0)); print(s.getsockname()[1])'
}

# set_master HOSTS ADDRESS: where the processes of so many hosts meet, unless the environment says it.
set_master() {
    if (($1 == 1)); then
        MASTER_ADDR=${MASTER_ADDR:-127.0.0.1}
        MASTER_PORT=${MASTER_PORT:-$(free_port)}
    else
        MASTER_ADDR=${MASTER_ADDR:-$2}
        MASTER_PORT=${MASTER_PORT:-8118}
    fi
}

ranks=() devices=() cores=() hosts=1
if [[ $table == - ]]; then
    WORKERS=${WORKERS:-8} NODES=${NODES:-1} NODE_RANK=${NODE_RANK:-0}
    whole_number WORKERS 1; whole_number NODES 1; whole_number NODE_RANK 0
    ((NODE_RANK < NODES)) || die "NODE_RANK=$NODE_RANK: less than NODES=$NODES expected"
    ((WORKERS % NODES == 0)) ||
        die "WORKERS=$WORKERS: every one of NODES=$NODES hosts runs as many, so a multiple of it is expected"
    ((NODES == 1)) || [[ -n ${MASTER_ADDR:-} ]] ||
        die "MASTER_ADDR is not set: NODES=$NODES hosts need the address of the first"
    set_master "$NODES" ''
    here=$((WORKERS / NODES)) rank_size=$WORKERS
    for ((i = 0; i < here; i++)); do
        ranks+=($((NODE_RANK * here + i)))
        devices+=("$i")
    done
else
    table=$(absolute "$table")
    lines=$(PYTHON=$python3 run_module scripts.rank_table "$table") || exit $?
    { read -r rank_size here server hosts first_host; while read -r rank device share; do
        ranks+=("$rank"); devices+=("$device"); cores+=("$share")
    done; } <<<"$lines"
    set_master "$hosts" "$first_host"
fi

folders=("${ranks[@]/#/train_parallel}")
wider=()                # left by a run of more ranks, they would look like this run's
if ((here == rank_size)); then
    for folder in train_parallel*; do
        [[ ! $folder =~ ^train_parallel[0-9]+$ || " ${folders[*]} " == *" $folder "* ]] || wider+=("$folder")
    done
fi
refuse_earlier "${folders[@]}" ${wider[@]+"${wider[@]}"} -- "$@"
for folder in "${folders[@]}"; do open_log "$folder" "$@"; done

# ---- start them --------------------------------------------------------------------------------------------
first=${folders[0]}
export LAUNCH=$PWD/$first/.launch RANK_PYTHON=$PYTHON
# MindSpore 2.8 ends with "MindSpore does not support ranktable startup" where it finds a table.
unset RANK_TABLE_FILE
rm -rf -- "$LAUNCH"
mkdir -- "$LAUNCH"
stop=0 launched=() scheduler=() code=0 unfinished=''
trap 'stop=130' INT
trap 'stop=143' TERM HUP
trap : PIPE             # a reader that ends (| head) ends the display, not the training
exec 3<"$first/log"
cat <&3 >/dev/null      # what a resumed run wrote before
show_log() {            # what the first rank has written since the last call
    local line
    while IFS= read -r line <&3; do
        printf '%s\n' "$unfinished$line" || true
        unfinished=''
    done 2>/dev/null
    unfinished+=$line
}
train=("$PROJECT_ROOT/train.py" --work-dir "train_parallel{rank}")
train+=(${pretrained:+"pre_trained=$pretrained"} "$@")
# A process group each: Ctrl-C reaches only this script, and a rank's helper processes can be ended with it.
set -m
if [[ $table == - ]]; then
    note "Starting $here of $rank_size processes with msrun (scheduler: $MASTER_ADDR:$MASTER_PORT);" \
        "logs: $first/msrun and train_parallel{rank}/log"
    mkdir -p -- "$LAUNCH/bin" "$first/msrun"
    # msrun starts `python`.
    printf '#!/usr/bin/env bash\nexec bash %q "$@"\n' "$PROJECT_ROOT/scripts/rank.sh" >"$LAUNCH/bin/python"
    chmod +x -- "$LAUNCH/bin/python"
    PATH=$LAUNCH/bin:$PATH "$PYTHON" -m mindspore.parallel.cluster.run \
        --worker_num="$WORKERS" --local_worker_num="$here" \
        --master_addr="$MASTER_ADDR" --master_port="$MASTER_PORT" --node_rank="$NODE_RANK" \
        --join=True --log_dir="$first/msrun" --tail_worker_log="$WORKERS" \
        "${train[@]}" </dev/null >"$first/msrun/msrun.log" 2>&1 &
    launched+=($!)
else
    note "Starting ${#ranks[@]} of $rank_size processes (ranks ${ranks[*]} on devices ${devices[*]});" \
        "logs: train_parallel{rank}/log"
    export RANK_SIZE=$rank_size DEVICE_NUM=$here SERVER_ID=$server
    if ((rank_size > 1)); then      # what msrun sets
        export MS_WORKER_NUM=$rank_size MS_SCHED_HOST=$MASTER_ADDR MS_SCHED_PORT=$MASTER_PORT
        export MS_TOPO_TIMEOUT=$HCCL_CONNECT_TIMEOUT
        if [[ ${ranks[0]} == 0 ]]; then
            mkdir -p -- "$first/msrun"
            MS_ROLE=MS_SCHED RANK_ID=0 bash "$PROJECT_ROOT/scripts/rank.sh" "${train[@]}" \
                </dev/null >"$first/msrun/scheduler.log" 2>&1 &
            scheduler=($!)
        fi
        export MS_ROLE=MS_WORKER
    fi
    for i in "${!ranks[@]}"; do
        bind=()
        if [[ ${NO_BIND:-} != 1 && ${cores[i]} != - ]] && command -v taskset >/dev/null; then
            bind=(taskset -c "${cores[i]}")
        fi
        RANK_ID=${ranks[i]} MS_NODE_ID=${ranks[i]} DEVICE_ID=${devices[i]} \
            ${bind[@]+"${bind[@]}"} bash "$PROJECT_ROOT/scripts/rank.sh" "${train[@]}" &
        launched+=($!)
    done
fi
set +m

# ---- wait for them, and end them together ------------------------------------------------------------------
rank_pids() { cat -- "$LAUNCH"/pid.* 2>/dev/null || true; }

ranks_left() {
    local file
    for file in "$LAUNCH"/pid.*; do
        [[ ! -e $file || -e ${file/pid./ended.} ]] || ! kill -0 "$(<"$file")" 2>/dev/null || return 0
    done
    return 1
}

# kill_groups PID...: KILL to these process groups; waits for those of them that this script started itself.
kill_groups() {
    local pid
    {   # bash's own lines about killed jobs are no news
        for pid in "$@"; do kill -KILL -- "-$pid" || true; done
        wait "${started[@]}" || true
    } 2>/dev/null
}

# end_all SECONDS: TERM, on which a rank saves and ends, and KILL to every process that is left after so long,
# or after another signal.
end_all() {
    local deadline=$((SECONDS + $1)) pid
    # msrun would kill the others as soon as one has ended.
    [[ $table != - ]] || kill -STOP "${launched[@]}" 2>/dev/null || true
    # rank.sh waits for this file before it lets a rank end.
    : >"$LAUNCH/ending"
    stop=0
    for pid in $(rank_pids); do kill -TERM "$pid" 2>/dev/null || true; done
    while ((SECONDS < deadline && stop == 0)) && ranks_left; do sleep 0.2 || true; show_log; done
    # shellcheck disable=SC2046
    kill_groups "${started[@]}" $(rank_pids)
}

started=("${launched[@]}" ${scheduler[@]+"${scheduler[@]}"})
scheduler_code=0
while ((stop == 0 && ${#launched[@]})) && [[ ! -s $LAUNCH/failed ]]; do
    sleep 0.2 || true
    show_log
    if ((${#scheduler[@]})) && ! kill -0 "${scheduler[0]}" 2>/dev/null; then
        wait "${scheduler[0]}" || scheduler_code=$?
        scheduler=()
        # Without it the ranks would wait for each other for HCCL_CONNECT_TIMEOUT seconds.
        ((scheduler_code == 0)) || { code=$scheduler_code; break; }
    fi
    for i in "${!launched[@]}"; do
        kill -0 "${launched[i]}" 2>/dev/null && continue
        wait "${launched[i]}" || code=$?
        unset 'launched[i]'
        ((code == 0)) || break 2
    done
done

signal=$stop failed=
[[ ! -s $LAUNCH/failed ]] || read -r failed code <"$LAUNCH/failed"
if ((signal)); then
    note "Ending all ranks (60 seconds to save; another signal ends them at once)."
    end_all 60
    code=$signal
elif ((code)); then
    # Longer than a rank's heartbeat monitor waits (GRACE_SECONDS of src/engine/distributed/timeouts.py),
    # which prints what happened before it ends the rank.
    end_all 14          # seconds
fi
# Ranks of other hosts still need the scheduler, which ends by itself after the last of them. Where one never
# says that it has ended, this is longer than what its host allows it (docs/scaling.md).
if ((code == 0 && signal == 0 && hosts > 1 && ${#scheduler[@]})); then
    deadline=$((SECONDS + 120))
    while ((stop == 0 && SECONDS < deadline)) && kill -0 "${scheduler[0]}" 2>/dev/null; do
        sleep 0.2 || true
    done
fi
# It has nothing to save.
((${#scheduler[@]} == 0)) || kill_groups "${scheduler[0]}"
show_log
[[ -z $unfinished ]] || printf '%s\n' "$unfinished" || true
rm -rf -- "$LAUNCH"

if ((signal == 0 && code)); then
    if [[ -n $failed ]]; then
        note "error: rank $failed failed with exit code $code, and the others were ended;" \
            "the last lines of train_parallel$failed/log:"
        tail -n 20 -- "train_parallel$failed/log" >&2
    elif ((scheduler_code)); then
        note "error: MindSpore's scheduler at $MASTER_ADDR:$MASTER_PORT ended with exit code $code, and the ranks" \
            "were ended; the last lines of $first/msrun/scheduler.log:"
        tail -n 20 -- "$first/msrun/scheduler.log" >&2
    else
        note "error: ended with exit code $code before any rank said why;" \
            "see $first/msrun and train_parallel*/log"
    fi
fi
drop_unstarted "$code" "${folders[@]}" -- "$@"
exit "$code"

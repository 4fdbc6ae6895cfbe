# shellcheck shell=bash
# Sourced by the scripts: the project's folder, messages, work folders and logs; with environment.sh also the
# interpreter and its packages.

PROJECT_ROOT=$(CDPATH='' cd -- "$(dirname -- "$(readlink -f -- "${BASH_SOURCE[0]}")")/.." && pwd)

note() { printf '%s\n' "$*" >&2; }
die() { printf 'error: %s\n' "$*" >&2; exit 2; }

# help_if_asked TEXT WORD...: prints the text and ends where -h or --help is among the words.
help_if_asked() {
    local text=$1 word
    shift
    for word in "$@"; do
        if [[ $word == -h || $word == --help ]]; then
            printf '%s\n' "$text"
            exit 0
        fi
    done
}

# What can follow the positional words: KEY=VALUE, --config FILE. (runs/lr=1/a.ckpt is a path: no key has a
# slash.)
is_option() { [[ $1 == --* || $1 =~ ^[A-Za-z_][A-Za-z0-9_.]*= ]]; }

# shellcheck source=scripts/environment.sh
source "$PROJECT_ROOT/scripts/environment.sh"

# run_module MODULE WORD...: `python -m`, but the project's folder, not the caller's, is where modules come
# from.
run_module() {
    exec "$PYTHON" -c 'import runpy, sys
sys.path[0] = sys.argv.pop(1)
runpy.run_module(sys.argv.pop(1), None, "__main__", alter_sys=True)' "$PROJECT_ROOT" "$@"
}

# ---- work folders and logs ---------------------------------------------------------------------------------

# resuming WORD...: whether resume=... is among the words.
resuming() {
    local word
    for word in "$@"; do
        [[ $word != resume=?* || $word == resume=[Nn]one || $word == resume=null ]] || return 0
    done
    return 1
}

# refuse_earlier FOLDER... -- WORD...: a folder that holds an earlier run is an error, unless the words resume
# it or FORCE=1 says to delete it. What has no log is no run of these scripts, so FORCE=1 moves it aside
# instead.
refuse_earlier() {
    local folder aside earlier=()
    while [[ $1 != -- ]]; do
        [[ ! -e $1 || -d $1 ]] || die "$1 is in the way: the work folder has this name"
        [[ ! -d $1 || -z $(ls -A -- "$1") ]] || earlier+=("$1")
        shift
    done
    if ((${#earlier[@]} == 0)) || resuming "$@"; then
        return
    fi
    [[ ${FORCE:-} == 1 ]] ||
        die "${earlier[0]} holds an earlier run: delete it (FORCE=1 before the command) or move it away"
    for folder in "${earlier[@]}"; do
        if [[ -f $folder/log ]]; then
            note "FORCE=1: deleting the earlier run in $folder"
            rm -rf -- "$folder"
        else
            aside=$(mktemp -d -- "$folder.earlier.XXXX")
            note "FORCE=1: $folder holds no log of a run, so it is kept as $aside/$folder"
            mv -- "$folder" "$aside/"
        fi
    done
}

# open_log FOLDER WORD...: makes the folder, and empties its log unless the words resume its run.
open_log() {
    mkdir -p -- "$1"
    resuming "${@:2}" || : >"$1/log"
}

# drop_unstarted CODE FOLDER... -- WORD...: after exit code 2 (a mistake in the command) a folder with a log
# alone holds no run, and goes.
drop_unstarted() {
    local code=$1 folders=()
    shift
    while [[ $1 != -- ]]; do folders+=("$1"); shift; done
    if ((code != 2)) || resuming "$@"; then
        return
    fi
    for folder in "${folders[@]}"; do
        [[ -n $(find "$folder/" -mindepth 1 -maxdepth 1 ! -name log ! -name msrun -print -quit) ]] ||
            rm -rf -- "$folder"
    done
}

# wait_for PID: its exit code; INT and TERM that arrive meanwhile are passed on to it.
wait_for() {
    local pid=$1 code='' status interrupted=1
    trap 'interrupted=1; kill -INT "$pid" 2>/dev/null || true' INT
    trap 'interrupted=1; kill -TERM "$pid" 2>/dev/null || true' TERM HUP
    while ((interrupted)); do
        interrupted=0 status=0
        wait "$pid" || status=$?
        # 127 in the second round: the first one had its code already.
        [[ $status == 127 && -n $code ]] || code=$status
    done
    trap - INT TERM HUP
    return "$code"
}

# run_logged LOG COMMAND...: the command's output to the terminal and, appended, to LOG; returns its exit
# code. stderr stays the terminal, where it is one, so that progress bars are drawn there. The command has its
# own process group (set -m), with which it gets signals through wait_for alone, and its helper processes end
# with it.
run_logged() {
    local log=$1 child code=0 tees=()
    shift
    exec 3> >(trap '' INT TERM HUP PIPE; exec tee -a -- "$log")
    tees+=($!)
    if [[ -t 2 ]]; then
        exec 4>&2
    else
        exec 4> >(trap '' INT TERM HUP PIPE; exec tee -a -- "$log" >&2)
        tees+=($!)
    fi
    set -m
    "$@" </dev/null >&3 2>&4 3>&- 4>&- &
    child=$!
    set +m
    exec 3>&- 4>&-
    wait_for "$child" || code=$?
    kill -KILL -- "-$child" 2>/dev/null || true
    wait "${tees[@]}" 2>/dev/null || true           # bash before 4.4 cannot wait for them
    return "$code"
}

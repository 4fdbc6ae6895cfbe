# shellcheck shell=bash
# Sourced by the scripts: the project's folder, messages, the interpreter with its packages, work folders and
# logs.

PROJECT_ROOT=$(CDPATH='' cd -- "$(dirname -- "$(readlink -f -- "${BASH_SOURCE[0]}")")/.." && pwd)
VENV=$PROJECT_ROOT/.venv
# Set by find_python: given (PYTHON), active (an environment) or venv (the project's own).
PYTHON_FROM=
# What training needs; CANN's set_env.sh, sourced on hosts with Ascend cards, sets ASCEND_HOME_PATH.
REQUIREMENTS=(requirements.txt ${ASCEND_HOME_PATH:+requirements-ascend.txt})

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

# ---- the interpreter ---------------------------------------------------------------------------------------

# A pyenv shim of a version that is not selected exists and fails, so the program is run, not only looked up.
fits() {
    "$1" -c 'import sys; sys.exit(not (3, 9) <= sys.version_info[:2] <= (3, 12))' </dev/null >/dev/null 2>&1
}

absolute() { (CDPATH='' cd -- "$(dirname -- "$1")" && printf '%s/%s\n' "$(pwd)" "$(basename -- "$1")"); }

# Which interpreter the scripts run: PYTHON, else the active environment, else .venv (which may not exist
# yet).
find_python() {
    if [[ -n ${PYTHON:-} ]]; then
        PYTHON_FROM=given
        local given=$PYTHON
        PYTHON=$(type -P -- "$given") ||
            die "PYTHON=$given: no such program; set it to a Python 3.9 to 3.12, or leave it out"
        PYTHON=$(absolute "$PYTHON")
        return
    fi
    local folder=${VIRTUAL_ENV:-${CONDA_PREFIX:-}}
    # conda's base is active in every shell of its users. If its Python does not fit, they have not chosen it.
    if [[ -z ${VIRTUAL_ENV:-} && ${CONDA_DEFAULT_ENV:-} == base ]] && ! fits "$folder/bin/python"; then
        folder=
    fi
    if [[ -n $folder && ! $folder -ef $VENV ]]; then
        PYTHON_FROM=active
        PYTHON=$folder/bin/python
        fits "$PYTHON" || die "the active environment $folder has no working Python 3.9 to 3.12:" \
            "leave it (deactivate), or set PYTHON=..."
        return
    fi
    PYTHON_FROM=venv
    PYTHON=$VENV/bin/python
}

# any_python: some Python 3, for what needs only the standard library. PYTHON comes last: it may be a program
# that only starts others.
any_python() {
    local name path
    for name in python3 python3.12 python3.11 python3.10 python3.9 python ${PYTHON:+"$PYTHON"}; do
        while IFS= read -r path; do
            # Only a real Python multiplies.
            if [[ $("$path" -c 'import sys; print(sys.version_info[0] * 14)' </dev/null 2>/dev/null) == 42 ]]
            then
                printf '%s\n' "$path"
                return
            fi
        done < <(type -aP -- "$name")
    done
    die "no Python 3 found on PATH"
}

# ---- its packages ------------------------------------------------------------------------------------------

# setup_python FILE...: PYTHON becomes an interpreter that has what these requirement files list; installs
# only what is missing.
setup_python() {
    find_python
    if [[ $PYTHON_FROM == venv ]]; then
        make_venv "$@"
    else
        complete_environment "$@"
    fi
}

# use_python: the same with REQUIREMENTS, but an interpreter given by PYTHON is taken as it is.
use_python() {
    find_python
    case $PYTHON_FROM in
        venv) make_venv "${REQUIREMENTS[@]}" ;;
        active) complete_environment "${REQUIREMENTS[@]}" ;;
    esac
}

# pip_install WORD...: pip's output goes to stderr, and is short where stderr is not a terminal.
pip_install() {
    local quiet=(--quiet)
    [[ ! -t 2 ]] || quiet=()
    "$PYTHON" -m pip install --disable-pip-version-check --no-input ${quiet[@]+"${quiet[@]}"} "$@" >&2
}

complete_environment() {
    local missing=() lines
    fits "$PYTHON" || die "$PYTHON is not a working Python 3.9 to 3.12"
    lines=$(cd -- "$PROJECT_ROOT" && "$PYTHON" scripts/missing_requirements.py "$@") || exit $?
    [[ -n $lines ]] || return 0
    while IFS= read -r line; do missing+=("$line"); done <<<"$lines"
    note "Installing into the environment of $PYTHON what it lacks: ${missing[*]}"
    pip_install --constraint "$PROJECT_ROOT/scripts/constraints.txt" "${missing[@]}" ||
        die "pip could not install into the environment of $PYTHON; its message is above"
}

# .venv is whole when its Python runs, no killed set-up left its mark, and it holds a copy of each requirement
# file as it is now.
venv_is_whole() {
    local file
    [[ -x $VENV/bin/python && ! -e $VENV/.installing ]] || return 1
    for file in "$@"; do
        cmp -s -- "$PROJECT_ROOT/$file" "$VENV/.installed-$file" || return 1
    done
    "$VENV/bin/python" -c '' </dev/null >/dev/null 2>&1
}

make_venv() {
    if venv_is_whole "$@"; then
        return
    fi
    (
        if command -v flock >/dev/null; then
            mkdir -p -- "$PROJECT_ROOT/.cache"
            exec 9>"$PROJECT_ROOT/.cache/setup.lock"
            flock -n 9 || { note "Another set-up of $VENV is running; waiting for it."; flock 9; }
        fi
        venv_is_whole "$@" || build_venv "$@"
    )
}

build_venv() {
    local base file files=()
    if [[ -e $VENV ]] && { [[ -e $VENV/.installing ]] || ! fits "$VENV/bin/python"; }; then
        note "$VENV is broken or half-made (an interrupted set-up?); making it anew."
        rm -rf -- "$VENV"
    fi
    if [[ ! -e $VENV ]]; then
        base=$(base_python)
        note "Making $VENV with $base."
        mkdir -- "$VENV"
        : >"$VENV/.installing"
        "$base" -m venv "$VENV" >&2 || die "$base could not make a virtual environment; its message is above"
    fi
    : >"$VENV/.installing"
    for file in "$@"; do files+=(-r "$PROJECT_ROOT/$file"); done
    note "Installing $* into $VENV (once; MindSpore alone is a download of 0.8 GB)."
    # A set-up that is killed leaves the mark; one that fails leaves whole packages, which the next one goes
    # on from.
    if ! pip_install "${files[@]}"; then
        rm -f -- "$VENV/.installing"
        die "pip could not install $*; its message is above. Run the command again to go on"
    fi
    for file in "$@"; do cp -- "$PROJECT_ROOT/$file" "$VENV/.installed-$file"; done
    rm -f -- "$VENV/.installing"
}

# The newest Python 3.9 to 3.12 of PATH that runs and can make environments.
base_python() {
    local name path without_venv=
    for name in python3.12 python3.11 python3.10 python3.9 python3 python; do
        while IFS= read -r path; do
            fits "$path" || continue
            if "$path" -c 'import ensurepip, venv' </dev/null >/dev/null 2>&1; then
                printf '%s\n' "$path"
                return
            fi
            without_venv=$path
        done < <(type -aP -- "$name")
    done
    [[ -z $without_venv ]] || die "$without_venv has no venv module" \
        "(Debian, Ubuntu: apt install python3-venv); install it, or set PYTHON=..."
    die "no working Python 3.9, 3.10, 3.11 or 3.12 on PATH (MindSpore 2.8 has no other):" \
        "install one, or set PYTHON=/path/to/python"
}

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

# shellcheck shell=bash
# Sourced by common.sh: the interpreter that the scripts run, and its packages.

VENV=$PROJECT_ROOT/.venv
# Set by find_python: given (PYTHON), active (an environment) or venv (the project's own).
PYTHON_FROM=
# What training needs; CANN's set_env.sh, sourced on hosts with Ascend cards, sets ASCEND_HOME_PATH.
REQUIREMENTS=(requirements.txt ${ASCEND_HOME_PATH:+requirements-ascend.txt})
# What MindSpore and what it brings take while they are installed: 3,000 MB unpacked, 800 MB downloaded.
MINDSPORE_MB=3800

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
    check_room "$@"
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

# check_room FILE...: ends where MindSpore is still to be installed into .venv and the disk is too full for it.
# Where df tells nothing, pip finds out.
check_room() {
    local file required='' free=''
    for file in "$@"; do required+=$(<"$PROJECT_ROOT/$file"); done
    [[ $required == *mindspore==* && ! -e $VENV/.installed-requirements.txt ]] || return 0
    # A set-up that failed later has left it there.
    ! compgen -G "$VENV/lib/python3*/site-packages/mindspore-*.dist-info" >/dev/null || return 0
    # The second line of df: file system, size, used, available, ...
    { read -r && read -r _ _ _ free _; } < <(df -Pm -- "$VENV" 2>/dev/null) || return 0
    [[ $free =~ ^[0-9]+$ ]] && ((free < MINDSPORE_MB)) || return 0
    rm -f -- "$VENV/.installing"
    die "$VENV: $free MB are free there, and MindSpore needs $MINDSPORE_MB MB while it is installed:" \
        "make room, or set PYTHON to a Python that has what requirements.txt lists"
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

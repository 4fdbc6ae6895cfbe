#!/usr/bin/env bash
# One process of run_distribute_train.sh, which sets RANK_PYTHON and LAUNCH and starts it itself or through
# msrun: runs the interpreter with the given words. The output goes to the rank's own log; the process id, and
# the exit code of the first rank that fails, go to LAUNCH, because msrun passes neither on.
set -euo pipefail
# The `python` that msrun found leads here. Programs that the rank starts, CANN's compilers among them, get
# the real one.
PATH=${PATH#"$LAUNCH/bin:"}
# msrun starts its scheduler with the same command; it is not a rank
[[ ${MS_ROLE:-} != MS_SCHED ]] || exec "$RANK_PYTHON" "$@"
# shellcheck source=scripts/common.sh
source "$(dirname -- "$(readlink -f -- "${BASH_SOURCE[0]}")")/common.sh"

exec >>"train_parallel$RANK_ID/log" 2>&1 </dev/null
printf '%s\n' "$$" >"$LAUNCH/pid.$RANK_ID"
code=0
"$RANK_PYTHON" "$@" &
wait_for $! || code=$?
if ((code)); then       # only the first rank that fails writes the file
    (set -o noclobber && printf '%s %s\n' "$RANK_ID" "$code" >"$LAUNCH/failed") 2>/dev/null || true
fi
: >"$LAUNCH/ended.$RANK_ID"
# As soon as msrun sees one rank end, it kills the others, before they have reported or saved anything. So a rank
# that failed waits here until run_distribute_train.sh has stopped msrun.
for ((tenths = 0; code && tenths < 100; tenths++)); do
    [[ -d $LAUNCH && ! -e $LAUNCH/ending ]] || break
    sleep 0.1
done
exit "$code"

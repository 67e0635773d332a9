# shellcheck shell=bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# What the scripts share: where things are, and how they talk to a person. To be sourced.

set -euo pipefail

ROOT=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
VGPU_CACHE=${VGPU_CACHE:-/var/cache/vgpud-dev}
VGPU_SANITIZE=${VGPU_SANITIZE:-0}

if [[ -n ${VGPU_BUILD:-} ]]; then
    BUILD=$VGPU_BUILD
elif [[ $VGPU_SANITIZE == 1 ]]; then
    BUILD=$ROOT/build-asan
else
    BUILD=$ROOT/build
fi
LOGS=$ROOT/build/logs
export ROOT BUILD LOGS VGPU_CACHE VGPU_SANITIZE

if [[ -t 2 && -z ${NO_COLOR:-} ]]; then
    BOLD=$'\e[1m' DIM=$'\e[2m' RED=$'\e[31m' GREEN=$'\e[32m' PLAIN=$'\e[0m'
else
    BOLD='' DIM='' RED='' GREEN='' PLAIN=''
fi
export BOLD DIM RED GREEN PLAIN

# Progress and errors go to stderr: stdout belongs to the program that the user asked for.
say() { printf '%s\n' "$*" >&2; }
step() { printf '%s\n' "${DIM}·${PLAIN} $*" >&2; }
die() {
    printf '%s\n' "${RED}error:${PLAIN} $*" >&2
    exit 1
}

# elapsed SECONDS: 75 -> 1:15
elapsed() { printf '%d:%02d' $(($1 / 60)) $(($1 % 60)); }

# await PID TITLE LOG: shows the time and the last line of LOG until PID ends; returns its status.
# On a terminal one line is rewritten; elsewhere a line every 20 s shows that it goes on.
await() {
    local pid=$1 title=$2 log=$3 begin=$SECONDS shown=0 line width status=0
    width=$(($(tput cols 2>/dev/null || echo 80) - 2))
    while kill -0 "$pid" 2>/dev/null; do
        if [[ -t 2 || $((SECONDS - begin - shown)) -ge 20 ]]; then
            shown=$((SECONDS - begin))
            line="· $title  $(elapsed $shown)  $(tail -n1 "$log" 2>/dev/null | tr -cd '[:print:]')"
            if [[ -t 2 ]]; then
                printf '\r\e[K%s' "${line:0:width}" >&2
            elif ((shown)); then
                say "${line:0:110}"
            fi
        fi
        sleep 0.2
    done
    wait "$pid" || status=$?
    [[ ! -t 2 ]] || printf '\r\e[K' >&2
    if ((status)); then
        say "${RED}error:${PLAIN} $title failed; the end of $log:"
        tail -n 25 "$log" | sed 's/^/    /' >&2
    elif ((SECONDS - begin > 1)); then
        step "$title  ${DIM}$(elapsed $((SECONDS - begin)))${PLAIN}"
    fi
    return "$status"
}

# logged TITLE LOG COMMAND...: runs COMMAND with its output in LOG, and awaits it.
logged() {
    local title=$1 log=$2
    shift 2
    mkdir -p "$(dirname "$log")"
    "$@" >"$log" 2>&1 </dev/null &
    await $! "$title" "$log"
}

# The family of the machine's distribution: debian or fedora.
distribution() {
    local id='' like=''
    if [[ -r /etc/os-release ]]; then
        id=$(. /etc/os-release && echo "${ID:-}")
        like=$(. /etc/os-release && echo "${ID_LIKE:-}")
    fi
    case " $id $like " in
    *' debian '*) echo debian ;;
    *' fedora '* | *' rhel '*) echo fedora ;;
    *) die "this machine is neither of Debian's nor of Fedora's family; install by hand what" \
        "scripts/packages lists, then run again with VGPU_NO_DEPS=1" ;;
    esac
}

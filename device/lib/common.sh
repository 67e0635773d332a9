# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash
# What the scripts of device/ share: messages, the cache's place, locks.

device_dir=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
cache=${VGPU_CACHE:-/var/cache/vgpud-dev}

# Progress and problems go to stderr: stdout is for the result.
say() {
    printf '%s: %s\n' "${0##*/}" "$*" >&2
}

die() {
    say "error: $1"
    shift
    [ $# -eq 0 ] || printf '  %s\n' "$@" >&2
    exit 1
}

# One hash over the contents and base names of the files given.
hash_files() {
    local file

    for file in "$@"; do
        printf '%s ' "${file##*/}"
        sha256sum <"$file"
    done | sha256sum | cut -c 1-16
}

# Makes the cache if it can, readable for everybody: libvirt runs QEMU as a user of its own.
open_cache() {
    umask 022
    mkdir -p "$cache/work" 2>/dev/null || true
}

# Takes a lock, which goes with the process at the latest: before anything in the cache changes.
# The first argument is the path of what it protects. One lock at a time.
lock() {
    [ -w "$cache" ] ||
        die "cannot write to the cache folder $cache" \
            "run as root, or name a folder of yours: VGPU_CACHE=\$HOME/.cache/vgpud-dev"
    exec 9>"$1.lock"
    if ! flock -n 9; then
        say "another call is at it, waiting: ${1##*/}"
        flock 9
    fi
}

unlock() {
    exec 9>&-
}

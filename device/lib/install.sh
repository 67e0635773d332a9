# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash
# Where emulators are installed:
#
#   PREFIX-<hash>/    one emulator each, named by its contents
#   PREFIX            symbolic link to the one in use: replaced by a rename, so it is never missing
#   PREFIX.previous   symbolic link to the one before it

# Sets target, and emulator where that option is allowed.
parse_place() {
    local prefix=/usr/libexec/vgpud/qemu destdir=

    while [ $# -gt 0 ]; do
        case $1 in
        -h | --help)
            usage
            exit
            ;;
        --prefix | --destdir | --emulator)
            [ $# -ge 2 ] || die "$1 wants an argument"
            ;;&
        --prefix) prefix=$2 ;;
        --destdir) destdir=$2 ;;
        --emulator)
            [ -n "${emulator+allowed}" ] || die "unknown option $1"
            emulator=$2
            ;;
        *) die "unknown option $1" "${0##*/} --help lists the options" ;;
        esac
        shift 2
    done
    [[ $prefix == /* ]] || die "--prefix wants an absolute path, not '$prefix'"
    target=${destdir%/}${prefix%/}
    if [ -e "$target" ] && [ ! -L "$target" ]; then
        die "$target is not a link that device/install made" \
            "remove what is there, or give another --prefix"
    fi
}

# Prints what an installed emulator is, for people.
version_of() {
    local words

    words=$("$1/bin/qemu-system-x86_64" --version 2>/dev/null | head -n 1 || true)
    printf '%s, %s' "${words:-an emulator that does not run}" "$(basename "$(readlink -f "$1")")"
}

# Makes the link named first point to the folder named second, in one step.
point() {
    rm -f "$1.new"
    ln -s "$2" "$1.new"
    mv -T "$1.new" "$1"
}

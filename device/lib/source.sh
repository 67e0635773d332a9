# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash
# The distribution's QEMU source, fetched by apt with a configuration of our own: the machine's
# stays as it is, and apt checks the archive's signature as always.

source_dir=$cache/source

# Prints the machine's archive as source entries, deb822: the stanzas and lines of this release.
# shellcheck disable=SC2016  # awk's dollars
list_source_entries() {
    local codename=$1 file

    for file in /etc/apt/sources.list.d/*.sources; do
        [ -r "$file" ] || continue
        awk -v codename="$codename" '
            BEGIN { RS = ""; FS = "\n"; ORS = "\n\n" }
            {
                types = suites = components = 0
                for (i = 1; i <= NF; i++) {
                    if (tolower($i) ~ /^enabled:[ \t]*no/) next
                    if (tolower($i) ~ /^types:/ && $i ~ /deb/) { types = 1; $i = "Types: deb-src" }
                    if (tolower($i) ~ /^suites:/ && $i ~ ("[ \t]" codename "(-[a-z]+)?([ \t]|$)"))
                        suites = 1
                    if (tolower($i) ~ /^components:/ && $i ~ /[ \t]main([ \t]|$)/) {
                        components = 1
                        $i = "Components: main"
                    }
                }
                if (types && suites && components) {
                    text = $1
                    for (i = 2; i <= NF; i++) text = text "\n" $i
                    print text
                }
            }' "$file"
    done
    for file in /etc/apt/sources.list /etc/apt/sources.list.d/*.list; do
        [ -r "$file" ] || continue
        sed -nE "s/^deb[[:space:]]+(\[([^]]*)\][[:space:]]+)?([^[:space:]]+)[[:space:]]+($codename(-[a-z]+)?)[[:space:]]+(.*[[:space:]])?main([[:space:]].*)?\$/\2|\3|\4/p" \
            "$file" | while IFS='|' read -r options uri suite; do
            printf 'Types: deb-src\nURIs: %s\nSuites: %s\nComponents: main\n' "$uri" "$suite"
            if [[ $options =~ signed-by=([^ ]+) ]]; then
                printf 'Signed-By: %s\n' "${BASH_REMATCH[1]}"
            fi
            printf '\n'
        done
    done
}

apt_private() {
    local apt=$cache/apt

    apt-get -q -o Dir::Etc::sourcelist="$apt/vgpud.sources" -o Dir::Etc::sourceparts=/dev/null \
        -o Dir::State::lists="$apt/lists" -o Dir::Cache="$apt/cache" \
        -o APT::Sandbox::User=root -o APT::Get::List-Cleanup=0 "$@" >&2
}

# Needs the lock.
fetch_source() {
    local apt=$cache/apt download=$source_dir.new codename

    command -v apt-get >/dev/null ||
        die "this distribution has no apt-get to fetch QEMU's source with" \
            "unpack QEMU's source of one of these series: $(list_series)" \
            "and name its folder: device/build --source DIR"
    check_packages
    # shellcheck source=/dev/null
    codename=$(. /etc/os-release && printf '%s' "${VERSION_CODENAME:-}")
    rm -rf "$apt" "$download"
    mkdir -p "$apt/lists/partial" "$apt/cache/archives/partial" "$download"
    list_source_entries "${codename:-unknown}" >"$apt/vgpud.sources"
    if [ ! -s "$apt/vgpud.sources" ]; then
        say "no archive found in /etc/apt, taking http://deb.debian.org/debian"
        printf 'Types: deb-src\nURIs: http://deb.debian.org/debian\nSuites: %s\nComponents: main\n' \
            "${codename:-bookworm}" >"$apt/vgpud.sources"
    fi

    say "fetching the source of the distribution's QEMU (about 25 MB)"
    if ! apt_private update >"$cache/apt.log" 2>&1 ||
        ! (cd "$download" && apt_private source --download-only qemu) >>"$cache/apt.log" 2>&1; then
        tail -n 15 "$cache/apt.log" >&2
        die "apt could not fetch QEMU's source; its words are above, all of them in $cache/apt.log" \
            "check the network and the archive in /etc/apt, then try again"
    fi
    mkdir -p "$source_dir"
    # The .dsc last: where it is, the rest is, too.
    mv -f "$download"/*.tar.* "$source_dir/"
    mv -f "$download"/*.dsc "$source_dir/"
    rm -rf "$download" "$apt"
}

# Prints the series that there are patches for.
list_series() {
    find "$device_dir/patches" -mindepth 1 -maxdepth 1 -printf '%f ' | sort -V
}

# Prints the newest .dsc file that is there.
newest_dsc() {
    find "$source_dir" -maxdepth 1 -name 'qemu_*.dsc' 2>/dev/null | sort -V | tail -n 1
}

# Sets source_version, e.g. 7.2+dfsg-7+deb12u18, and source_series, e.g. 7.2. The first argument is
# a folder with an unpacked source, or empty for the distribution's.
find_source() {
    local tree=$1 dsc

    if [ -n "$tree" ]; then
        [ -r "$tree/VERSION" ] || die "$tree is not a QEMU source tree: it has no file VERSION"
        source_version=$(cat "$tree/VERSION")
    else
        if [ -z "$(newest_dsc)" ]; then
            lock "$source_dir"
            [ -n "$(newest_dsc)" ] || fetch_source
            unlock
        fi
        dsc=$(newest_dsc)
        dsc=${dsc##*/qemu_}
        source_version=${dsc%.dsc}
    fi
    source_series=$(grep -oE '^[0-9]+\.[0-9]+' <<<"$source_version")
    [ -d "$device_dir/patches/$source_series" ] ||
        die "there is no patch for QEMU $source_series ($source_version)" \
            "supported: $(list_series)" \
            "device/README.md says how to port it to another series"
}

# Unpacks the source that find_source() found into the folder named second.
unpack_source() {
    local tree=$1 target=$2

    say "unpacking QEMU $source_version"
    if [ -n "$tree" ]; then
        cp -a "$tree" "$target"
    else
        # apt has checked the files against the signed archive; this checks their sums again, and the
        # maintainer's signature where debian-keyring is installed.
        dpkg-source -x "$source_dir/qemu_$source_version.dsc" "$target" \
            >"$cache/unpack.log" 2>&1 ||
            die "cannot unpack QEMU's source, see $cache/unpack.log" \
                "fetch it again: device/build --refresh"
    fi
}

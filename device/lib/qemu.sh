# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash
# Configure, compile and collect the emulator.
#
#   $cache/work/<key>/{src,build}  a configured tree; the key covers what makes a new one necessary:
#                                  QEMU's version, our patches, the flags
#   $cache/qemu-<hash>/            a finished emulator; the hash covers everything that goes into it
#   $cache/test-<hash>             a finished qtest program, likewise

prefix=/usr/libexec/vgpud/qemu

# Debian's packages for the build, and the firmware that is put beside the emulator.
build_packages=(
    dpkg-dev gcc libc6-dev make meson ninja-build patch pkg-config python3 xz-utils
    libaio-dev libcap-ng-dev libfdt-dev libglib2.0-dev libnuma-dev libpixman-1-dev libseccomp-dev
    libslirp-dev zlib1g-dev
    ipxe-qemu qemu-system-data seabios
)

# What guests of libvirt need on q35 and pc; user interfaces and network storage stay out. Flags that
# not every series knows are in patches/SERIES/flags and flags-sanitize.
configure_flags=(
    --target-list=x86_64-softmmu --without-default-features
    --prefix="$prefix" --sysconfdir=/etc --localstatedir=/var --libexecdir=/usr/lib/qemu
    --firmwarepath="$prefix/share/qemu"
    --enable-system --enable-kvm --enable-tcg --enable-fdt=system --enable-seccomp --enable-vnc
    --enable-linux-aio --enable-numa --enable-slirp --enable-tpm --enable-attr --enable-cap-ng
    --enable-virtfs --enable-vhost-kernel --enable-vhost-net --enable-vhost-user
    --enable-malloc-trim --enable-membarrier --enable-avx2 --enable-pie --with-coroutine=ucontext
    --disable-install-blobs --disable-docs --disable-werror
)

# Firmware: the first list must be there, the second is taken where it is.
firmware_needed=(bios-256k.bin kvmvapic.bin linuxboot_dma.bin vgabios-stdvga.bin efi-virtio.rom)
firmware_wanted=(
    bios.bin bios-microvm.bin linuxboot.bin multiboot.bin multiboot_dma.bin pvh.bin
    vgabios.bin vgabios-bochs-display.bin vgabios-cirrus.bin vgabios-qxl.bin vgabios-ramfb.bin
    vgabios-virtio.bin vgabios-vmware.bin
    efi-e1000.rom efi-e1000e.rom efi-eepro100.rom efi-ne2k_pci.rom efi-pcnet.rom efi-rtl8139.rom
    efi-vmxnet3.rom
)
firmware_dirs=(/usr/share/qemu /usr/share/seabios /usr/lib/ipxe/qemu /usr/share/ipxe/qemu)

protocol_files=(
    "$device_dir"/../protocol/vgpu-{bytes,codec,hash,link,message,names,queue,registers}.h
    "$device_dir"/../protocol/vgpu-{link-codec,message-codec,names}.c
)

check_packages() {
    local installed package missing=()

    command -v dpkg-query >/dev/null || return 0
    installed=$(dpkg-query -W -f '${Package} ${db:Status-Abbrev}\n' "${build_packages[@]}" 2>/dev/null || true)
    for package in "${build_packages[@]}"; do
        grep -q "^$package ii" <<<"$installed" || missing+=("$package")
    done
    [ ${#missing[@]} -eq 0 ] ||
        die "packages that the build needs are not installed: ${missing[*]}" \
            "install them: apt-get install --no-install-recommends ${missing[*]}"
}

# Prints where a firmware file is.
find_firmware() {
    local dir

    for dir in "${firmware_dirs[@]}"; do
        if [ -e "$dir/$1" ]; then
            printf '%s\n' "$dir/$1"
            return
        fi
    done
}

# Sets firmware_files.
list_firmware() {
    local name file

    firmware_files=()
    for name in "${firmware_needed[@]}"; do
        file=$(find_firmware "$name")
        [ -n "$file" ] || die "no firmware $name in ${firmware_dirs[*]}" \
            "install the distribution's packages: ipxe-qemu qemu-system-data seabios"
        firmware_files+=("$file")
    done
    for name in "${firmware_wanted[@]}"; do
        file=$(find_firmware "$name")
        [ -z "$file" ] || firmware_files+=("$file")
    done
}

# Sets work, emulator_dir, emulator and test_program for the source found and the variant: release or sanitize.
name_build() {
    local variant=$1 tree=$2 patches=$device_dir/patches/$source_series
    local flags=("${configure_flags[@]}") more key hash

    if [ "$variant" = sanitize ]; then
        mapfile -t more <"$patches/flags-sanitize"
        flags+=("${more[@]}" --enable-debug-info)
    else
        flags+=(--disable-debug-info)
    fi
    mapfile -t more <"$patches/flags"
    build_flags=("${flags[@]}" "${more[@]}" "--with-pkgversion=$source_version, vgpud")

    list_firmware
    key=$(printf '%s\n' "$tree" "${build_flags[@]}" "$(hash_files "$patches"/*.patch)" |
        sha256sum | cut -c 1-16)
    hash=$(printf '%s\n' "$key" \
        "$(hash_files "$device_dir"/hw/vgpu/* "${protocol_files[@]}" "${firmware_files[@]}")" \
        "$(hash_files "$device_dir/lib/qemu.sh")" | sha256sum | cut -c 1-16)
    work=$cache/work/$key
    emulator_dir=$cache/qemu-$hash
    emulator=$emulator_dir/bin/qemu-system-x86_64
    test_program=$cache/test-$(printf '%s\n' "$key" "$hash" "$(hash_files "$device_dir"/tests/*.[ch])" |
        sha256sum | cut -c 1-16)
}

# Runs a command with its output in a log; shows the log's end when it fails.
run_logged() {
    local log=$1 what=$2
    shift 2

    if ! "$@" >"$log" 2>&1; then
        tail -n 30 "$log" >&2
        die "$what failed; the end of its output is above, all of it is in $log"
    fi
}

configure_work() {
    local tree=$1 patch

    rm -rf "$work"
    mkdir -p "$work"
    unpack_source "$tree" "$work/src"
    for patch in "$device_dir/patches/$source_series"/*.patch; do
        patch -d "$work/src" -p1 --batch --silent <"$patch" >"$work/patch.log" 2>&1 ||
            die "${patch##*/} does not apply to QEMU $source_version, see $work/patch.log" \
                "device/README.md says how to bring it up to date"
    done
    copy_device
    mkdir "$work/build"
    say "configuring"
    # Debian's tools, not ones that come first on the caller's PATH.
    (cd "$work/build" && PATH=/usr/sbin:/usr/bin:/sbin:/bin \
        run_logged "$work/configure.log" configure ../src/configure "${build_flags[@]}")
    touch "$work/configured"
}

# Brings the tree's copy of our files up to date, touching only what changed.
copy_device() {
    local target file

    target=$work/src/hw/vgpu
    mkdir -p "$target"
    for file in "$device_dir"/hw/vgpu/* "${protocol_files[@]}"; do
        cmp -s "$file" "$target/${file##*/}" || cp "$file" "$target/"
    done
    for file in "$device_dir"/tests/*.[ch]; do
        cmp -s "$file" "$work/src/tests/qtest/${file##*/}" || cp "$file" "$work/src/tests/qtest/"
    done
}

# Compiles targets, with a line of progress for each tenth.
compile() {
    local log=$work/compile.log status

    set +e
    nice ninja -C "$work/build" "$@" 2>&1 | tee "$log" | awk -v name="${0##*/}" '
        match($0, /^\[[0-9]+\/[0-9]+\]/) {
            split(substr($0, 2, RLENGTH - 2), step, "/")
            tenth = int(10 * step[1] / step[2])
            if (step[2] > 200 && tenth > last) {
                printf "%s: compiled %d %% of %d steps\n", name, 10 * tenth, step[2]
                last = tenth
                fflush()
            }
        }' >&2
    status=${PIPESTATUS[0]}
    set -e
    if [ "$status" -ne 0 ]; then
        grep -A 20 -E '^FAILED:|error:' "$log" | head -n 60 >&2
        die "the build failed; the first errors are above, all of the output is in $log"
    fi
}

# Makes the work tree ready: configured, and with our files as they are now. Needs the lock.
prepare_work() {
    check_packages
    if [ -e "$work/configured" ]; then
        copy_device
    else
        configure_work "$1"
    fi
    touch "$work"
}

# Puts the finished emulator into the cache, whole or not at all.
publish() {
    local variant=$1 new=$cache/new.$$

    rm -rf "$new"
    mkdir -p "$new/bin" "$new/share/qemu"
    cp "$work/build/qemu-system-x86_64" "$new/bin/"
    [ "$variant" = sanitize ] || strip "$new/bin/qemu-system-x86_64"
    cp -L "${firmware_files[@]}" "$new/share/qemu/"
    cp -r "$work/src/pc-bios/keymaps" "$new/share/qemu/"
    rm -f "$new/share/qemu/keymaps/meson.build"
    "$new/bin/qemu-system-x86_64" -device vgpu-stub,help >/dev/null ||
        die "the new emulator does not know vgpu-stub"
    rm -rf "$emulator_dir"
    mv -T "$new" "$emulator_dir"
    # What nobody has asked for in a month is not worth its space, nor is what was interrupted.
    find "$cache" -maxdepth 1 '(' -name 'qemu-*' -o -name 'test-*' ')' -mtime +30 -exec rm -rf {} +
    find "$cache" -maxdepth 1 -name 'new.*' -mtime +1 -exec rm -rf {} +
    find "$cache/work" -mindepth 1 -maxdepth 1 -mtime +14 -exec rm -rf {} +
}

# Makes sure that $emulator is there. The lock is taken only when there is something to do.
ensure_emulator() {
    local variant=$1 tree=$2

    if [ -x "$emulator" ]; then
        touch -c "$emulator_dir" 2>/dev/null || true
        return
    fi
    lock "$work"
    if [ -x "$emulator" ]; then
        unlock
        return
    fi
    prepare_work "$tree"
    say "compiling QEMU $source_version with vgpu-stub"
    compile qemu-system-x86_64
    publish "$variant"
    unlock
    say "built ${emulator_dir##*/}"
}

# Makes sure that $test_program is there.
ensure_test() {
    if [ -x "$test_program" ]; then
        touch -c "$test_program" 2>/dev/null || true
        return
    fi
    lock "$work"
    prepare_work "$1"
    say "compiling the qtest of vgpu-stub"
    compile tests/qtest/vgpu-stub-test
    cp "$work/build/tests/qtest/vgpu-stub-test" "$test_program.new"
    mv "$test_program.new" "$test_program"
    unlock
}

#!/bin/bash
# root.sh SUITE FOLDER: makes the guest's root in FOLDER, of the packages of that Debian or Ubuntu.
# The suite must be the machine's own: programs that were built here run in the guest with its libc.
set -euo pipefail
suite=$1 folder=$2
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)

packages=(
    bash coreutils util-linux procps busybox-static libc-bin kmod strace jq  # a system
    iproute2 nftables iputils-ping                                           # IP
    dbus bluez python3 python3-dbus python3-gi                               # Bluetooth
    wpasupplicant iw wireless-regdb rfkill                                   # Wi-Fi
)
components=main
case $(. /etc/os-release && echo "$ID") in
    ubuntu) components=main,universe packages+=(bluez-tests) ;;
    *) packages+=(bluez-test-tools) ;;
esac

# Only unpacked: no script of a package runs, so no service starts and no user is asked.
mmdebstrap --quiet --variant=extract --components="$components" \
    --include="$(IFS=,; echo "${packages[*]}")" "$suite" "$folder"

# What the packages' scripts would have made, as far as the guest needs it.
cd "$folder"
for tool in $(bin/busybox --list); do
    for dir in bin sbin usr/bin usr/sbin; do
        if [[ -e $dir/$tool || -L $dir/$tool ]]; then continue 2; fi
    done
    ln -s /bin/busybox "usr/bin/$tool"
done
[[ -e bin/sh ]] || ln -s bash bin/sh
cat >etc/passwd <<'USERS'
root:x:0:0:root:/root:/bin/bash
messagebus:x:100:100::/nonexistent:/usr/sbin/nologin
USERS
cat >etc/group <<'GROUPS'
root:x:0:
messagebus:x:100:
bluetooth:x:101:
netdev:x:102:
GROUPS
printf '127.0.0.1 localhost\n' >etc/hosts
printf 'passwd: files\ngroup: files\nhosts: files\n' >etc/nsswitch.conf
echo 0123456789abcdef0123456789abcdef >etc/machine-id
mkdir -p host lab product root run var/lib/bluetooth
install -m 755 "$here/init" lab-init

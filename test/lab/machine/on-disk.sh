#!/bin/bash
# One program on the disk of a machine that does not run: on-disk.sh ROOT MOUNT-OPTIONS WORD... Runs in an own mount namespace.
set -e
root=$1
mkdir -p "$root"
mount -t overlay -o "$2" overlay "$root"
shift 2
exec chroot "$root" "$@"

#!/bin/bash
# Makes a machine around itself: own network, mounts, host name; then its first process in an own table of processes.
# Runs in fresh mount, network, uts and ipc namespaces of the lab's world.
# outside.sh ADDRESS MAC LINK HOSTNAME ROOT MOUNT-OPTIONS PUBLISHED...   PUBLISHED: "outside:inside" ports
set -e
address=$1 mac=$2 link=$3 hostname=$4 root=$5 options=$6
shift 6
here=$(dirname "$(readlink -f "$0")")

ip link add eth0 address "$mac" type veth peer name "$link" netns 1
nsenter --net=/proc/1/ns/net ip link set "$link" master fgl0 up
ip link set lo up
ip address add "$address/16" dev eth0
ip link set eth0 up
printf '%s' "$hostname" >/proc/sys/kernel/hostname

mkdir -p "$root"
mount -t overlay -o "$options" overlay "$root"
mount -t tmpfs -o mode=755,size=64k dev "$root/dev"
mknod -m 666 "$root/dev/null" c 1 3
mknod -m 666 "$root/dev/zero" c 1 5
mknod -m 666 "$root/dev/full" c 1 7
mknod -m 666 "$root/dev/random" c 1 8
mknod -m 666 "$root/dev/urandom" c 1 9
mknod -m 666 "$root/dev/tty" c 5 0
mkdir "$root/dev/pts" "$root/dev/shm"
mount -t devpts -o newinstance,ptmxmode=666,mode=620,gid=5 devpts "$root/dev/pts"
mount -t tmpfs -o mode=1777 shm "$root/dev/shm"
ln -s pts/ptmx "$root/dev/ptmx"
ln -s /proc/self/fd "$root/dev/fd"
ln -s /proc/self/fd/0 "$root/dev/stdin"
ln -s /proc/self/fd/1 "$root/dev/stdout"
ln -s /proc/self/fd/2 "$root/dev/stderr"

# What a host's docker does for published ports; no process of the machine sees it. Its file goes with the old root.
publish=$(cat "$here/publish.py")
if [ $# -gt 0 ]; then
  setpriv --pdeathsig KILL /usr/bin/python3 -c "$publish" "$address" "$@" </dev/null >/dev/null &
fi
cd "$root"
exec unshare --pid --kill-child=KILL -- bash -c 'pivot_root . mnt && cd / && mount -t proc proc /proc && umount -l /mnt && mount -t sysfs -o ro sysfs /sys && exec /.launch'

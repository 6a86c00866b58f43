#!/bin/bash
# The first process of the lab's world: a bridge for the machines, and memory in place of two folders that every system has.
set -e
ip link set lo up
ip link add fgl0 type bridge
ip address add 10.213.0.1/16 dev fgl0
ip link set fgl0 up
mount -t tmpfs -o size=80%,mode=755 forgectl-lab /media
mount -t tmpfs -o size=80%,mode=1777 forgectl-lab /tmp
mkdir /media/hosts /media/addresses
export FORGECTL_LAB=/media
set +e
# Not exec: this process also collects those whose parents have gone.
"$@"
exit $?

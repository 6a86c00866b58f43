#!/bin/bash
# Builds the layer that every machine's disk lies on, over this computer's own root: build.sh DRAFT
# DRAFT/files holds the image's texts; the result is DRAFT/layer. Runs in a mount namespace of its own.
set -e
draft=$1
layer=$draft/layer
mkdir -p "$layer" "$draft/work" "$draft/root"
# Nothing of this computer but its programs: unknown names are taken out, folders with its own things are emptied.
for path in /* /.[!.]*; do
  case ${path#/} in
    bin|sbin|lib|lib32|lib64|libx32|usr|etc|var|dev|proc|sys|.dockerenv) ;;
    home|root|opt|tmp|run|srv|mnt|media|boot|workspace) ;;
    *) [ -e "$path" ] && mknod "$layer$path" c 0 0 ;;
  esac
done
for path in boot home media mnt opt root run srv tmp workspace etc/ssh etc/supervisor usr/local var/log var/mail var/tmp; do
  mkdir -p "$layer/$path"
  echo "$layer/$path"
done | /usr/bin/python3 -c 'import os, sys
for line in sys.stdin: os.setxattr(line.strip(), "trusted.overlay.opaque", b"y")'
chmod 700 "$layer/root"
chmod 1777 "$layer/tmp" "$layer/var/tmp"
mkdir -p "$layer"/usr/local/{bin,sbin,lib,share}
for path in etc/environment etc/gitconfig etc/pip.conf etc/tmux.conf etc/resolv.conf; do
  [ -e "/$path" ] && mknod "$layer/$path" c 0 0
done

mount -t overlay -o "lowerdir=/,upperdir=$layer,workdir=$draft/work" overlay "$draft/root"
cp -a "$draft/files/." "$draft/root/"
chmod 700 "$draft/root/root"
mount --bind /dev "$draft/root/dev"
mount -t proc proc "$draft/root/proc"
env -i PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin HOME=/root LANG=C.UTF-8 \
  chroot "$draft/root" bash /lab-build/inside.sh
umount "$draft/root/proc" "$draft/root/dev"
rm -r "$draft/root/lab-build"

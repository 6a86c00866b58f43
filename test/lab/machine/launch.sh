#!/bin/bash
# The platform's script and the machine's first process: sshd, then what the contract's onstart says. It ends only when told.
for type in ed25519 ecdsa; do
  [ -s "/etc/ssh/ssh_host_${type}_key" ] || ssh-keygen -q -N '' -t "$type" -f "/etc/ssh/ssh_host_${type}_key" -C "root@$(hostname)"
done
mkdir -p /run/sshd
env -i PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin /usr/sbin/sshd -E /var/log/sshd.log -p 22 $LAB_SSH_PORTS
unset LAB_SSH_PORTS
end() {
  trap - TERM
  kill -TERM -1
  # A container that does not end by itself is killed, after ten seconds there. With this process goes everything.
  for _ in $(seq 10); do kill -0 -1 2>/dev/null || break; sleep 0.1; done
  exit 0
}
trap end TERM
cd /root
# MODE
bash /root/onstart.sh </dev/null &
while :; do sleep infinity & wait $!; done

#!/bin/bash
# The part of the image that has to be made at its real paths.
set -e
printf 'user:x:1001:0::/home/user:/bin/bash\n' >>/etc/passwd
mkdir -p /home/user /srv /opt/packages /opt/workspace-internal /opt/syncthing/config /var/log/portal /var/log/supervisor /workspace
mkdir -p -m 1777 /tmp/supervisor-skip
chown 1001:0 /home/user /opt/syncthing/config
chmod 2775 /var/log/portal
bash /lab-build/repository.sh /srv/forge.git /opt/workspace-internal/stable-diffusion-webui-forge &
repository=$!
openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 3650 -subj /CN=lab \
  -keyout /etc/instance.key -out /etc/instance.crt 2>/dev/null
chmod 600 /etc/instance.key
/usr/bin/python3 -m venv /venv/main
site=$(/venv/main/bin/python -c 'import sysconfig; print(sysconfig.get_path("purelib"))')
/venv/main/bin/python /lab-build/packages.py /opt/packages "$site"
mv /lab-build/activate /venv/main/bin/activate
printf '[global]\nno-index = true\nfind-links = /opt/packages\ndisable-pip-version-check = true\n' >/venv/main/pip.conf
wait "$repository"

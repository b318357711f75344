#!/bin/bash
# The daemon, whose state the pages read.
set -euo pipefail
printf 'admin:{PLAIN}secret\n' >/etc/nagios4/htpasswd
sed -i 's/^authorized_for_\(.*\)=.*/authorized_for_\1=*/' /etc/nagios4/cgi.cfg
systemctl start nagios4 2>/dev/null || true

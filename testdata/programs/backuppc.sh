#!/bin/bash
# Starts the BackupPC daemon that its page asks.
set -euo pipefail
sed -i "s/^\$Conf{CgiAdminUsers} .*/\$Conf{CgiAdminUsers} = '*';/; s/^\$Conf{SmbClientPath}.*/\$Conf{SmbClientPath} = '';/; s/^\$Conf{NmbLookupPath}.*/\$Conf{NmbLookupPath} = '';/" /etc/backuppc/config.pl
printf 'admin:{PLAIN}secret\n' >/etc/backuppc/htpasswd
systemctl start backuppc

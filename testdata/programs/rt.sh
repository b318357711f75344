#!/bin/bash
# A queue that mail can be sent for, and a mail server that delivers to a mailbox of this host.
set -euo pipefail
chgrp www-data /etc/request-tracker5/RT_SiteConfig.pm
chmod 640 /etc/request-tracker5/RT_SiteConfig.pm
systemctl start postfix

#!/bin/bash
# A page that counts in a session and sends mail.
set -euo pipefail
mkdir -p /srv/www
cat >/srv/www/index.php <<'P'
<?php session_start(); $_SESSION['n'] = ($_SESSION['n'] ?? 0) + 1;
echo 'visit ', $_SESSION['n'], ', mail ', mail('root@localhost', 'subject', 'text') ? 'accepted' : 'refused', "\n";
P
echo 'body { color: black }' >/srv/www/site.css
chmod -R a+rX /srv/www
systemctl start postfix

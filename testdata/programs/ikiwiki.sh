#!/bin/bash
# A wiki without version control, and its wrapper of another user.
set -euo pipefail
useradd -m wiki
chmod 755 /home/wiki
mkdir -p /srv/wiki/html /srv/wiki/pages
echo 'Welcome.' >/srv/wiki/pages/index.mdwn
chown -R wiki: /srv/wiki
su wiki -s /bin/bash -c 'ikiwiki --url http://localhost --cgiurl http://localhost/ikiwiki.cgi --cgi --wrapper /srv/wiki/html/ikiwiki.cgi --wrappermode 06755 /srv/wiki/pages /srv/wiki/html'

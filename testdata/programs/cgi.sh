#!/bin/bash
# A script of one line.
set -euo pipefail
mkdir -p /usr/lib/cgi-bin
printf '#!/bin/sh\nprintf "Content-Type: text/plain\\r\\n\\r\\nanswer of $SCRIPT_NAME\\n"\n' >/usr/lib/cgi-bin/hello.cgi
chmod 755 /usr/lib/cgi-bin/hello.cgi

#!/bin/bash
# Nothing: the package is ready.
set -euo pipefail
test -f /var/lib/roundcube/public_html/index.php

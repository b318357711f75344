#!/bin/bash
# Nothing: the package is ready.
set -euo pipefail
test -f /usr/share/dokuwiki/doku.php

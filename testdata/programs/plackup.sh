#!/bin/bash
# An application of one line.
set -euo pipefail
mkdir -p /srv/myapp
echo 'sub { [200, ["Content-Type" => "text/plain"], ["answer of PSGI at $_[0]{SERVER_NAME}\n"]] }' >/srv/myapp/app.psgi

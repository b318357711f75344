#!/bin/bash
# A WSGI application of one function.
set -euo pipefail
mkdir -p /srv/myapp
cat >/srv/myapp/app.py <<'P'
def application(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [b"answer of uWSGI\n"]
P

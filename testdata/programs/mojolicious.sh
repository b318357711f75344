#!/bin/bash
# An application of one route.
set -euo pipefail
mkdir -p /srv/myapp/script
cat >/srv/myapp/script/myapp <<'P'
#!/usr/bin/perl
use Mojolicious::Lite;
get '/' => { text => 'answer of Mojolicious' };
app->start;
P
chmod 755 /srv/myapp/script/myapp

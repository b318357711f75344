#!/bin/bash
# An application of one route.
set -euo pipefail
mkdir -p /srv/myapp/bin
cat >/srv/myapp/bin/app.psgi <<'P'
package MyDancer;
use Dancer2;
set logger => 'console';
get '/' => sub { 'answer of Dancer2' };
__PACKAGE__->to_app;
P

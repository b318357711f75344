#!/bin/bash
# An application of one action.
set -euo pipefail
mkdir -p /srv/myapp/lib/MyApp/Controller /srv/myapp/script
cat >/srv/myapp/lib/MyApp.pm <<'P'
package MyApp;
use Moose;
use Catalyst;
extends 'Catalyst';
__PACKAGE__->setup;
1;
P
cat >/srv/myapp/lib/MyApp/Controller/Root.pm <<'P'
package MyApp::Controller::Root;
use Moose;
BEGIN { extends 'Catalyst::Controller' }
__PACKAGE__->config(namespace => '');
sub index : Path : Args(0) { $_[1]->response->body('answer of Catalyst at ' . $_[1]->request->base) }
1;
P
cat >/srv/myapp/script/myapp_fastcgi.pl <<'P'
#!/usr/bin/perl
use lib '/srv/myapp/lib';
use Catalyst::ScriptRunner;
Catalyst::ScriptRunner->run('MyApp', 'FastCGI');
P
chmod 755 /srv/myapp/script/myapp_fastcgi.pl

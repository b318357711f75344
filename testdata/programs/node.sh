#!/bin/bash
# A handler of one line.
set -euo pipefail
mkdir -p /srv/myapp
cat >/srv/myapp/app.js <<'J'
const fastcgi = require('node-fastcgi');
fastcgi.createServer((request, response) => {
	response.writeHead(200, {'Content-Type': 'text/plain'});
	response.end('answer of Node.js\n');
}).listen();
J

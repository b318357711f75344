#!/bin/bash
# A program in C++ against libfcgi.
set -euo pipefail
mkdir -p /srv/myapp
cat >/tmp/app.cc <<'C'
#include <fcgio.h>
#include <ostream>
int main() {
	FCGX_Request request;
	FCGX_Init();
	FCGX_InitRequest(&request, 0, 0);
	while (FCGX_Accept_r(&request) == 0) {
		fcgi_streambuf buffer(request.out);
		std::ostream out(&buffer);
		out << "Content-Type: text/plain\r\n\r\nanswer of C++\n";
	}
}
C
g++ -o /srv/myapp/app.fcgi /tmp/app.cc -lfcgi++ -lfcgi

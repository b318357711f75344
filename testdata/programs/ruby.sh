#!/bin/bash
# A handler of one line.
set -euo pipefail
mkdir -p /srv/myapp
cat >/srv/myapp/app.rb <<'R'
#!/usr/bin/ruby
require 'fcgi'
FCGI.each do |request|
  request.out.print "Content-Type: text/plain\r\n\r\nanswer of Ruby\n"
  request.finish
end
R
chmod 755 /srv/myapp/app.rb

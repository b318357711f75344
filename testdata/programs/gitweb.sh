#!/bin/bash
# A repository with a commit.
set -euo pipefail
mkdir -p /var/lib/git /tmp/gitweb-work
cd /tmp/gitweb-work
git init -q --bare /var/lib/git/pages.git
git clone -q /var/lib/git/pages.git work 2>/dev/null
cd work
git -c user.email=git@localhost -c user.name=Git commit -q --allow-empty -m 'the first commit'
git push -q origin HEAD:master
git config --system --add safe.directory '*'

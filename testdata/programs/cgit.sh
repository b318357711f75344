#!/bin/bash
# A repository with a commit, in a home directory.
set -euo pipefail
useradd -m -d /home/git git
chmod 755 /home/git
su git -s /bin/bash -c 'set -e; cd; git init -q --bare site.git; git clone -q site.git work 2>/dev/null; cd work
git config user.email git@localhost; git config user.name Git; echo text >file; git add file; git commit -qm "the first commit"; git push -q origin HEAD:master'
echo scan-path=/home/git >>/etc/cgitrc
git config --system --add safe.directory '*'

#!/bin/bash
# The list manager, with a robot for the host that the test asks for.
set -euo pipefail
mkdir -p /run/sympa
chown sympa: /run/sympa
sed -i 's/^domain.*/domain lists.example.org/; s/^listmaster.*/listmaster listmaster@example.org/; s#^wwsympa_url.*#wwsympa_url http://lists.example.org/wws#' /etc/sympa/sympa/sympa.conf
mkdir -p /var/lib/sympa/list_data/lists.example.org
chown sympa: /var/lib/sympa/list_data/lists.example.org
systemctl start sympa

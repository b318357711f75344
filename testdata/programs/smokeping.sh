#!/bin/bash
# The daemon, whose data the pages show.
set -euo pipefail
systemctl start smokeping

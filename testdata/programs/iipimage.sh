#!/bin/bash
# A tiled image.
set -euo pipefail
mkdir -p /srv/images
/usr/bin/python3 - <<'P'
import struct
# A TIFF of 256 × 256 grey pixels in one tile, as TIFF 6.0 section 15 has it.
size, data = 256, bytes(range(256)) * 256
entries = [(256, 4, size), (257, 4, size), (258, 3, 8), (259, 3, 1), (262, 3, 1), (277, 3, 1), (322, 4, size), (323, 4, size), (324, 4, 0), (325, 4, len(data))]
start = 8 + 2 + 12 * len(entries) + 4
entries[8] = (324, 4, start)
head = struct.pack('<2sHI', b'II', 42, 8) + struct.pack('<H', len(entries))
head += b''.join(struct.pack('<HHII', tag, kind, 1, value) for tag, kind, value in entries) + struct.pack('<I', 0)
open('/srv/images/image.tif', 'wb').write(head + data)
P
chmod -R a+rX /srv/images

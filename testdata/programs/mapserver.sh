#!/bin/bash
# A map of one point.
set -euo pipefail
mkdir -p /srv/maps
cat >/srv/maps/site.map <<'M'
MAP
  NAME site
  SIZE 200 200
  EXTENT -180 -90 180 90
  PROJECTION "init=epsg:4326" END
  WEB METADATA "wms_title" "site" "wms_srs" "EPSG:4326" "wms_enable_request" "*" "wms_onlineresource" "http://localhost/mapserver?map=/srv/maps/site.map&" END END
  LAYER
    NAME dots
    TYPE POINT
    STATUS ON
    FEATURE POINTS 10 10 END END
    CLASS STYLE COLOR 255 0 0 SIZE 8 END END
  END
END
M
printf 'CONFIG\n  ENV\n    MS_MAP_PATTERN "^/srv/maps/"\n  END\nEND\n' >/etc/mapserver.conf
chmod -R a+rX /srv/maps /etc/mapserver.conf

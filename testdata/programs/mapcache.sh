#!/bin/bash
# A cache on disk of no source.
set -euo pipefail
mkdir -p /var/cache/mapcache
chown www-data: /var/cache/mapcache
cat >/etc/mapcache.xml <<'X'
<mapcache>
  <cache name="disk" type="disk"><base>/var/cache/mapcache</base></cache>
  <source name="maps" type="wms"><http><url>http://127.0.0.1:1/</url></http><getmap><params><LAYERS>x</LAYERS></params></getmap></source>
  <tileset name="maps"><source>maps</source><cache>disk</cache><grid>WGS84</grid><format>PNG</format></tileset>
  <service type="wmts" enabled="true"/><service type="demo" enabled="true"/>
  <lock_dir>/tmp</lock_dir>
</mapcache>
X

#!/bin/bash
# A project of one point.
set -euo pipefail
mkdir -p /srv/maps /var/lib/qgis
chown www-data: /var/lib/qgis
echo '{"type":"FeatureCollection","features":[{"type":"Feature","properties":{"n":1},"geometry":{"type":"Point","coordinates":[10,10]}}]}' >/srv/maps/points.geojson
cat >/srv/maps/project.qgs <<'X'
<!DOCTYPE qgis PUBLIC 'http://mrcc.com/qgis.dtd' 'SYSTEM'>
<qgis projectname="points" version="3.22.16-Białowieża">
  <title>points</title>
  <projectCrs><spatialrefsys><authid>EPSG:4326</authid><srid>4326</srid><srsid>3452</srsid></spatialrefsys></projectCrs>
  <layer-tree-group><layer-tree-layer id="points" name="points" checked="Qt::Checked" expanded="1" providerKey="ogr" source="./points.geojson"/></layer-tree-group>
  <projectlayers><maplayer type="vector" geometry="Point" wkbType="Point"><id>points</id><datasource>./points.geojson</datasource><layername>points</layername>
    <srs><spatialrefsys><authid>EPSG:4326</authid><srid>4326</srid><srsid>3452</srsid></spatialrefsys></srs><provider encoding="UTF-8">ogr</provider>
    <renderer-v2 type="singleSymbol"><symbols><symbol type="marker" name="0" alpha="1"><layer class="SimpleMarker" enabled="1" pass="0" locked="0"><prop k="color" v="255,0,0,255"/><prop k="name" v="circle"/><prop k="size" v="4"/></layer></symbol></symbols></renderer-v2>
  </maplayer></projectlayers>
  <properties><WMSServiceTitle type="QString">points</WMSServiceTitle></properties>
</qgis>
X
chmod -R a+rX /srv/maps

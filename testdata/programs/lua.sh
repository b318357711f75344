#!/bin/bash
# A WSAPI application of one function.
set -euo pipefail
mkdir -p /srv/myapp
cat >/srv/myapp/app.lua <<'L'
return function(env)
	local answer = coroutine.wrap(function() coroutine.yield("answer of Lua\n") end)
	return 200, {["Content-Type"] = "text/plain"}, answer
end
L

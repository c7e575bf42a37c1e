#!/bin/sh
# Builds selector-js.wasm: the policy and a JavaScript engine to run it, 12 MB in all.
# Needs node 20 or later with npm; the first time it fetches what package-lock.json names.
set -eu
cd "$(dirname "$0")"

for tool in node npm; do
    command -v "$tool" >/dev/null 2>&1 || {
        echo "build.sh: no $tool here; install Node.js 20 or later (https://nodejs.org)" >&2
        exit 1
    }
done

[ -d node_modules ] || npm ci --no-audit --no-fund --loglevel=error
node build.mjs

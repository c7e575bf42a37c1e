#!/bin/sh
# Builds {{name}}.wasm: the policy and a Python interpreter to run it, 18 MB in all.
# Needs python3 with venv; the first time it fetches what requirements.txt names.
set -eu
cd "$(dirname "$0")"

if [ ! -x .venv/bin/componentize-py ]; then
    command -v python3 >/dev/null 2>&1 || {
        echo "build.sh: no python3 here; on Debian: sudo apt-get install python3-venv" >&2
        exit 1
    }
    python3 -m venv .venv
    .venv/bin/pip install --quiet --disable-pip-version-check -r requirements.txt
fi

# Without WASI: there is no clock, no randomness and no file, and what would use them traps.
.venv/bin/componentize-py --quiet --wit-path '{{sdk}}/wit' --world '{{role}}-policy' \
    componentize --stub-wasi policy --output '{{name}}.wasm'
echo '{{name}}.wasm'

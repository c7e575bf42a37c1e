#!/bin/sh
# Builds {{name}}.wasm: no libc, no start-up code, nothing but the policy.
# Needs clang, which knows wasm32 without more, and its linker wasm-ld.
set -eu
cd "$(dirname "$0")"

for tool in clang wasm-ld; do
    command -v "$tool" >/dev/null 2>&1 || {
        echo "build.sh: no $tool here; on Debian: sudo apt-get install clang lld" >&2
        exit 1
    }
done

# The last file is the metadata by which the host knows the types; it has no code.
clang --target=wasm32 -std=c11 -O2 -Wall -Wextra -ffreestanding -nostdlib -mbulk-memory \
    -I'{{sdk}}/c' -Wl,--no-entry -Wl,--strip-all -Wl,-z,stack-size=65536 \
    -o '{{name}}.wasm' policy.c '{{sdk}}/c/{{role}}.s'
echo '{{name}}.wasm'

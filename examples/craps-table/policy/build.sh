#!/bin/sh
# Builds craps-table.wasm. Needs Rust 1.95 or later, and its standard library for WebAssembly:
# from rustup, or built along from the source that Debian has in rust-web-src.
set -eu
cd "$(dirname "$0")"

target=wasm32-unknown-unknown
out="${CARGO_TARGET_DIR:-target}/$target/release/craps_table.wasm"
# What was set for programs of this machine must not reach the module.
unset RUSTFLAGS CARGO_ENCODED_RUSTFLAGS CARGO_BUILD_TARGET RUSTC RUSTC_WRAPPER

has_target() {
    ls "$(rustc --print target-libdir --target $target 2>/dev/null)"/libstd* >/dev/null 2>&1
}

has_debian() {
    root=$(env -u LD_LIBRARY_PATH /usr/bin/rustc --print sysroot 2>/dev/null) || return 1
    [ -x /usr/bin/cargo ] && [ -f "$root/lib/rustlib/src/rust/library/Cargo.lock" ] &&
        command -v wasm-ld >/dev/null 2>&1
}

has_target || has_debian || rustup target add $target || true
if has_target; then
    cargo build --release --target $target
elif has_debian; then
    env -u LD_LIBRARY_PATH -u RUSTUP_TOOLCHAIN -u CARGO \
        RUSTC=/usr/bin/rustc RUSTC_BOOTSTRAP=1 \
        CARGO_TARGET_WASM32_UNKNOWN_UNKNOWN_LINKER=wasm-ld \
        CARGO_TARGET_WASM32_UNKNOWN_UNKNOWN_RUSTFLAGS="-Zunstable-options -Cpanic=immediate-abort" \
        /usr/bin/cargo build --release --target $target \
        -Zbuild-std=std,panic_abort -Zbuild-std-features=optimize_for_size
else
    echo "build.sh: no Rust for WebAssembly here. Type one of" >&2
    echo "  rustup target add $target" >&2
    echo "  sudo apt-get install rustc-web cargo-web rust-web-src lld   (Debian)" >&2
    exit 1
fi
cp "$out" 'craps-table.wasm'
echo 'craps-table.wasm'

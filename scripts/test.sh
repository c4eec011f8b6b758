#!/usr/bin/env bash
# Runs all checks, cheapest first: format, spelling, circles of imports, lints, packages,
# documentation, tests.
#
#   scripts/test.sh
#
# All four CPU-capable backends take part (flex, ndarray, tch, wgpu); one that does not answer fails
# the run. On a bare Debian or Ubuntu it first installs what is missing, and says so: a C compiler,
# Python, a software Vulkan driver for wgpu, a CPU libtorch for tch (scripts/libtorch.sh), and
# `typos`. Plain `cargo test` needs none of this and tests the default backend alone. Licences of
# dependencies are checked apart, by scripts/licences.sh.
#
# Environment: CARGO_TARGET_DIR as always; KILN_CACHE for libtorch (default ~/.cache/kiln); LIBTORCH
# to use a libtorch 2.9 of your own.
set -euo pipefail
cd "$(dirname "$0")/.."

backends=flex,ndarray,tch,wgpu
features=(--features "$backends,dashboard")
# By itself: in one build with the backends it would have all of their dependencies built anew.
parquet=(--package kiln-text --package kiln-datasets --features kiln-datasets/parquet)

heading() {
    printf '\n== %s\n' "$*"
}

fail() {
    printf 'error: %s\n' "$*" >&2
    exit 1
}

# --- what the machine lacks ------------------------------------------------------------------

missing_packages() {
    command -v cc > /dev/null && command -v c++ > /dev/null || echo build-essential
    command -v pkg-config > /dev/null || echo pkg-config
    command -v python3 > /dev/null || echo python3
    if [ -z "${LIBTORCH:-}" ] || ! command -v typos > /dev/null; then
        # Debian's python3 comes without ensurepip, which venv needs.
        python3 -c 'import ensurepip, venv' 2> /dev/null || echo python3-venv
    fi
    if [ "$(uname)" = Linux ]; then
        has_library libvulkan.so.1 || echo libvulkan1
        compgen -G '/usr/share/vulkan/icd.d/*.json' > /dev/null ||
            compgen -G '/etc/vulkan/icd.d/*.json' > /dev/null || echo mesa-vulkan-drivers
    fi
}

# Without a pipe into grep -q, which would end ldconfig early and, with pipefail, count as failure.
has_library() {
    local known
    known=$(ldconfig -p 2> /dev/null || /sbin/ldconfig -p)
    [[ $known == *"$1"* ]]
}

install_packages() {
    local as_root=()
    command -v apt-get > /dev/null ||
        fail "$* missing, and this is no Debian or Ubuntu: install their like, then run this again"
    if [ "$(id -u)" -ne 0 ]; then
        command -v sudo > /dev/null ||
            fail "$* missing: as root, run 'apt-get install $*', then run this again"
        as_root=(sudo)
    fi
    echo "installing with apt-get: $*"
    "${as_root[@]}" apt-get update -qq
    "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive \
        apt-get install -y -qq --no-install-recommends "$@"
}

heading "machine"
command -v cargo > /dev/null ||
    fail "cargo not found: install Rust 1.95 or newer from https://rustup.rs, then run this again"
# Where the Rust of rust-toolchain.toml can't be fetched, the same one may be there by another name.
if ! cargo --version > /dev/null 2>&1; then
    pinned=$(sed -n 's/^channel = "\(.*\)"/\1/p' rust-toolchain.toml)
    for name in $(rustup toolchain list --quiet); do
        [[ $(rustup run "$name" rustc --version) == "rustc $pinned "* ]] || continue
        export RUSTUP_TOOLCHAIN=$name
    done
    cargo --version > /dev/null || fail "Rust $pinned can't be had: install it, then run this again"
fi
for component in fmt clippy; do
    cargo "$component" --version > /dev/null 2>&1 && continue
    command -v rustup > /dev/null || fail "cargo $component not found: install it with your Rust"
    echo "installing with rustup: rustfmt and clippy"
    rustup component add rustfmt clippy
done
mapfile -t packages < <(missing_packages)
if [ "${#packages[@]}" -gt 0 ]; then
    install_packages "${packages[@]}"
fi
if [ -z "${LIBTORCH:-}" ]; then
    LIBTORCH=${KILN_CACHE:-$HOME/.cache/kiln}/libtorch
    scripts/libtorch.sh "$LIBTORCH" > /dev/null
    # PyTorch's wheels carry a later patch release than the one that tch was written for.
    export LIBTORCH_BYPASS_VERSION_CHECK=1
fi
typos=$(scripts/typos.sh)
export LIBTORCH
export LD_LIBRARY_PATH="$LIBTORCH/lib${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}"
export KILN_TEST_BACKENDS=$backends
# Graphics drivers complain on stderr where there is no session.
export XDG_RUNTIME_DIR=${XDG_RUNTIME_DIR:-$(mktemp -d)}
rustc --version
echo "libtorch in $LIBTORCH"

# --- the checks ------------------------------------------------------------------------------

heading "format"
cargo fmt --all --check

heading "spelling"
"$typos" --format brief

heading "circles of imports"
python3 scripts/circles.py

heading "lints"
cargo clippy --workspace --all-targets "${features[@]}" -- -D warnings
cargo clippy "${parquet[@]}" --all-targets -- -D warnings

heading "packages"
# Whether each crate can be published: its manifest, and that the files it names are in it. What it needs to
# know of dependencies was fetched for the lints.
cargo package --workspace --no-verify --allow-dirty --quiet --offline

heading "documentation"
# One after the other, the library last: program and library have one name, and so one folder.
for target in --bins --lib; do
    RUSTDOCFLAGS="-D warnings" cargo doc --workspace --no-deps "$target" "${features[@]}"
done

heading "tests on $backends"
cargo test --workspace --no-fail-fast "${features[@]}"

heading "tests of Parquet"
cargo test "${parquet[@]}" --lib parquet

heading "all checks passed"

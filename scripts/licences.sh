#!/usr/bin/env bash
# Checks licences, sources and known faults of all dependencies with cargo-deny, by deny.toml.
#
#   scripts/licences.sh [--offline]
#
# Installs cargo-deny into ${KILN_CACHE:-~/.cache/kiln}/tools where it is missing: some minutes, once.
# The list of known faults comes from the network; --offline leaves that check out, and says so.
set -euo pipefail
cd "$(dirname "$0")/.."

version=0.20.2
tools=${KILN_CACHE:-$HOME/.cache/kiln}/tools
export PATH=$PATH:$tools/bin
if ! command -v cargo-deny > /dev/null; then
    echo "licences: installing cargo-deny $version into $tools" >&2
    cargo install cargo-deny --version "$version" --locked --quiet --root "$tools"
fi
if [ "${1:-}" = --offline ]; then
    echo "licences: offline, so known faults (advisories) are not looked up"
    cargo deny --offline check bans licenses sources
else
    cargo deny check
fi

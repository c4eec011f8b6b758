#!/usr/bin/env bash
# Prints the path of `typos`, the spelling checker: the installed one, else one from its Python wheel,
# kept in ${KILN_CACHE:-~/.cache/kiln}/typos. Words that it must not know stand in typos.toml.
set -euo pipefail

version=1.52.0
if command -v typos; then
    exit 0
fi
dir=${KILN_CACHE:-$HOME/.cache/kiln}/typos
if [ ! -e "$dir/complete-$version" ]; then
    echo "typos: installing $version into $dir" >&2
    rm -rf "$dir"
    python3 -m venv "$dir"
    "$dir/bin/pip" install --quiet --disable-pip-version-check "typos==$version"
    touch "$dir/complete-$version"
fi
echo "$dir/bin/typos"

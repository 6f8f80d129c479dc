#!/usr/bin/env bash
# Builds what a release attaches into dist/release, twice: the bytes must be the same.
# Its argument is the tag, which must be that of the version; empty: there is none yet.
set -euo pipefail
cd "$(dirname "$0")/.."
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT

fail() {
    echo "$1" >&2
    exit 1
}

version=$(.venv/bin/python -c 'import tomllib; print(tomllib.load(open("pyproject.toml", "rb"))["project"]["version"])')
[ -z "$1" ] || [ "$1" = "v$version" ] || fail "TAG is '$1'; accepted: v$version, the version in pyproject.toml"
notes=$(awk -v "heading=## $version" '/^## /{inside = index($0, heading) == 1; next} inside' CHANGELOG.md)
[ -n "$notes" ] || fail "CHANGELOG.md has no section ## $version"

build() {
    make --silent wheel DIST="$1"
    .venv/bin/python -m lambda_packages --dist "$1"
    .venv/bin/python -m lambda_packages.sbom --dist "$1"
}

build dist
echo "Building all of it again, elsewhere and with other settings"
(umask 077 && PYTHONHASHSEED=1 LC_ALL=C TZ=Asia/Tokyo build "$scratch" >/dev/null)
files="product_catalog_pipeline-$version-py3-none-any.whl code.zip layer-arm64.zip layer-x86_64.zip sbom.cdx.json sbom-wheel.cdx.json"
rm -rf dist/release
mkdir dist/release
for file in $files; do
    cmp "dist/$file" "$scratch/$file"
    cp "dist/$file" dist/release/
done
cd dist/release
# shellcheck disable=SC2086 # The names have no spaces.
shasum -a 256 $files >SHA256SUMS
printf '%s\n' "$notes" >NOTES.md
cat SHA256SUMS

#!/usr/bin/env bash
# docs/options.md is what the binary says of its settings.
set -u
sluice=$1
cd "$(dirname "$0")/../.."
"$sluice" options --markdown | diff docs/options.md - || {
    echo "docs/options.md is stale: sluice options --markdown >docs/options.md"
    exit 1
}

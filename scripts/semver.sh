#!/usr/bin/env bash
# scripts/semver.sh [COMMIT]: whether the sdk's interface keeps what its version promises, against the last release or a commit. Needs cargo-semver-checks.
set -euo pipefail
cd "$(dirname "$0")/.."
baseline=${1:-$(git describe --tags --abbrev=0 --match 'v*' 2>/dev/null || true)}
if [ -z "$baseline" ]; then
    echo "semver: there is no release to compare with; name a commit: scripts/semver.sh COMMIT" >&2
    exit 0
fi
exec cargo semver-checks check-release --package convert-sdk --baseline-rev "$baseline"

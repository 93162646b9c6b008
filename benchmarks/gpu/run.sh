#!/usr/bin/env bash
# bash run.sh [--minutes=9] [--total_minutes=30]: trains on this machine, or goes on; bash run.sh --help says more.
# What it makes lies in $OUT, or else in out/ beside this file.
set -euo pipefail
exec "${PYTHON:-python3}" "$(dirname "${BASH_SOURCE[0]}")/start.py" "$@"

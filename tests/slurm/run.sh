#!/bin/sh
# Installs a one-node SLURM from Debian's packages and runs the tests of the SLURM launcher on it. Wants root and Debian.
#
#     tests/slurm/run.sh
set -e
cd "$(dirname "$0")/../.."
if ! command -v slurmctld >/dev/null || ! command -v munged >/dev/null; then
    if [ "$(id -u)" != 0 ] || ! command -v apt-get >/dev/null; then
        echo "skipped: slurm-wlm and munge are not installed, and only root on Debian or Ubuntu can install them here"
        exit 0
    fi
    if ! { apt-get update && DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends slurm-wlm munge; }; then
        echo "skipped: apt-get could not install slurm-wlm and munge"
        exit 0
    fi
fi
exec "${PYTHON:-python}" -m pytest tests/slurm -v "$@"

#!/usr/bin/env bash
# Deletes the kind cluster with everything in it, and the registry beside it.
set -euo pipefail
kind delete cluster --name touchstone
docker rm --force touchstone-registry

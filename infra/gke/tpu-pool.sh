#!/usr/bin/env bash
# A pool of TPU v5e slices of one host (2x4, eight chips) that exists only while something runs on it.
#   infra/gke/tpu-pool.sh [--spot]
# GKE labels the nodes cloud.google.com/gke-tpu-accelerator=tpu-v5-lite-podslice and .../gke-tpu-topology=2x4, and puts
# the taint google.com/tpu=present:NoSchedule on them; touchstone's profile `tpu` asks for exactly these.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
# shellcheck source=settings.env
. "$here/settings.env"
: "${MAX_NODES:=1}"

gcloud container node-pools create tpu-v5e-2x4 --project "$PROJECT" --zone "$ZONE" --cluster "$CLUSTER" \
  --machine-type ct5lp-hightpu-8t --disk-size 200 \
  --num-nodes 0 --enable-autoscaling --min-nodes 0 --max-nodes "$MAX_NODES" "$@"

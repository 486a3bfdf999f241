#!/usr/bin/env bash
# A pool of A100 nodes that exists only while something runs on it.
#   infra/gke/gpu-pool.sh [--spot]
#   MACHINE=a2-highgpu-1g GPU=nvidia-tesla-a100 GPUS=1     one A100 with 40 GB a node: 7B models with DeepSpeed, judges
#   MACHINE=a2-ultragpu-8g GPU=nvidia-a100-80gb GPUS=8     eight with 80 GB: the paper's 7B and 13B
# GKE puts the taint nvidia.com/gpu=present:NoSchedule on nodes with GPUs itself, and installs the driver.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
# shellcheck source=settings.env
. "$here/settings.env"
: "${MACHINE:=a2-highgpu-1g}" "${GPU:=nvidia-tesla-a100}" "${GPUS:=1}" "${MAX_NODES:=2}"
# Local disks hold weights and checkpoints on their way to the store: 375 GB each. Ultra machines have one a GPU.
disks=2
[[ $MACHINE == a2-ultragpu-* ]] && disks=$GPUS

gcloud container node-pools create "gpu-${MACHINE#a2-}" --project "$PROJECT" --zone "$ZONE" --cluster "$CLUSTER" \
  --machine-type "$MACHINE" --accelerator "type=$GPU,count=$GPUS,gpu-driver-version=default" \
  --node-labels touchstone/pool=gpu --ephemeral-storage-local-ssd "count=$disks" --disk-size 200 --image-type cos_containerd \
  --num-nodes 0 --enable-autoscaling --min-nodes 0 --max-nodes "$MAX_NODES" "$@"

#!/usr/bin/env bash
# Makes nodes of any Kubernetes part of the GPU pool: only what asks for a GPU is placed there, and finds it.
#   infra/plain/gpu-node.sh NODE...            label and taint
#   infra/plain/gpu-node.sh --leave NODE...    take both off again
# The driver and the NVIDIA container toolkit must be on the node; see README.md for the device plugin.
set -euo pipefail
leave=""
if [[ ${1-} == --leave ]]; then
  leave=1
  shift
fi
: "${1:?which nodes? kubectl get nodes}"
if [[ -n $leave ]]; then
  kubectl label node "$@" touchstone/pool-
  kubectl taint node "$@" nvidia.com/gpu=present:NoSchedule-
else
  kubectl label node --overwrite "$@" touchstone/pool=gpu
  kubectl taint node --overwrite "$@" nvidia.com/gpu=present:NoSchedule
fi

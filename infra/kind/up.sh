#!/usr/bin/env bash
# A kind cluster with a registry beside it, Kubeflow Pipelines, our images and the chart.
#   infra/kind/up.sh [cluster] [kubeflow] [images] [chart]      (default: all four, in this order)
# Needs docker with buildx, kind, kubectl, helm and the checkout's .venv. About 12 GB of memory and 30 GB of disk.
#   WHEELS=DIR   folder with torch's CPU wheel (see images/README.md); or TORCH_INDEX=ADDRESS
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../.." && pwd)
# shellcheck source=../versions.env
. "$root/infra/versions.env"
name=touchstone registry=touchstone-registry port=5001 namespace=kubeflow
context="kind-$name"
k() { kubectl --context "$context" "$@"; }

cluster() {
  if ! docker inspect "$registry" >/dev/null 2>&1; then
    # On loopback only: it asks nobody for a password.
    docker run --detach --restart=always --publish "127.0.0.1:$port:5000" --name "$registry" "$KIND_REGISTRY_IMAGE"
  fi
  kind version | grep -q "v$KIND_VERSION " || echo "made for kind $KIND_VERSION, this is $(kind version)" >&2
  if ! kind get clusters | grep -qx "$name"; then
    kind create cluster --name "$name" --image "$KIND_NODE_IMAGE" --config "$here/cluster.yaml" --wait 3m
  fi
  docker network connect kind "$registry" 2>/dev/null || true
  local node
  for node in $(kind get nodes --name "$name"); do
    docker exec "$node" mkdir -p "/etc/containerd/certs.d/localhost:$port"
    printf '[host."http://%s:5000"]\n' "$registry" |
      docker exec --interactive "$node" tee "/etc/containerd/certs.d/localhost:$port/hosts.toml" >/dev/null
  done
}

kubeflow() { bash "$root/infra/kubeflow.sh" "$context"; }

images() {
  local source=()
  [[ -n ${WHEELS-} ]] && source+=(--wheels "$WHEELS")
  [[ -n ${TORCH_INDEX-} ]] && source+=(--torch-index "$TORCH_INDEX")
  (cd "$root" && .venv/bin/python -m images build cpu cpu-torch sandbox crowd --cpu-only --push \
    --tag-prefix "localhost:$port/touchstone" --lock images.lock "${source[@]}")
}

chart() {
  (cd "$root" && .venv/bin/python -m images values --lock images.lock) |
    helm upgrade --install touchstone "$root/charts/touchstone" --kube-context "$context" --namespace "$namespace" \
      --values "$here/values.yaml" --values - --wait --timeout 10m
  k get pods --namespace "$namespace" --selector app.kubernetes.io/part-of=touchstone
  echo "next: touchstone doctor --namespace $namespace --context $context" >&2
}

[[ $# -gt 0 ]] || set -- cluster kubeflow images chart
for part; do "$part"; done

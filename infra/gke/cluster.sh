#!/usr/bin/env bash
# A zonal GKE cluster with one pool of ordinary nodes, a repository for images, and gVisor nodes for the sandbox.
#   infra/gke/cluster.sh          settings: settings.env
# Billed from now on: two e2-standard-4 nodes (they hold Kubeflow Pipelines, MinIO, PostgreSQL) and the cluster itself.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
# shellcheck source=settings.env
. "$here/settings.env"
# shellcheck source=../versions.env
. "$here/../versions.env"

gcloud services enable container.googleapis.com artifactregistry.googleapis.com --project "$PROJECT"

gcloud container clusters create "$CLUSTER" --project "$PROJECT" --zone "$ZONE" \
  --cluster-version "$KUBERNETES_VERSION" --release-channel regular \
  --enable-dataplane-v2 --workload-pool "$PROJECT.svc.id.goog" \
  --machine-type e2-standard-4 --num-nodes 2 --enable-autoscaling --min-nodes 1 --max-nodes 6 \
  --disk-size 100 --enable-shielded-nodes

# Programs written by models run under gVisor, on nodes of their own that come and go.
gcloud container node-pools create sandbox --project "$PROJECT" --zone "$ZONE" --cluster "$CLUSTER" \
  --machine-type e2-standard-4 --sandbox type=gvisor --image-type cos_containerd \
  --num-nodes 0 --enable-autoscaling --min-nodes 0 --max-nodes 2 --spot

gcloud artifacts repositories create "$REPOSITORY" --project "$PROJECT" --location "${ZONE%-*}" \
  --repository-format docker
gcloud auth configure-docker "${ZONE%-*}-docker.pkg.dev" --quiet
gcloud container clusters get-credentials "$CLUSTER" --project "$PROJECT" --zone "$ZONE"

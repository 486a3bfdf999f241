#!/usr/bin/env bash
# Kubeflow Pipelines and, on request, Kubeflow Trainer, of the versions in versions.env, into the cluster of a context.
#   infra/kubeflow.sh CONTEXT [--trainer]
# Their manifests come from their repositories' release tags, by kubectl's own kustomize.
set -euo pipefail
# shellcheck source=versions.env
. "$(cd "$(dirname "$0")" && pwd)/versions.env"
context=${1:?the kubeconfig context, see: kubectl config get-contexts}
k() { kubectl --context "$context" "$@"; }

pipelines="github.com/kubeflow/pipelines/manifests/kustomize"
k apply -k "$pipelines/cluster-scoped-resources?ref=$KFP_VERSION"
k wait --for condition=established --timeout=60s crd/applications.app.k8s.io
k apply -k "$pipelines/env/platform-agnostic?ref=$KFP_VERSION"
k wait --for condition=available --timeout=15m --namespace kubeflow deployment/ml-pipeline deployment/workflow-controller

if [[ ${2-} == --trainer ]]; then
  k apply --server-side -k "github.com/kubeflow/trainer.git/manifests/overlays/manager?ref=v$TRAINER_VERSION"
  k wait --for condition=available --timeout=10m --namespace kubeflow-system --all deployment
fi

#!/usr/bin/env bash
# Deletes the cluster, its volumes and its images. A bucket of yours is not touched. Asks before it does.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
# shellcheck source=settings.env
. "$here/settings.env"

gcloud container clusters delete "$CLUSTER" --project "$PROJECT" --zone "$ZONE"
gcloud artifacts repositories delete "$REPOSITORY" --project "$PROJECT" --location "${ZONE%-*}"
# Volumes whose claims outlived the chart are disks that go on being billed.
gcloud compute disks list --project "$PROJECT" --filter "zone:$ZONE AND -users:* AND name~^pvc-"
echo "any disk listed above: gcloud compute disks delete NAME --zone $ZONE" >&2

{{/* Namespace in which pipelines run. */}}
{{- define "touchstone.pipelinesNamespace" -}}
{{- .Values.pipelines.namespace | default .Release.Namespace -}}
{{- end -}}

{{/* Labels of every object. Call with (dict "root" $ "part" "minio"). */}}
{{- define "touchstone.labels" -}}
{{ include "touchstone.selector" . }}
app.kubernetes.io/part-of: touchstone
app.kubernetes.io/version: {{ .root.Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .root.Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .root.Chart.Name .root.Chart.Version | replace "+" "_" }}
{{- end -}}

{{/* Labels that pods are found by; they never change between versions of the chart. */}}
{{- define "touchstone.selector" -}}
app.kubernetes.io/name: touchstone
app.kubernetes.io/instance: {{ .root.Release.Name }}
app.kubernetes.io/component: {{ .part }}
{{- end -}}

{{/* Secret with the object store's credentials. */}}
{{- define "touchstone.storeSecret" -}}
{{- .Values.objectStore.existingSecret | default "touchstone-s3" -}}
{{- end -}}

{{/* Address of the object store, http(s). */}}
{{- define "touchstone.storeEndpoint" -}}
{{- if eq .Values.objectStore.kind "minio" -}}
http://touchstone-minio.{{ .Release.Namespace }}.svc:9000
{{- else -}}
{{- required "objectStore.kind is external, but objectStore.endpoint is empty: --set objectStore.endpoint=https://HOST" .Values.objectStore.endpoint -}}
{{- end -}}
{{- end -}}

{{/* Secret with the crowd service's database address. */}}
{{- define "touchstone.databaseSecret" -}}
{{- .Values.crowd.database.existingSecret | default "touchstone-crowd-database" -}}
{{- end -}}

{{/* Address of the Pushgateway; empty when steps push nowhere. */}}
{{- define "touchstone.pushgateway" -}}
{{- if .Values.monitoring.pushgateway.externalUrl -}}
{{- .Values.monitoring.pushgateway.externalUrl -}}
{{- else if .Values.monitoring.pushgateway.enabled -}}
http://touchstone-pushgateway.{{ .Release.Namespace }}.svc:9091
{{- end -}}
{{- end -}}

{{/* "yes" when the training runtimes are to be rendered. */}}
{{- define "touchstone.runtimes" -}}
{{- $asked := toString .Values.training.runtimes.enabled -}}
{{- if eq $asked "true" -}}yes
{{- else if eq $asked "auto" -}}
{{- if .Capabilities.APIVersions.Has "trainer.kubeflow.org/v1alpha1/ClusterTrainingRuntime" -}}yes{{- end -}}
{{- end -}}
{{- end -}}

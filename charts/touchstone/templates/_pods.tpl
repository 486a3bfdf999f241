{{/* Image of ours by its key in .Values.images. Call with (dict "root" $ "name" "cpu"). */}}
{{- define "touchstone.image" -}}
{{- $image := index .root.Values.images .name -}}
{{- $repository := $image.repository -}}
{{- with .root.Values.imageRegistry -}}{{- $repository = printf "%s/%s" . $repository -}}{{- end -}}
{{- include "touchstone.reference" (dict "repository" $repository "tag" ($image.tag | default .root.Chart.AppVersion) "digest" $image.digest "key" (printf "images.%s" .name)) -}}
{{- end -}}

{{/* repository@digest, or repository:tag; a tag that moves is refused. */}}
{{- define "touchstone.reference" -}}
{{- if .digest -}}
{{- printf "%s@%s" .repository .digest -}}
{{- else -}}
{{- if eq .tag "latest" -}}
{{- fail (printf "%s.tag is latest, which changes its meaning over time: --set %s.tag=VERSION or --set %s.digest=sha256:..." .key .key .key) -}}
{{- end -}}
{{- printf "%s:%s" .repository (required (printf "%s.tag is empty: --set %s.tag=VERSION" .key .key) .tag) -}}
{{- end -}}
{{- end -}}

{{/* What PodSecurity "restricted" asks of a pod. Call with the numeric user. */}}
{{- define "touchstone.podSecurity" -}}
runAsNonRoot: true
runAsUser: {{ . }}
runAsGroup: {{ . }}
fsGroup: {{ . }}
fsGroupChangePolicy: OnRootMismatch
seccompProfile:
  type: RuntimeDefault
{{- end -}}

{{/* What PodSecurity "restricted" asks of a container, and a root file system nobody writes to. */}}
{{- define "touchstone.containerSecurity" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities:
  drop: [ALL]
{{- end -}}

{{/* Registry credentials of a pod. */}}
{{- define "touchstone.pullSecrets" -}}
{{- with .Values.imagePullSecrets }}
imagePullSecrets:
{{- range . }}
  - name: {{ . }}
{{- end }}
{{- end }}
{{- end -}}

{{/* Where a pod may run. Call with the values that hold nodeSelector and tolerations. */}}
{{- define "touchstone.nodes" -}}
{{- with .nodeSelector }}
nodeSelector:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .tolerations }}
tolerations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end -}}

{{/* The object store, as our programs read it from the environment. */}}
{{- define "touchstone.storeEnvironment" -}}
- configMapRef:
    name: touchstone
- secretRef:
    name: {{ include "touchstone.storeSecret" . }}
{{- end -}}

{{/* What a preempted training does: start again from its last checkpoint, without counting. */}}
{{- define "touchstone.restarts" -}}
failurePolicy:
  maxRestarts: {{ .Values.training.runtimes.maxRestarts }}
  rules:
    - name: preempted
      action: RestartJobSetAndIgnoreMaxRestarts
      onJobFailureReasons: [PodFailurePolicy]
{{- end -}}

{{/* Fails the Job with the reason the rule above waits for, when its pod was evicted or its node taken. */}}
{{- define "touchstone.preemption" -}}
backoffLimit: 0
podFailurePolicy:
  rules:
    - action: FailJob
      onPodConditions:
        - type: DisruptionTarget
          status: "True"
{{- end -}}

{{/* Writable places of a training pod. */}}
{{- define "touchstone.trainingVolumes" -}}
volumes:
  - name: shm
    emptyDir:
      medium: Memory
      sizeLimit: {{ .Values.training.runtimes.sharedMemory }}
  - name: tmp
    emptyDir:
      sizeLimit: {{ .Values.training.runtimes.scratch }}
{{- end -}}

{{/* The container's end of the same, with its security. */}}
{{- define "touchstone.trainingContainer" -}}
imagePullPolicy: {{ .Values.imagePullPolicy }}
command: [python, -m, components.train]
securityContext:
  {{- include "touchstone.containerSecurity" . | nindent 2 }}
volumeMounts:
  - {name: shm, mountPath: /dev/shm}
  - {name: tmp, mountPath: /tmp}
{{- end -}}

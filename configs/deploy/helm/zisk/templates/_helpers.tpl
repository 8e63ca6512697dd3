{{/* The name of what belongs to this release. */}}
{{- define "zisk.name" -}}
{{- if contains "zisk" .Release.Name }}{{ .Release.Name | trunc 40 | trimSuffix "-" }}{{ else }}{{ printf "%s-zisk" (.Release.Name | trunc 35 | trimSuffix "-") }}{{ end }}
{{- end }}

{{/* Labels that do not change over releases: (list . "worker"). */}}
{{- define "zisk.selector" -}}
app.kubernetes.io/name: zisk
app.kubernetes.io/instance: {{ (index . 0).Release.Name }}
app.kubernetes.io/component: {{ index . 1 }}
{{- end }}

{{- define "zisk.labels" -}}
{{ include "zisk.selector" . }}
app.kubernetes.io/version: {{ (index . 0).Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ (index . 0).Release.Service }}
helm.sh/chart: {{ (index . 0).Chart.Name }}-{{ (index . 0).Chart.Version }}
{{- end }}

{{/* The image: (list . "" or "-cuda"). */}}
{{- define "zisk.image" -}}
{{- $root := index . 0 -}}
{{ $root.Values.image.repository }}:{{ $root.Values.image.tag | default (printf "%s%s" $root.Chart.AppVersion (index . 1)) }}
{{- end }}

{{- define "zisk.podSecurity" -}}
runAsNonRoot: true
runAsUser: 998
runAsGroup: 999
fsGroup: 999
fsGroupChangePolicy: OnRootMismatch
seccompProfile:
  type: RuntimeDefault
{{- end }}

{{- define "zisk.containerSecurity" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities:
  drop: [ALL]
{{- end }}

{{/* Kubernetes lets the group read a secret's file, and the daemons refuse a key that others than its owner can read: a copy in memory,
     of our own. (list . image file) */}}
{{- define "zisk.ownKey" -}}
- name: own-key
  image: {{ index . 1 }}
  imagePullPolicy: {{ (index . 0).Values.image.pullPolicy }}
  command: [install, -m, "0600", /run/zisk/secret/{{ index . 2 }}, /run/zisk/keys/{{ index . 2 }}]
  securityContext: {{- include "zisk.containerSecurity" . | nindent 4 }}
  resources:
    requests: {cpu: 10m, memory: 16Mi}
    limits: {memory: 64Mi}
  volumeMounts:
    - {name: secret, mountPath: /run/zisk/secret, readOnly: true}
    - {name: keys, mountPath: /run/zisk/keys}
{{- end }}

{{/* The pages of the HTTP port: alive while anything answers, ready while new work is taken. */}}
{{- define "zisk.probes" -}}
startupProbe:
  httpGet: {path: /livez, port: metrics}
  periodSeconds: 5
  failureThreshold: 60
livenessProbe:
  httpGet: {path: /livez, port: metrics}
  periodSeconds: 20
  timeoutSeconds: 10
  failureThreshold: 6
readinessProbe:
  httpGet: {path: /readyz, port: metrics}
  periodSeconds: 10
  timeoutSeconds: 5
{{- end }}

{{/* The name of every object: two releases may be in one namespace. */}}
{{- define "readside.name" -}}
{{- if eq .Release.Name .Chart.Name }}{{ .Release.Name }}{{ else }}{{ printf "%s-%s" .Release.Name .Chart.Name | trunc 52 | trimSuffix "-" }}{{ end }}
{{- end }}

{{- define "readside.selector" -}}
app.kubernetes.io/name: {{ .Chart.Name }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{- define "readside.labels" -}}
{{ include "readside.selector" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version }}
{{- end }}

{{/* The root file: what values say, and over it what has to fit the other objects. */}}
{{- define "readside.root" -}}
{{- $own := dict
  "nats" (mergeOverwrite (deepCopy .Values.nats) (dict "url" "${NATS_URL}"))
  "data_dir" "/var/lib/readside"
  "sources" "source-*.yaml"
  "projections" "projection-*.yaml"
  "http" (dict "listen" (printf "0.0.0.0:%d" (int .Values.ports.http)))
  "metrics" (dict "listen" (printf "0.0.0.0:%d" (int .Values.ports.metrics)))
-}}
{{- toYaml (mergeOverwrite (deepCopy (default dict .Values.root)) $own) }}
{{- end }}

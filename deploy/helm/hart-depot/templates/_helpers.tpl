{{- define "hart-depot.name" -}}
{{- if contains "hart-depot" .Release.Name }}{{ .Release.Name | trunc 52 | trimSuffix "-" }}{{ else }}{{ printf "%s-hart-depot" (.Release.Name | trunc 41 | trimSuffix "-") }}{{ end }}
{{- end }}

{{- define "hart-depot.selector" -}}
app.kubernetes.io/name: hart-depot
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{- define "hart-depot.labels" -}}
{{ include "hart-depot.selector" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ .Chart.Name }}-{{ .Chart.Version }}
{{- end }}

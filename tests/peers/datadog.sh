# shellcheck shell=bash
# Datadog's own code as an oracle: modules of its Agent with a small main (`tests/peers/datadog`). It counts which of the
# Agent's statements ran, where GOCOVERDIR names a folder.

datadog_home="$peers/datadog-$(cat tests/peers/datadog/go.* tests/peers/datadog/*.go | sha256sum | cut -c1-12)"
export SPANWISE_DATADOG="$datadog_home/datadog"

datadog() {
  local home=$datadog_home
  [[ -x $SPANWISE_DATADOG ]] && return 0
  have_go
  local build="$home.$$" agent=github.com/DataDog/datadog-agent/pkg
  mkdir -p "$build"
  local covered=(
    spanwise/tests/peers/datadog "$agent/trace/agent" "$agent/trace/semantics" "$agent/trace/stats"
    "$agent/trace/traceutil" "$agent/trace/traceutil/normalize" "$agent/trace/transform"
    "$agent/opentelemetry-mapping-go/otlp/attributes"
  )
  local list
  list=$(IFS=, && echo "${covered[*]}")
  (cd "$root/tests/peers/datadog" && go build -mod=readonly -cover -coverpkg="$list" -o "$build/datadog" .)
  rm -rf "$home"
  mv "$build" "$home"
}

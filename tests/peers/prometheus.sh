# shellcheck shell=bash
# A real Prometheus 3 and its promtool, built as tools of a module of their own: `go install …@version` refuses to, for
# its go.mod replaces modules. go.mod and go.sum here pin every part of it. Debian's 2.42 is the older peer.
prometheus_version=$(sed -n 's|^\tgithub.com/prometheus/prometheus v\([^ ]*\).*|\1|p' tests/peers/prometheus/go.mod)
prometheus_home="$peers/prometheus-$prometheus_version-$(cat tests/peers/prometheus/go.* | sha256sum | cut -c1-12)"
export SPANWISE_PROMETHEUS="$prometheus_home/prometheus"
export SPANWISE_PROMTOOL="$prometheus_home/promtool"

prometheus3() {
  local home=$prometheus_home
  [[ -x $SPANWISE_PROMETHEUS && -x $SPANWISE_PROMTOOL ]] && return 0
  GO_VERSION_MIN=$(sed -n 's/^go //p' tests/peers/prometheus/go.mod) have_go
  local build="$home.$$"
  mkdir -p "$build"
  (
    cd tests/peers/prometheus
    # Without the symbols it is a third smaller, and links in half the memory.
    go build -mod=readonly -o "$build/" \
      -ldflags "-s -w -X github.com/prometheus/common/version.Version=$prometheus_version" \
      github.com/prometheus/prometheus/cmd/prometheus github.com/prometheus/prometheus/cmd/promtool
  )
  rm -rf "$home"
  mv "$build" "$home"
  "$SPANWISE_PROMETHEUS" --version >/dev/null
}

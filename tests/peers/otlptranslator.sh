# Names as the Go module prometheus/otlptranslator writes them: the small program of tests/peers/otlptranslator/.
# Sourced by tests/run.

otlptranslator_home="$peers/otlptranslator-$(cat tests/peers/otlptranslator/* | sha256sum | cut -c1-12)"
export SPANWISE_OTLPTRANSLATOR="$otlptranslator_home/otlptranslator"

otlptranslator() {
  local home=$otlptranslator_home
  [[ -x $SPANWISE_OTLPTRANSLATOR ]] && return 0
  have_go
  local build="$home.$$"
  mkdir -p "$build"
  (cd tests/peers/otlptranslator && go build -o "$build/otlptranslator" .)
  rm -rf "$home"
  mv "$build" "$home"
}

# Datadog's test agent, which its own libraries are tested against: it takes what a local Agent takes, and checks it.
# Sourced by tests/run.

DDAPM_VERSION=1.69.0

ddapm_home="$peers/ddapm-$DDAPM_VERSION"
export SPANWISE_DDAPM="$ddapm_home/bin/ddapm-test-agent"

ddapm() {
  local home=$ddapm_home
  [[ -e $home/complete ]] && return 0
  rm -rf "$home"
  python3 -m venv "$home"
  "$home/bin/pip" install -q "ddapm-test-agent==$DDAPM_VERSION"
  touch "$home/complete"
}

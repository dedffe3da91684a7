# Datadog's test agent, which its own libraries are tested against: it takes what a local Agent takes, and checks it.
# Sourced by tests/run.

DDAPM_VERSION=1.69.0

ddapm_home="$peers/ddapm-$DDAPM_VERSION"
export SPANWISE_DDAPM="$ddapm_home/bin/ddapm-test-agent"

ddapm() { virtualenv "$ddapm_home" "ddapm-test-agent==$DDAPM_VERSION"; }

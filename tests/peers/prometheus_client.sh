# Python's prometheus-client, whose parser reads OpenMetrics strictly. Sourced by tests/run.

PROMETHEUS_CLIENT_VERSION=0.25.0

prometheus_client_home="$peers/prometheus-client-$PROMETHEUS_CLIENT_VERSION"
export SPANWISE_PROMETHEUS_CLIENT="$prometheus_client_home/bin/python"

prometheus_client() { virtualenv "$prometheus_client_home" "prometheus-client==$PROMETHEUS_CLIENT_VERSION"; }

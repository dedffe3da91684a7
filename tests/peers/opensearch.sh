# OpenSearch, out of Maven's repository: a node that a test starts, kills and starts again. Sourced by tests/run.
#
# SPANWISE_OPENSEARCH FOLDER PORT runs one on loopback that keeps its data in FOLDER.

opensearch_home="$peers/opensearch-$(cat tests/peers/opensearch/* | sha256sum | cut -c1-12)"
export SPANWISE_OPENSEARCH="$opensearch_home/opensearch"

opensearch() {
  local home=$opensearch_home
  [[ -x $SPANWISE_OPENSEARCH ]] && return 0
  local build="$home.$$"
  rm -rf "$build"
  mkdir -p "$build"
  mvn -q -B -f tests/peers/opensearch/pom.xml dependency:copy-dependencies -DoutputDirectory="$build/jars" >&2
  javac -cp "$build/jars/*" -d "$build/classes" tests/peers/opensearch/Node.java
  cat >"$build/opensearch" <<'SCRIPT'
#!/bin/sh
here=$(dirname "$0")
exec java -Xmx512m -cp "$here/classes:$here/jars/*" Node "$@"
SCRIPT
  chmod +x "$build/opensearch"
  rm -rf "$home"
  mv "$build" "$home"
}

# SQL clients with their real libraries: Python's, Node's, Java's and Go's. Sourced by tests/run.

sql_clients_home="$peers/sql-clients-$(cat tests/clients/python/requirements.txt tests/clients/node/package-lock.json \
  tests/clients/java/* tests/clients/go/* | sha256sum | cut -c1-12)"
export SPANWISE_SQL_CLIENTS="$sql_clients_home"

sql_clients() {
  local home=$sql_clients_home
  [[ -e $home/complete ]] && return 0
  rm -rf "$home"
  mkdir -p "$home"
  virtualenv "$home/python" -r tests/clients/python/requirements.txt
  cp tests/clients/node/package.json tests/clients/node/package-lock.json "$home/"
  (cd "$home" && npm ci --no-audit --no-fund --loglevel=error)
  mvn -q -B -f tests/clients/java/pom.xml dependency:copy-dependencies -DoutputDirectory="$home/jars" >&2
  javac -cp "$home/jars/*" -d "$home/classes" tests/clients/java/Client.java
  have_go
  (cd tests/clients/go && go build -o "$home/pgx" .)
  touch "$home/complete"
}

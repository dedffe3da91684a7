//! SQL dialects of database systems.

use datafusion::sql::sqlparser::dialect::{
    AnsiDialect, BigQueryDialect, ClickHouseDialect, DatabricksDialect, Dialect, GenericDialect, MsSqlDialect,
    MySqlDialect, OracleDialect, PostgreSqlDialect, RedshiftSqlDialect, SQLiteDialect, SnowflakeDialect,
};

/// How a system parses its statements.
pub(super) struct Speech {
    pub(super) dialect: Box<dyn Dialect>,
    /// Whether `"x"` can be a string as well as a name.
    pub(super) doubtful_quotes: bool,
    /// Whether it is known what a backslash in a string means.
    pub(super) known: bool,
}

/// Returns the dialect of `system`, a `db.system.name` in lower case.
pub(super) fn of(system: &str) -> Speech {
    let speech = |dialect: Box<dyn Dialect>| Speech { dialect, doubtful_quotes: false, known: true };
    match system {
        "postgresql" | "cockroachdb" | "yugabytedb" | "edb" => speech(Box::new(PostgreSqlDialect {})),
        "redshift" | "aws.redshift" => speech(Box::new(RedshiftSqlDialect {})),
        // The systems other than MySQL quote strings as it does.
        "mysql" | "mariadb" | "tidb" | "couchbase" | "neo4j" | "cosmosdb" | "azure.cosmosdb" => {
            speech(Box::new(MySqlDialect {}))
        }
        "mssql" | "microsoft.sql_server" | "mssqlcompact" => speech(Box::new(MsSqlDialect {})),
        "oracle" | "oracle.db" => speech(Box::new(OracleDialect {})),
        "clickhouse" => speech(Box::new(ClickHouseDialect {})),
        "snowflake" => speech(Box::new(SnowflakeDialect)),
        "bigquery" | "gcp.bigquery" | "spanner" | "gcp.spanner" => speech(Box::new(BigQueryDialect {})),
        "hive" | "spark" | "databricks" | "impala" => speech(Box::new(DatabricksDialect)),
        "db2" | "ibm.db2" | "firebird" | "firebirdsql" | "derby" => speech(Box::new(AnsiDialect {})),
        "cassandra" | "influxdb" | "trino" | "presto" | "h2" | "h2database" | "hsqldb" | "teradata" | "vertica"
        | "netezza" | "ibm.netezza" | "hanadb" | "sap.hana" | "dynamodb" | "aws.dynamodb" => {
            speech(Box::new(GenericDialect {}))
        }
        // SQLite treats "x" as a string if there is no such column.
        "sqlite" => Speech { doubtful_quotes: true, ..speech(Box::new(SQLiteDialect {})) },
        _ => Speech { dialect: Box::new(GenericDialect {}), doubtful_quotes: true, known: false },
    }
}

/// Returns the characters that always begin a quoted name in the statements of `system`.
pub(super) fn name_quotes(system: &str) -> &'static [u8] {
    match system {
        "mysql" | "mariadb" | "tidb" | "bigquery" | "gcp.bigquery" | "spanner" | "gcp.spanner" | "hive" | "spark"
        | "databricks" | "impala" => b"`",
        "clickhouse" => b"\"`",
        "mssql" | "microsoft.sql_server" => b"\"[",
        "postgresql" | "cockroachdb" | "yugabytedb" | "edb" | "redshift" | "aws.redshift" | "oracle" | "oracle.db"
        | "snowflake" | "db2" | "ibm.db2" | "firebird" | "firebirdsql" | "derby" | "cassandra" | "trino" | "presto"
        | "h2" | "h2database" | "hsqldb" | "vertica" => b"\"",
        _ => b"",
    }
}

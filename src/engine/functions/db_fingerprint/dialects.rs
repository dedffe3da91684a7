//! Which SQL a system speaks.

use datafusion::sql::sqlparser::dialect::{
    AnsiDialect, BigQueryDialect, ClickHouseDialect, DatabricksDialect, Dialect, GenericDialect, MsSqlDialect,
    MySqlDialect, OracleDialect, PostgreSqlDialect, RedshiftSqlDialect, SQLiteDialect, SnowflakeDialect,
};

/// How a system reads its statements.
pub(super) struct Speech {
    pub(super) dialect: Box<dyn Dialect>,
    /// Whether `"x"` can be a text as well as a name.
    pub(super) doubtful_quotes: bool,
    /// Whether it is known what a backslash in a text means.
    pub(super) known: bool,
}

/// The speech of `system`, a `db.system.name` in small letters.
pub(super) fn of(system: &str) -> Speech {
    let speech = |dialect: Box<dyn Dialect>| Speech { dialect, doubtful_quotes: false, known: true };
    match system {
        "postgresql" | "cockroachdb" | "yugabytedb" | "edb" => speech(Box::new(PostgreSqlDialect {})),
        "redshift" | "aws.redshift" => speech(Box::new(RedshiftSqlDialect {})),
        // The others quote texts as MySQL does.
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
        // SQLite takes "x" for a text where there is no such column.
        "sqlite" => Speech { doubtful_quotes: true, ..speech(Box::new(SQLiteDialect {})) },
        _ => Speech { dialect: Box::new(GenericDialect {}), doubtful_quotes: true, known: false },
    }
}

/// The characters that begin a quoted name, and nothing else, in the statements of `system`.
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

//! Functions of the server and the session.

use super::signature::{Builtin, lax, strict, text};
use crate::endpoints::pgcatalog::fault::{Fault, Result};
use crate::endpoints::pgcatalog::statement::Statement;
use crate::endpoints::pgcatalog::types::{
    ANY, BOOL, INT4, INT4_ARRAY, INT8, NAME, NAME_ARRAY, OID, REGTYPE, TEXT, TIMESTAMPTZ, VOID, XID,
};
use crate::endpoints::pgcatalog::value::Value;

/// Version string; drivers parse `PostgreSQL`'s version from its first number.
pub(in crate::endpoints) const VERSION: &str = concat!("PostgreSQL 16.6 (Spanwise ", env!("CARGO_PKG_VERSION"), ")");

/// Functions that also exist for queries over tables.
pub(super) const OF_TIME: &[&str] =
    &["now", "current_timestamp", "clock_timestamp", "statement_timestamp", "transaction_timestamp"];

pub(super) const FUNCTIONS: &[Builtin] = &[
    strict("version", &[], TEXT, |_, _| Ok(VERSION.into())),
    strict("current_database", &[], NAME, database),
    strict("current_catalog", &[], NAME, database),
    strict("current_schema", &[], NAME, |run, _| Ok(run.search_path().into_iter().next().into())),
    strict("current_schemas", &[BOOL], NAME_ARRAY, |run, a| {
        let mut path = run.search_path();
        if a[0].is_true() && !path.iter().any(|schema| schema == "pg_catalog") {
            path.insert(0, "pg_catalog".to_owned());
        }
        Ok(Value::array(path.into_iter().map(Value::from).collect()))
    }),
    strict("current_user", &[], NAME, user),
    strict("session_user", &[], NAME, user),
    strict("current_role", &[], NAME, user),
    strict("user", &[], NAME, user),
    strict("current_setting", &[TEXT, BOOL], TEXT, |run, a| {
        let name = text(a, 0)?;
        match run.setting(name) {
            Some(value) => Ok(value.into()),
            None if a.get(1).is_some_and(Value::is_true) => Ok(Value::Null),
            None => Err(Fault::new("42704", format!("unrecognized configuration parameter \"{name}\""))),
        }
    })
    .optional(1),
    lax("set_config", &[TEXT, TEXT, BOOL], TEXT, |run, a| {
        let name = a[0].as_text().ok_or_else(|| Fault::new("22004", "SET requires parameter name"))?;
        run.set(name, a[1].as_text());
        Ok(run.setting(name).into())
    }),
    strict("pg_backend_pid", &[], INT4, |run, _| Ok(Value::Int(run.client.pid))),
    strict("pg_is_in_recovery", &[], BOOL, |_, _| Ok(false.into())),
    strict("pg_is_wal_replay_paused", &[], BOOL, |_, _| Ok(false.into())),
    strict("pg_postmaster_start_time", &[], TIMESTAMPTZ, |run, _| Ok(Value::Time(run.client.since_us))),
    strict("pg_conf_load_time", &[], TIMESTAMPTZ, |run, _| Ok(Value::Time(run.client.since_us))),
    strict("now", &[], TIMESTAMPTZ, now),
    strict("current_timestamp", &[], TIMESTAMPTZ, now),
    strict("clock_timestamp", &[], TIMESTAMPTZ, now),
    strict("statement_timestamp", &[], TIMESTAMPTZ, now),
    strict("transaction_timestamp", &[], TIMESTAMPTZ, now),
    strict("pg_my_temp_schema", &[], OID, |_, _| Ok(Value::Int(0))),
    strict("pg_is_other_temp_schema", &[OID], BOOL, |_, _| Ok(false.into())),
    strict("pg_client_encoding", &[], NAME, |_, _| Ok("UTF8".into())),
    strict("inet_server_addr", &[], TEXT, |_, _| Ok(Value::Null)),
    strict("inet_server_port", &[], INT4, |_, _| Ok(Value::Null)),
    strict("inet_client_addr", &[], TEXT, |run, _| {
        Ok(run.client.address.map(|address| address.ip().to_string()).into())
    }),
    strict("inet_client_port", &[], INT4, |run, _| {
        Ok(run.client.address.map(|address| i64::from(address.port())).into())
    }),
    strict("txid_current", &[], INT8, |_, _| Ok(Value::Int(1))),
    strict("pg_current_xact_id", &[], XID, |_, _| Ok(Value::Int(1))),
    strict("pg_current_xact_id_if_assigned", &[], XID, |_, _| Ok(Value::Null)),
    strict("txid_current_if_assigned", &[], INT8, |_, _| Ok(Value::Null)),
    strict("pg_export_snapshot", &[], TEXT, |_, _| Ok("00000000-00000001-1".into())),
    strict("pg_blocking_pids", &[INT4], INT4_ARRAY, |_, _| Ok(Value::array(Vec::new()))),
    strict("pg_cancel_backend", &[INT4], BOOL, |_, _| Ok(false.into())),
    strict("pg_terminate_backend", &[INT4], BOOL, |_, _| Ok(false.into())),
    strict("pg_advisory_unlock_all", &[], VOID, |_, _| Ok("".into())),
    strict("pg_stat_get_snapshot_timestamp", &[], TIMESTAMPTZ, |_, _| Ok(Value::Null)),
    lax("pg_typeof", &[ANY], REGTYPE, |_, _| Ok(Value::Null)),
    strict("pg_jit_available", &[], BOOL, |_, _| Ok(false.into())),
    strict("getdatabaseencoding", &[], NAME, |_, _| Ok("UTF8".into())),
];

#[expect(clippy::unnecessary_wraps, reason = "the form that all functions have")]
fn database(run: &Statement<'_>, _: &[Value]) -> Result<Value> {
    Ok(run.client.database.as_str().into())
}

#[expect(clippy::unnecessary_wraps, reason = "the form that all functions have")]
fn user(run: &Statement<'_>, _: &[Value]) -> Result<Value> {
    Ok(run.client.user.as_str().into())
}

#[expect(clippy::unnecessary_wraps, reason = "the form that all functions have")]
fn now(run: &Statement<'_>, _: &[Value]) -> Result<Value> {
    Ok(Value::Time(run.client.now_us))
}

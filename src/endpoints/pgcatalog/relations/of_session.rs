//! Relations with rows that depend on the session.

use super::filler::Filler;
use crate::endpoints::pgcatalog::client::Client;
use crate::endpoints::pgcatalog::definitions::Definition;
use crate::endpoints::pgcatalog::system::OWNER;
use crate::endpoints::pgcatalog::value::{Row, Value};

/// Oid of the only database.
pub(in crate::endpoints::pgcatalog) const DATABASE: u32 = 5;
/// Oid of the tablespace `pg_default`.
const TABLESPACE: u32 = 1663;

/// Returns the rows of a session-dependent relation; `None` for other relations.
pub(in crate::endpoints::pgcatalog) fn of_session(client: &Client, definition: &Definition) -> Option<Vec<Row>> {
    if &*definition.schema != "pg_catalog" {
        return None;
    }
    let rows = match &*definition.name {
        "pg_database" => database(client, definition),
        "pg_authid" => roles(client, definition),
        "pg_settings" => settings(client, definition),
        "pg_stat_activity" => activity(client, definition),
        "pg_stat_database" => {
            let mut filler = Filler::new(definition, &["datid", "datname", "numbackends"]);
            filler.add([DATABASE.into(), client.database.as_str().into(), Value::Int(1)]);
            filler.rows()
        }
        "pg_stat_ssl" => {
            let mut filler = Filler::new(definition, &["pid", "ssl"]);
            filler.add([Value::Int(client.pid), false.into()]);
            filler.rows()
        }
        "pg_stat_gssapi" => {
            let mut filler = Filler::new(definition, &["pid", "gss_authenticated", "encrypted"]);
            filler.add([Value::Int(client.pid), false.into(), false.into()]);
            filler.rows()
        }
        _ => return None,
    };
    Some(rows)
}

fn database(client: &Client, definition: &Definition) -> Vec<Row> {
    let names = [
        "oid",
        "datname",
        "datdba",
        "encoding",
        "datlocprovider",
        "datallowconn",
        "datconnlimit",
        "dattablespace",
        "datcollate",
        "datctype",
    ];
    let mut filler = Filler::new(definition, &names);
    filler.add([
        DATABASE.into(),
        client.database.as_str().into(),
        OWNER.into(),
        // UTF8.
        Value::Int(6),
        "c".into(),
        true.into(),
        Value::Int(-1),
        TABLESPACE.into(),
        "C".into(),
        "C".into(),
    ]);
    filler.rows()
}

fn roles(client: &Client, definition: &Definition) -> Vec<Row> {
    let names = ["oid", "rolname", "rolinherit", "rolcanlogin", "rolconnlimit"];
    let mut filler = Filler::new(definition, &names);
    filler.add([OWNER.into(), client.user.as_str().into(), true.into(), true.into(), Value::Int(-1)]);
    filler.rows()
}

fn settings(client: &Client, definition: &Definition) -> Vec<Row> {
    let names = [
        "name",
        "setting",
        "category",
        "short_desc",
        "context",
        "vartype",
        "source",
        "boot_val",
        "reset_val",
        "pending_restart",
    ];
    let mut filler = Filler::new(definition, &names);
    for setting in &client.settings {
        let (value, default) = (setting.value.as_str(), setting.default);
        filler.add([
            setting.name.into(),
            value.into(),
            "Spanwise".into(),
            "".into(),
            "user".into(),
            "string".into(),
            if value == default { "default" } else { "session" }.into(),
            default.into(),
            default.into(),
            false.into(),
        ]);
    }
    filler.rows()
}

fn activity(client: &Client, definition: &Definition) -> Vec<Row> {
    let names = [
        "datid",
        "datname",
        "pid",
        "usesysid",
        "usename",
        "application_name",
        "client_addr",
        "client_port",
        "backend_start",
        "state",
        "backend_type",
        "query",
    ];
    let mut filler = Filler::new(definition, &names);
    let application = client.setting("application_name").unwrap_or_default();
    filler.add([
        DATABASE.into(),
        client.database.as_str().into(),
        Value::Int(client.pid),
        OWNER.into(),
        client.user.as_str().into(),
        application.into(),
        client.address.map(|address| address.ip().to_string()).into(),
        client.address.map(|address| i64::from(address.port())).into(),
        Value::Time(client.since_us),
        "active".into(),
        "client backend".into(),
        client.query.as_str().into(),
    ]);
    filler.rows()
}

//! Privilege functions: every session can read everything and write nothing.

use super::signature::{Builtin, strict, text};
use crate::endpoints::pgcatalog::fault::{Fault, Result};
use crate::endpoints::pgcatalog::statement::Statement;
use crate::endpoints::pgcatalog::types::{ACLITEM_ARRAY, ANY, BOOL, CHAR, NAME, OID, Oid, REGCLASS, TEXT};
use crate::endpoints::pgcatalog::value::Value;

const TWO: &[Oid] = &[ANY, TEXT];
const THREE: &[Oid] = &[ANY, ANY, TEXT];
const FOUR: &[Oid] = &[ANY, ANY, ANY, TEXT];

pub(super) const FUNCTIONS: &[Builtin] = &[
    strict("has_table_privilege", &[REGCLASS, TEXT], BOOL, may),
    strict("has_table_privilege", &[ANY, REGCLASS, TEXT], BOOL, may),
    strict("has_any_column_privilege", &[REGCLASS, TEXT], BOOL, may),
    strict("has_any_column_privilege", &[ANY, REGCLASS, TEXT], BOOL, may),
    strict("has_column_privilege", &[REGCLASS, ANY, TEXT], BOOL, may),
    strict("has_column_privilege", FOUR, BOOL, may),
    strict("has_schema_privilege", TWO, BOOL, may),
    strict("has_schema_privilege", THREE, BOOL, may),
    strict("has_database_privilege", TWO, BOOL, may),
    strict("has_database_privilege", THREE, BOOL, may),
    strict("has_function_privilege", TWO, BOOL, may),
    strict("has_function_privilege", THREE, BOOL, may),
    strict("has_language_privilege", TWO, BOOL, may),
    strict("has_language_privilege", THREE, BOOL, may),
    strict("has_sequence_privilege", TWO, BOOL, may),
    strict("has_sequence_privilege", THREE, BOOL, may),
    strict("has_server_privilege", TWO, BOOL, may),
    strict("has_server_privilege", THREE, BOOL, may),
    strict("has_foreign_data_wrapper_privilege", TWO, BOOL, may),
    strict("has_tablespace_privilege", TWO, BOOL, may),
    strict("has_tablespace_privilege", THREE, BOOL, may),
    strict("has_type_privilege", TWO, BOOL, may),
    strict("has_type_privilege", THREE, BOOL, may),
    strict("has_parameter_privilege", TWO, BOOL, may),
    strict("pg_has_role", &[ANY, TEXT], BOOL, |_, _| Ok(true.into())),
    strict("pg_has_role", &[ANY, ANY, TEXT], BOOL, |_, _| Ok(true.into())),
    strict("acldefault", &[CHAR, OID], ACLITEM_ARRAY, |_, _| Ok(Value::Null)),
    strict("pg_get_acl", &[OID, OID, NAME], TEXT, |_, _| Ok(Value::Null)),
];

/// The last argument lists the privileges; one of them is sufficient.
fn may(_: &Statement<'_>, a: &[Value]) -> Result<Value> {
    let rights = text(a, a.len() - 1)?;
    let mut may = false;
    for right in rights.split(',') {
        let right = right.trim().to_uppercase();
        may |= match right.strip_suffix(" WITH GRANT OPTION").unwrap_or(&right) {
            "SELECT" | "USAGE" | "CONNECT" | "EXECUTE" | "SET" => true,
            "INSERT" | "UPDATE" | "DELETE" | "TRUNCATE" | "REFERENCES" | "TRIGGER" | "CREATE" | "TEMP"
            | "TEMPORARY" | "MAINTAIN" | "ALTER SYSTEM" | "RULE" => false,
            other => return Err(Fault::new("22023", format!("unrecognized privilege type: \"{other}\""))),
        };
    }
    Ok(may.into())
}

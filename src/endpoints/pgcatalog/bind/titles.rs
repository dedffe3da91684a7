//! Default column names of expressions, as in `PostgreSQL`.

use super::{fold, folded};
use datafusion::sql::sqlparser::ast::{self, Expr};

/// Returns the default name of a column.
pub(super) fn title(expr: &Expr) -> String {
    strong(expr).unwrap_or_else(|| weak(expr).to_owned())
}

fn strong(expr: &Expr) -> Option<String> {
    match expr {
        Expr::Identifier(ident) => Some(fold(ident)),
        Expr::CompoundIdentifier(parts) => parts.last().map(fold),
        Expr::Nested(inner) | Expr::Collate { expr: inner, .. } => strong(inner),
        Expr::Function(function) => folded(&function.name).ok().and_then(|mut parts| parts.pop()),
        Expr::Cast { expr, .. } => strong(expr),
        Expr::CompoundFieldAccess { root, access_chain } => {
            let field = access_chain.iter().rev().find_map(|access| match access {
                ast::AccessExpr::Dot(Expr::Identifier(ident)) => Some(fold(ident)),
                _ => None,
            });
            field.or_else(|| strong(root))
        }
        Expr::Subquery(query) => match &*query.body {
            ast::SetExpr::Select(select) => match select.projection.first()? {
                ast::SelectItem::UnnamedExpr(expr) => Some(title(expr)),
                ast::SelectItem::ExprWithAlias { alias, .. } => Some(fold(alias)),
                _ => None,
            },
            _ => None,
        },
        Expr::Case { else_result: Some(otherwise), .. } => strong(otherwise),
        _ => None,
    }
}

fn weak(expr: &Expr) -> &'static str {
    match expr {
        Expr::Nested(inner) => weak(inner),
        Expr::Case { .. } => "case",
        Expr::Exists { .. } => "exists",
        Expr::Array(_) => "array",
        Expr::Tuple(_) => "row",
        Expr::Extract { .. } => "extract",
        Expr::Position { .. } => "position",
        Expr::Substring { .. } => "substring",
        Expr::Trim { .. } => "btrim",
        Expr::Cast { data_type, .. } => type_title(data_type),
        Expr::TypedString(typed) => type_title(&typed.data_type),
        Expr::Value(value) if matches!(value.value, ast::Value::Boolean(_)) => "bool",
        _ => "?column?",
    }
}

/// Spellings of types, and the column names of casts to them.
const TYPES: [(&str, &str); 18] = [
    ("regclass", "regclass"),
    ("regtype", "regtype"),
    ("regproc", "regproc"),
    ("regnamespace", "regnamespace"),
    ("regrole", "regrole"),
    ("oid", "oid"),
    ("text", "text"),
    ("name", "name"),
    ("int", "int4"),
    ("integer", "int4"),
    ("int4", "int4"),
    ("bigint", "int8"),
    ("int8", "int8"),
    ("boolean", "bool"),
    ("bool", "bool"),
    ("double precision", "float8"),
    ("varchar", "varchar"),
    ("timestamptz", "timestamptz"),
];

fn type_title(kind: &ast::DataType) -> &'static str {
    let name = kind.to_string().to_lowercase();
    let name = name.strip_prefix("pg_catalog.").unwrap_or(&name);
    TYPES.iter().find(|(known, _)| *known == name).map_or("?column?", |(_, title)| title)
}

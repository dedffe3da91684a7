//! Default column names, as in `PostgreSQL`'s `FigureColname`.

use datafusion::sql::sqlparser::ast::{
    BinaryOperator, DataType, Expr, FunctionArguments, ObjectName, Query, SelectItem, SetExpr, TrimWhereField,
    TypedString,
};

/// Separates a repeated name from a number, because column names within a query must be unique.
const TWICE: char = '\u{1f}';

/// Makes a name unique within its `SELECT`.
pub(super) fn apart(name: &str, number: usize) -> String {
    format!("{name}{TWICE}{number}")
}

/// Returns a column's name as displayed.
#[must_use]
pub fn shown(name: &str) -> &str {
    name.split_once(TWICE).map_or(name, |(name, _)| name)
}

/// Strength of a name: an outer expression replaces a weak name and keeps a strong one.
enum Name {
    None,
    Weak(String),
    Strong(String),
}

/// Returns the default column name of an expression.
pub(super) fn of(expression: &Expr) -> String {
    match figure(expression) {
        Name::Strong(name) | Name::Weak(name) => name,
        Name::None => "?column?".to_owned(),
    }
}

fn figure(expression: &Expr) -> Name {
    let strong = |name: &str| Name::Strong(name.to_owned());
    match expression {
        Expr::Identifier(name) => Name::Strong(fold(name)),
        Expr::CompoundIdentifier(names) => names.last().map_or(Name::None, |name| Name::Strong(fold(name))),
        Expr::CompoundFieldAccess { root, .. } => figure(root),
        Expr::Nested(inner) => figure(inner),
        Expr::Collate { expr, .. } => figure(expr),
        Expr::Cast { expr, data_type, .. } => match figure(expr) {
            Name::Strong(name) => Name::Strong(name),
            _ => Name::Weak(of_type(data_type)),
        },
        Expr::TypedString(TypedString { data_type, .. }) => Name::Weak(of_type(data_type)),
        Expr::Interval(_) => Name::Weak("interval".to_owned()),
        Expr::Function(function) => match &function.args {
            FunctionArguments::Subquery(_) if function.name.to_string().eq_ignore_ascii_case("array") => {
                strong("array")
            }
            // A rewrite for Postgres clients converts ANY to this function.
            _ if function.name.to_string() == "array_contains" => Name::None,
            _ => last(&function.name),
        },
        Expr::AtTimeZone { .. } => strong("timezone"),
        Expr::Extract { .. } => strong("extract"),
        Expr::Substring { shorthand, .. } => strong(if *shorthand { "substr" } else { "substring" }),
        Expr::Position { .. } => strong("position"),
        Expr::Overlay { .. } => strong("overlay"),
        Expr::Ceil { .. } => strong("ceil"),
        Expr::Floor { .. } => strong("floor"),
        Expr::Trim { trim_where, .. } => strong(match trim_where {
            Some(TrimWhereField::Leading) => "ltrim",
            Some(TrimWhereField::Trailing) => "rtrim",
            _ => "btrim",
        }),
        Expr::Case { else_result, .. } => match else_result.as_deref().map(figure) {
            Some(Name::Strong(name)) => Name::Strong(name),
            _ => Name::Weak("case".to_owned()),
        },
        Expr::BinaryOp { op: BinaryOperator::Overlaps, .. } => strong("overlaps"),
        Expr::Exists { negated: false, .. } => strong("exists"),
        Expr::Array(_) => strong("array"),
        Expr::Tuple(_) => strong("row"),
        Expr::Subquery(query) => of_query(query),
        _ => Name::None,
    }
}

/// Folds an unquoted name to lower case, as `PostgreSQL` does.
pub(crate) fn fold(name: &datafusion::sql::sqlparser::ast::Ident) -> String {
    if name.quote_style.is_some() { name.value.clone() } else { name.value.to_lowercase() }
}

fn last(name: &ObjectName) -> Name {
    let part = name.0.last().and_then(|part| part.as_ident());
    part.map_or(Name::None, |part| Name::Strong(fold(part)))
}

fn of_query(query: &Query) -> Name {
    let SetExpr::Select(select) = query.body.as_ref() else { return Name::None };
    match select.projection.first() {
        Some(SelectItem::ExprWithAlias { alias, .. }) => Name::Strong(shown(&fold(alias)).to_owned()),
        Some(SelectItem::UnnamedExpr(expression)) => match figure(expression) {
            Name::None => Name::None,
            Name::Weak(name) | Name::Strong(name) => Name::Strong(name),
        },
        _ => Name::None,
    }
}

/// Returns the internal name of a type in `PostgreSQL`.
fn of_type(kind: &DataType) -> String {
    let name = match kind {
        DataType::Boolean | DataType::Bool => "bool",
        DataType::SmallInt(_) | DataType::Int2(_) => "int2",
        DataType::Int(_) | DataType::Integer(_) | DataType::Int4(_) => "int4",
        DataType::BigInt(_) | DataType::Int8(_) => "int8",
        DataType::Real | DataType::Float4 => "float4",
        DataType::DoublePrecision | DataType::Double(_) | DataType::Float8 | DataType::Float(_) => "float8",
        DataType::Numeric(_) | DataType::Decimal(_) | DataType::Dec(_) => "numeric",
        DataType::Text => "text",
        DataType::Varchar(_) | DataType::CharacterVarying(_) | DataType::CharVarying(_) => "varchar",
        DataType::Char(_) | DataType::Character(_) => "bpchar",
        DataType::Date => "date",
        DataType::Time(_, zone) => {
            if zone.to_string().contains("WITH TIME") || zone.to_string() == "TZ" {
                "timetz"
            } else {
                "time"
            }
        }
        DataType::Timestamp(_, zone) => {
            let zone = zone.to_string();
            if zone.trim() == "TZ" || zone.trim() == "WITH TIME ZONE" { "timestamptz" } else { "timestamp" }
        }
        DataType::Interval { .. } => "interval",
        DataType::JSON => "json",
        DataType::JSONB => "jsonb",
        DataType::Bytea => "bytea",
        DataType::Uuid => "uuid",
        DataType::Array(_) => {
            return match kind {
                DataType::Array(item) => match item {
                    datafusion::sql::sqlparser::ast::ArrayElemTypeDef::SquareBracket(item, _)
                    | datafusion::sql::sqlparser::ast::ArrayElemTypeDef::AngleBracket(item)
                    | datafusion::sql::sqlparser::ast::ArrayElemTypeDef::Parenthesis(item) => of_type(item),
                    datafusion::sql::sqlparser::ast::ArrayElemTypeDef::None => "anyarray".to_owned(),
                },
                _ => "anyarray".to_owned(),
            };
        }
        DataType::Custom(name, _) => {
            return match last(name) {
                Name::Strong(name) => name,
                _ => kind.to_string().to_lowercase(),
            };
        }
        other => return other.to_string().to_lowercase(),
    };
    name.to_owned()
}

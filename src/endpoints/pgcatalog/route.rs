//! Selects the engine for a query, by the relations and functions that it names.

use super::functions;
use super::snapshot::Snapshot;
use crate::engine::postgres::fold;
use datafusion::sql::sqlparser::ast::{self, DataType, Expr, ObjectName, Query, TableFactor, Visit, Visitor};
use std::collections::HashSet;
use std::ops::ControlFlow;

/// What a query reads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::endpoints) enum Reads {
    /// Only catalogs.
    Catalogs,
    /// No relation, but functions or types of the catalogs.
    Functions,
    /// Tables, or no relation.
    Tables,
}

/// Returns what a query reads.
pub(in crate::endpoints) fn reads(query: &Query, snapshot: &Snapshot) -> Reads {
    let mut found = Found { snapshot, named: HashSet::new(), catalogs: 0, tables: 0, functions: 0 };
    let _never = query.visit(&mut found);
    match found {
        Found { tables: 0, catalogs: 1.., .. } => Reads::Catalogs,
        Found { tables: 0, functions: 1.., .. } => Reads::Functions,
        _ => Reads::Tables,
    }
}

struct Found<'a> {
    snapshot: &'a Snapshot,
    /// Names defined by `WITH`.
    named: HashSet<String>,
    catalogs: usize,
    tables: usize,
    functions: usize,
}

/// Returns schema and name.
fn parts(name: &ObjectName) -> (Option<String>, String) {
    let mut parts: Vec<String> = name.0.iter().filter_map(|part| part.as_ident().map(fold)).collect();
    let last = parts.pop().unwrap_or_default();
    (parts.pop(), last)
}

impl Found<'_> {
    fn function(&mut self, name: &ObjectName) {
        let (_, name) = parts(name);
        self.functions += usize::from(functions::is_of_catalogs(&name));
    }

    fn kind(&mut self, kind: &DataType) {
        let inner = match kind {
            DataType::Array(
                ast::ArrayElemTypeDef::SquareBracket(inner, _)
                | ast::ArrayElemTypeDef::AngleBracket(inner)
                | ast::ArrayElemTypeDef::Parenthesis(inner),
            ) => return self.kind(inner),
            kind => kind,
        };
        let of_catalogs = match inner {
            DataType::Regclass => true,
            DataType::Custom(name, _) => {
                let (_, name) = parts(name);
                name.starts_with("reg") || matches!(name.as_str(), "oid" | "oidvector" | "int2vector")
            }
            _ => false,
        };
        self.functions += usize::from(of_catalogs);
    }
}

impl Visitor for Found<'_> {
    type Break = ();

    fn pre_visit_query(&mut self, query: &Query) -> ControlFlow<()> {
        for cte in query.with.iter().flat_map(|with| &with.cte_tables) {
            self.named.insert(fold(&cte.alias.name));
        }
        ControlFlow::Continue(())
    }

    fn pre_visit_table_factor(&mut self, factor: &TableFactor) -> ControlFlow<()> {
        match factor {
            TableFactor::Table { name, args: None, .. } => {
                let (schema, table) = parts(name);
                if schema.is_none() && self.named.contains(&table) {
                    return ControlFlow::Continue(());
                }
                if self.snapshot.relation(schema.as_deref(), &table).is_some() {
                    self.catalogs += 1;
                } else if !matches!(schema.as_deref(), Some("pg_catalog" | "information_schema")) {
                    self.tables += 1;
                } else {
                    // An unknown relation of a catalog schema: the catalog engine reports the error.
                    self.catalogs += 1;
                }
            }
            TableFactor::Table { name, .. } | TableFactor::Function { name, .. } => self.function(name),
            _ => {}
        }
        ControlFlow::Continue(())
    }

    fn pre_visit_expr(&mut self, expr: &Expr) -> ControlFlow<()> {
        match expr {
            Expr::Function(function) => self.function(&function.name),
            Expr::Cast { data_type, .. } => self.kind(data_type),
            Expr::TypedString(typed) => self.kind(&typed.data_type),
            _ => {}
        }
        ControlFlow::Continue(())
    }
}

//! Binds calls of functions, aggregates and window functions.

use super::query::direction;
use super::{At, Binder, SetConfig, Typed, qualified};
use crate::endpoints::pgcatalog::fault::{Fault, Result};
use crate::endpoints::pgcatalog::functions::{self, Returns, Types};
use crate::endpoints::pgcatalog::plan::{
    AGGREGATES, Aggregate, AggregateKind, Direction, Expr, SETS, WINDOWS, Window, WindowKind,
};
use crate::endpoints::pgcatalog::types::{self, Oid, Ty};
use crate::endpoints::pgcatalog::value::Value;
use datafusion::sql::sqlparser::ast;

impl Binder<'_> {
    pub(super) fn call(&self, function: &ast::Function, at: At<'_>) -> Result<Typed> {
        let (schema, name) = qualified(&function.name)?;
        if let Some(schema) =
            schema.filter(|schema| !matches!(schema.as_str(), "pg_catalog" | "information_schema" | "public"))
        {
            return Err(Fault::undefined_function(&format!("{schema}.{name}"), ""));
        }
        let list = match &function.args {
            ast::FunctionArguments::None => None,
            ast::FunctionArguments::List(list) => Some(list),
            // ARRAY(SELECT …)
            ast::FunctionArguments::Subquery(query) if name == "array" => return self.array_of(query, at),
            ast::FunctionArguments::Subquery(query) => {
                let subquery = Typed::new(Expr::Scalar(Box::new(self.subquery(query, at)?)), types::TEXT);
                return self.call_of(&name, vec![subquery]);
            }
        };
        let args = list.map_or(&[][..], |list| &list.args);
        if let Some(over) = &function.over {
            return self.window(&name, args, over, at);
        }
        if let Some(kind) = aggregate(&name, args) {
            return self.aggregate(kind, function, args, at);
        }
        self.special(&name, args, at)
    }

    /// Binds functions with arguments that are not plain values.
    fn special(&self, name: &str, args: &[ast::FunctionArg], at: At<'_>) -> Result<Typed> {
        match name {
            "row" => {
                let exprs = args.iter().map(plain).collect::<Result<Vec<_>>>()?;
                self.row(&exprs.into_iter().cloned().collect::<Vec<_>>(), at)
            }
            "pg_typeof" => {
                let arguments = self.arguments(args, at)?;
                let kind = arguments.first().and_then(|argument| self.known(argument)).unwrap_or(types::UNKNOWN);
                Ok(Typed::new(Expr::Const(kind.into()), types::REGTYPE))
            }
            "set_config" => {
                let arguments = self.arguments(args, at)?;
                self.set_config(&arguments)?;
                self.call_of(name, arguments)
            }
            "coalesce" => {
                let (exprs, ty) = self.unified(self.arguments(args, at)?)?;
                Ok(Typed { expr: Expr::Coalesce(exprs), ty })
            }
            "greatest" | "least" => {
                let (exprs, ty) = self.unified(self.arguments(args, at)?)?;
                let typed: Vec<Typed> = exprs.into_iter().map(|expr| Typed { expr, ty: ty.clone() }).collect();
                self.function(name, typed)
            }
            "nullif" => {
                let mut arguments = self.arguments(args, at)?;
                let (Some(other), Some(value)) = (arguments.pop(), arguments.pop()) else {
                    return Err(Fault::undefined_function(name, ""));
                };
                let ty = self.common(&[&value, &other]);
                let (left, right) = self.comparable(value, other, "=")?;
                let equal = Expr::Binary(super::super::plan::Op::Eq, Box::new(left.clone()), Box::new(right));
                let arms = vec![(equal, Expr::Const(Value::Null))];
                Ok(Typed { expr: Expr::Case { arms, otherwise: Some(Box::new(left)) }, ty })
            }
            _ => {
                let arguments = self.arguments(args, at)?;
                let kinds: Vec<Ty> = arguments.iter().map(|argument| argument.ty.clone()).collect();
                match functions::find_set(name, &kinds) {
                    Some(set) => self.set_in_list(set, arguments, &kinds, at),
                    None => self.call_of(name, arguments),
                }
            }
        }
    }

    /// Records a setting made by `set_config`, unless it applies only to the transaction.
    fn set_config(&self, arguments: &[Typed]) -> Result<()> {
        let [name, value, local] = arguments else { return Ok(()) };
        let (Expr::Const(Value::Text(name)), Expr::Const(Value::Bool(local))) = (&name.expr, &local.expr) else {
            return Err(Fault::unsupported("set_config of a name that is no literal"));
        };
        let (value, parameter) = match &value.expr {
            Expr::Const(value) => (value.as_text().map(str::to_owned), None),
            Expr::Param(at) => (None, Some(*at)),
            _ => return Err(Fault::unsupported("set_config to what is no literal")),
        };
        if !local {
            self.sets.borrow_mut().push(SetConfig { name: name.to_lowercase(), value, parameter });
        }
        Ok(())
    }

    pub(super) fn arguments(&self, args: &[ast::FunctionArg], at: At<'_>) -> Result<Vec<Typed>> {
        args.iter().map(|arg| self.expr(plain(arg)?, at)).collect()
    }

    /// Binds a call of a scalar function.
    pub(super) fn call_of(&self, name: &str, arguments: Vec<Typed>) -> Result<Typed> {
        let kinds: Vec<Ty> = arguments.iter().map(|argument| argument.ty.clone()).collect();
        if functions::find(name, &kinds).is_some() {
            return self.function(name, arguments);
        }
        // A call of a type name is a cast.
        let cast = if arguments.len() == 1 { self.names.snapshot.type_named(name) } else { None };
        if let (Some(to), Some(argument)) = (cast, arguments.into_iter().next()) {
            return Ok(Typed::new(self.coerce(argument, to)?, to));
        }
        let kinds: Vec<String> = kinds.iter().map(|kind| self.names.type_name(kind.oid)).collect();
        Err(Fault::undefined_function(name, &kinds.join(", ")))
    }

    fn function(&self, name: &str, arguments: Vec<Typed>) -> Result<Typed> {
        let kinds: Vec<Ty> = arguments.iter().map(|argument| argument.ty.clone()).collect();
        let function = functions::find(name, &kinds).ok_or_else(|| Fault::undefined_function(name, ""))?;
        let ty = match function.returns {
            Returns::Type(oid) => oid.into(),
            Returns::Same(at) => kinds.get(at).cloned().unwrap_or_else(|| types::TEXT.into()),
        };
        let arguments =
            if functions::takes_json(function) { arguments.into_iter().map(row_as_json).collect() } else { arguments };
        let arguments = self.coerced(arguments, function.arguments)?;
        Ok(Typed { expr: Expr::Call(function, arguments), ty })
    }

    /// Coerces arguments to the types of a function, of which the last can be repeated.
    pub(super) fn coerced(&self, arguments: Vec<Typed>, expected: &[Oid]) -> Result<Vec<Expr>> {
        let expected = |at: usize| expected.get(at).or(expected.last()).copied().unwrap_or(types::ANY);
        arguments.into_iter().enumerate().map(|(at, argument)| self.coerce(argument, expected(at))).collect()
    }

    fn array_of(&self, query: &ast::Query, at: At<'_>) -> Result<Typed> {
        let subquery = self.subquery(query, at)?;
        let [column] = subquery.query.columns.as_slice() else {
            return Err(Fault::new("42601", "subquery must return only one column"));
        };
        let kind = self.names.snapshot.system.types.array_of(column.ty.oid).unwrap_or(types::TEXT_ARRAY);
        let ty = Ty { oid: kind, fields: column.ty.fields.clone() };
        Ok(Typed { expr: Expr::ArrayOf(Box::new(subquery)), ty })
    }

    /// Binds a set-returning function in the list of a `SELECT`.
    fn set_in_list(
        &self,
        set: &'static functions::SetFunction,
        arguments: Vec<Typed>,
        kinds: &[Ty],
        at: At<'_>,
    ) -> Result<Typed> {
        let elem = |oid| self.names.elem(oid);
        let columns = (set.columns)(&Types { arguments: kinds, elem: &elem });
        let arguments = self.coerced(arguments, set.arguments)?;
        let ty = match columns.as_slice() {
            [column] => column.ty.clone(),
            _ => Ty::record(columns),
        };
        let scope = at.scope.ok_or_else(|| misplaced("set-returning functions"))?;
        let mut calls = scope.calls.borrow_mut();
        let calls = calls.as_mut().ok_or_else(|| misplaced("set-returning functions"))?;
        calls.sets.push((set, arguments));
        let column = calls.sets.len() - 1;
        Ok(Typed { expr: slot(scope.items.borrow().len(), SETS, column), ty })
    }

    fn aggregate(
        &self,
        kind: AggregateKind,
        function: &ast::Function,
        args: &[ast::FunctionArg],
        at: At<'_>,
    ) -> Result<Typed> {
        let scope = at.scope.ok_or_else(|| misplaced("aggregate functions"))?;
        // Arguments of aggregates must not contain such calls.
        let calls = scope.calls.borrow_mut().take();
        let Some(mut calls) = calls else { return Err(misplaced("aggregate functions")) };
        let bound = self.aggregate_parts(kind, function, args, at);
        let result = bound.map(|(aggregate, ty)| {
            calls.aggregates.push(aggregate);
            Typed { expr: slot(scope.items.borrow().len(), AGGREGATES, calls.aggregates.len() - 1), ty }
        });
        *scope.calls.borrow_mut() = Some(calls);
        result
    }

    fn aggregate_parts(
        &self,
        kind: AggregateKind,
        function: &ast::Function,
        args: &[ast::FunctionArg],
        at: At<'_>,
    ) -> Result<(Aggregate, Ty)> {
        let arguments = if kind == AggregateKind::Rows { Vec::new() } else { self.arguments(args, at)? };
        let (arguments, ty) = self.aggregated(kind, arguments)?;
        let filter = match &function.filter {
            Some(filter) => {
                let filter = self.expr(filter, at)?;
                Some(self.boolean(filter)?)
            }
            None => None,
        };
        let ast::FunctionArguments::List(list) = &function.args else {
            let none = Aggregate { kind, arguments, distinct: false, filter, order: Vec::new() };
            return Ok((none, ty));
        };
        let mut order = Vec::new();
        for clause in &list.clauses {
            match clause {
                ast::FunctionArgumentClause::OrderBy(by) => order.extend(self.sort_keys(by, at)?),
                other => return Err(Fault::unsupported(other)),
            }
        }
        let distinct = list.duplicate_treatment == Some(ast::DuplicateTreatment::Distinct);
        Ok((Aggregate { kind, arguments, distinct, filter, order }, ty))
    }

    /// Binds the arguments of an aggregate and returns its type.
    fn aggregated(&self, kind: AggregateKind, arguments: Vec<Typed>) -> Result<(Vec<Expr>, Ty)> {
        let first = arguments.first().cloned();
        let of = first.as_ref().and_then(|first| self.known(first)).unwrap_or(types::TEXT);
        let ty = match kind {
            AggregateKind::Rows | AggregateKind::Count => types::INT8.into(),
            AggregateKind::Sum => match of {
                types::INT2 | types::INT4 => types::INT8,
                types::INT8 => types::NUMERIC,
                other => other,
            }
            .into(),
            AggregateKind::Avg => if of == types::FLOAT8 { types::FLOAT8 } else { types::NUMERIC }.into(),
            AggregateKind::Min | AggregateKind::Max | AggregateKind::First => of.into(),
            AggregateKind::Array => {
                let kind = self.names.snapshot.system.types.array_of(of).unwrap_or(types::TEXT_ARRAY);
                Ty { oid: kind, fields: first.and_then(|first| first.ty.fields) }
            }
            AggregateKind::Text => types::TEXT.into(),
            AggregateKind::All | AggregateKind::Any => types::BOOL.into(),
            AggregateKind::Json => types::JSON.into(),
        };
        let to = match kind {
            AggregateKind::Text => types::TEXT,
            AggregateKind::All | AggregateKind::Any => types::BOOL,
            _ => types::ANY,
        };
        let named = |argument| if kind == AggregateKind::Json { row_as_json(argument) } else { argument };
        let arguments =
            arguments.into_iter().map(|argument| self.coerce(named(argument), to)).collect::<Result<_>>()?;
        Ok((arguments, ty))
    }

    fn sort_keys(&self, by: &[ast::OrderByExpr], at: At<'_>) -> Result<Vec<(Expr, Direction)>> {
        let key = |by: &ast::OrderByExpr| {
            let typed = self.expr(&by.expr, at)?;
            Ok((typed.expr, direction(by.options)))
        };
        by.iter().map(key).collect()
    }

    fn window(&self, name: &str, args: &[ast::FunctionArg], over: &ast::WindowType, at: At<'_>) -> Result<Typed> {
        let ast::WindowType::WindowSpec(spec) = over else { return Err(Fault::unsupported("a named window")) };
        if spec.window_frame.is_some() {
            return Err(Fault::unsupported("a window's frame"));
        }
        let kind = match (name, aggregate(name, args)) {
            ("row_number", _) => WindowKind::RowNumber,
            ("rank", _) => WindowKind::Rank,
            ("dense_rank", _) => WindowKind::DenseRank,
            ("lag", _) => WindowKind::Lag,
            ("lead", _) => WindowKind::Lead,
            ("first_value", _) => WindowKind::FirstValue,
            ("last_value", _) => WindowKind::LastValue,
            (_, Some(kind)) => WindowKind::Aggregate(kind),
            _ => return Err(Fault::undefined_function(name, "")),
        };
        let counts_rows = matches!(kind, WindowKind::Aggregate(AggregateKind::Rows));
        let arguments = if counts_rows { Vec::new() } else { self.arguments(args, at)? };
        let (arguments, ty) = match kind {
            WindowKind::RowNumber | WindowKind::Rank | WindowKind::DenseRank => (Vec::new(), types::INT8.into()),
            WindowKind::Aggregate(kind) => self.aggregated(kind, arguments)?,
            _ => {
                let ty = arguments.first().map_or_else(|| types::TEXT.into(), |argument| argument.ty.clone());
                (arguments.into_iter().map(|argument| argument.expr).collect(), ty)
            }
        };
        let partition = spec.partition_by.iter().map(|expr| self.expr(expr, at).map(|typed| typed.expr));
        let partition = partition.collect::<Result<Vec<_>>>()?;
        let order = self.sort_keys(&spec.order_by, at)?;
        let scope = at.scope.ok_or_else(|| misplaced("window functions"))?;
        let mut calls = scope.calls.borrow_mut();
        let calls = calls.as_mut().ok_or_else(|| misplaced("window functions"))?;
        calls.windows.push(Window { kind, arguments, partition, order });
        Ok(Typed { expr: slot(scope.items.borrow().len(), WINDOWS, calls.windows.len() - 1), ty })
    }
}

/// Converts a row to JSON here, because only its type has the column names.
fn row_as_json(argument: Typed) -> Typed {
    if argument.ty.fields.is_none() {
        return argument;
    }
    Typed::new(Expr::Json(Box::new(argument.expr), argument.ty), types::JSON)
}

fn misplaced(what: &str) -> Fault {
    Fault::new("42803", format!("{what} are not allowed here"))
}

/// Refers to a value that is computed after all rows of the query are known.
fn slot(items: usize, which: usize, column: usize) -> Expr {
    Expr::Column { up: 0, item: items + which, column }
}

fn plain(arg: &ast::FunctionArg) -> Result<&ast::Expr> {
    match arg {
        ast::FunctionArg::Unnamed(ast::FunctionArgExpr::Expr(expr))
        | ast::FunctionArg::Named { arg: ast::FunctionArgExpr::Expr(expr), .. } => Ok(expr),
        other => Err(Fault::unsupported(other)),
    }
}

fn aggregate(name: &str, args: &[ast::FunctionArg]) -> Option<AggregateKind> {
    Some(match name {
        "count" => match args {
            [] | [ast::FunctionArg::Unnamed(ast::FunctionArgExpr::Wildcard)] => AggregateKind::Rows,
            _ => AggregateKind::Count,
        },
        "sum" => AggregateKind::Sum,
        "avg" => AggregateKind::Avg,
        "min" => AggregateKind::Min,
        "max" => AggregateKind::Max,
        "array_agg" => AggregateKind::Array,
        "string_agg" => AggregateKind::Text,
        "bool_and" | "every" => AggregateKind::All,
        "bool_or" => AggregateKind::Any,
        "json_agg" | "jsonb_agg" => AggregateKind::Json,
        "any_value" => AggregateKind::First,
        _ => return None,
    })
}

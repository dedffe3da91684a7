//! Parts of a statement that are made and not written.

use datafusion::sql::sqlparser::ast::{
    CastKind, DataType, Expr, Function, FunctionArg, FunctionArgExpr, FunctionArgumentList, FunctionArguments, Ident,
    ObjectName, Value, ValueWithSpan,
};
use datafusion::sql::sqlparser::tokenizer::Span;

pub(super) fn word(name: &ObjectName) -> String {
    name.0.last().and_then(|part| part.as_ident()).map(|part| part.value.to_lowercase()).unwrap_or_default()
}

pub(super) fn number(digits: &str) -> Expr {
    Expr::Value(Value::Number(digits.to_owned(), false).into())
}

pub(super) fn string(text: &str) -> Expr {
    Expr::Value(ValueWithSpan { value: Value::SingleQuotedString(text.to_owned()), span: Span::empty() })
}

pub(super) fn cast(expression: Expr, kind: DataType) -> Expr {
    Expr::Cast { kind: CastKind::Cast, expr: Box::new(expression), data_type: kind, array: false, format: None }
}

pub(super) fn call(name: &str, args: Vec<Expr>) -> Expr {
    let unnamed = |argument: Expr| FunctionArg::Unnamed(FunctionArgExpr::Expr(argument));
    function(name, args.into_iter().map(unnamed).collect())
}

pub(super) fn function(name: &str, args: Vec<FunctionArg>) -> Expr {
    Expr::Function(Function {
        name: ObjectName::from(vec![Ident::new(name)]),
        uses_odbc_syntax: false,
        parameters: FunctionArguments::None,
        args: FunctionArguments::List(FunctionArgumentList { duplicate_treatment: None, args, clauses: Vec::new() }),
        filter: None,
        null_treatment: None,
        over: None,
        within_group: Vec::new(),
    })
}

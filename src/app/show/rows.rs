//! Query results as a table.

use super::terminal::plain;
use comfy_table::{CellAlignment, ContentArrangement, Table, presets};
use serde_json::{Map, Value};
use std::fmt::Write as _;
use std::time::Duration;

/// Returns the rows as a table, with their count and the duration; `wrapped` fits it to the terminal.
#[must_use]
pub fn rows(rows: &[Map<String, Value>], truncated: bool, took: Duration, wrapped: bool) -> String {
    let mut columns: Vec<&str> = Vec::new();
    for name in rows.iter().flat_map(Map::keys) {
        if !columns.contains(&name.as_str()) {
            columns.push(name);
        }
    }
    let mut text = String::new();
    if !columns.is_empty() {
        text = table(rows, &columns, wrapped).trim_fmt();
        text.push('\n');
    }
    let count = if rows.len() == 1 { "1 row".to_owned() } else { format!("{} rows", rows.len()) };
    let more = if truncated { ", cut off here: there are more" } else { "" };
    let took = crate::model::units::human_ms(took.as_secs_f64() * 1000.0);
    let _ = writeln!(text, "{count}{more}, {took}");
    text
}

fn table(rows: &[Map<String, Value>], columns: &[&str], wrapped: bool) -> Table {
    let mut table = Table::new();
    table.load_preset(presets::UTF8_FULL_CONDENSED);
    table.set_content_arrangement(if wrapped { ContentArrangement::Dynamic } else { ContentArrangement::Disabled });
    table.set_header(columns.iter().map(|column| plain(column)));
    for row in rows {
        table.add_row(columns.iter().map(|column| cell(row.get(*column))));
    }
    for (index, column) in columns.iter().enumerate() {
        let numbers = rows.iter().filter_map(|row| row.get(*column)).all(|value| value.is_number() || value.is_null());
        if let Some(column) = table.column_mut(index).filter(|_| numbers) {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
    table
}

fn cell(value: Option<&Value>) -> String {
    match value {
        None | Some(Value::Null) => String::new(),
        Some(Value::String(text)) => plain(text),
        Some(other) => plain(&other.to_string()),
    }
}

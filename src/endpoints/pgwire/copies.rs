//! `COPY … TO STDOUT`: rows as text, CSV or `PostgreSQL`'s binary format.

use super::errors;
use datafusion::sql::sqlparser::ast::{
    CopyLegacyCsvOption, CopyLegacyOption, CopyOption, CopySource, CopyTarget, Statement,
};
use futures::{Sink, SinkExt as _, StreamExt as _};
use pgwire::api::portal::Format;
use pgwire::api::query::send_execution_response;
use pgwire::api::results::{FieldInfo, QueryResponse, Tag};
use pgwire::error::{PgWireError, PgWireResult};
use pgwire::messages::PgWireBackendMessage;
use pgwire::messages::copy::{CopyData, CopyDone, CopyOutResponse};
use pgwire::messages::data::DataRow;
use serde::{Deserialize, Serialize};
use std::fmt::Debug;

/// Header of the binary format: signature, no flags, no extension.
const SIGNATURE: &[u8] = b"PGCOPY\n\xff\r\n\0\0\0\0\0\0\0\0\0";

/// Format of the rows.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct CopyForm {
    kind: CopyKind,
    delimiter: char,
    null: String,
    header: bool,
    quote: char,
    escape: char,
    /// Columns that are always quoted; `*` means all.
    force_quote: Vec<String>,
}

/// Formats of `COPY`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
enum CopyKind {
    Text,
    Csv,
    Binary,
}

/// Parses a `COPY … TO` statement.
pub(super) fn read(statement: &Statement) -> PgWireResult<(String, CopyForm)> {
    let Statement::Copy { source, target, options, legacy_options, .. } = statement else {
        return Err(errors::user("42601", "expected COPY"));
    };
    if *target != CopyTarget::Stdout {
        return Err(errors::user("25006", "cannot execute COPY TO a file in a read-only server: copy TO STDOUT"));
    }
    let sql = match source {
        CopySource::Query(query) => query.to_string(),
        CopySource::Table { table_name, columns } => {
            let names: Vec<String> = columns.iter().map(ToString::to_string).collect();
            let list = if names.is_empty() { "*".to_owned() } else { names.join(", ") };
            format!("SELECT {list} FROM {table_name}")
        }
    };
    Ok((sql, form(options, legacy_options)?))
}

fn form(options: &[CopyOption], legacy: &[CopyLegacyOption]) -> PgWireResult<CopyForm> {
    let (mut kind, mut delimiter, mut null, mut header) = (CopyKind::Text, None, None, false);
    let (mut quote, mut escape, mut force_quote) = ('"', None, Vec::new());
    let unknown =
        |what: &dyn std::fmt::Display| errors::user("0A000", format!("COPY: the option {what} is not offered"));
    for option in options {
        match option {
            CopyOption::Format(name) => {
                kind = match name.value.to_lowercase().as_str() {
                    "text" => CopyKind::Text,
                    "csv" => CopyKind::Csv,
                    "binary" => CopyKind::Binary,
                    other => return Err(errors::user("22023", format!("COPY format \"{other}\" not recognized"))),
                }
            }
            CopyOption::Delimiter(character) => delimiter = Some(*character),
            CopyOption::Null(text) => null = Some(text.clone()),
            CopyOption::Header(yes) => header = *yes,
            CopyOption::Quote(character) => quote = *character,
            CopyOption::Escape(character) => escape = Some(*character),
            CopyOption::ForceQuote(columns) => {
                force_quote = columns.iter().map(|column| column.value.clone()).collect();
            }
            CopyOption::Encoding(name) if matches!(name.to_uppercase().as_str(), "UTF8" | "UTF-8") => {}
            other => return Err(unknown(other)),
        }
    }
    for option in legacy {
        match option {
            CopyLegacyOption::Binary => kind = CopyKind::Binary,
            CopyLegacyOption::Delimiter(character) => delimiter = Some(*character),
            CopyLegacyOption::Null(text) => null = Some(text.clone()),
            CopyLegacyOption::Header => header = true,
            CopyLegacyOption::Csv(options) => {
                kind = CopyKind::Csv;
                for option in options {
                    match option {
                        CopyLegacyCsvOption::Header => header = true,
                        CopyLegacyCsvOption::Quote(character) => quote = *character,
                        CopyLegacyCsvOption::Escape(character) => escape = Some(*character),
                        CopyLegacyCsvOption::ForceQuote(columns) => {
                            force_quote = columns.iter().map(|column| column.value.clone()).collect();
                        }
                        CopyLegacyCsvOption::ForceNotNull(_) => return Err(unknown(option)),
                    }
                }
            }
            other => return Err(unknown(other)),
        }
    }
    let is_csv = kind == CopyKind::Csv;
    Ok(CopyForm {
        kind,
        delimiter: delimiter.unwrap_or(if is_csv { ',' } else { '\t' }),
        null: null.unwrap_or_else(|| if is_csv { String::new() } else { "\\N".to_owned() }),
        header,
        quote,
        escape: escape.unwrap_or(quote),
        force_quote,
    })
}

/// Sends rows, which are already encoded in the format of `form`. As in `PostgreSQL`, the binary signature is sent with the
/// first row, or with the trailer if there are no rows; a header line is a separate message.
pub(super) async fn send<C>(client: &mut C, form: &CopyForm, mut rows: QueryResponse) -> PgWireResult<()>
where
    C: Sink<PgWireBackendMessage> + Unpin + Send,
    C::Error: Debug,
    PgWireError: From<<C as Sink<PgWireBackendMessage>>::Error>,
{
    let fields = rows.row_schema();
    let columns = i16::try_from(fields.len()).map_err(|_| errors::user("54011", "there are too many columns"))?;
    let is_binary = form.kind == CopyKind::Binary;
    let formats = vec![i16::from(is_binary); fields.len()];
    let begin = CopyOutResponse::new(i8::from(is_binary), columns, formats);
    client.feed(PgWireBackendMessage::CopyOutResponse(begin)).await?;
    let data = |bytes: Vec<u8>| PgWireBackendMessage::CopyData(CopyData::new(bytes.into()));
    if form.header && !is_binary {
        client.feed(data(form.header(&fields))).await?;
    }
    let quoted: Vec<bool> = fields.iter().map(|field| form.quotes(field.name())).collect();
    let mut before = if is_binary { SIGNATURE.to_vec() } else { Vec::new() };
    let mut count = 0;
    while let Some(row) = rows.data_rows().next().await {
        // On an error the client gets an ErrorResponse instead of CopyDone.
        let line = form.line(&row?, &quoted);
        let line = if before.is_empty() { line } else { [std::mem::take(&mut before), line].concat() };
        client.feed(data(line)).await?;
        count += 1;
    }
    if is_binary {
        before.extend([0xff, 0xff]);
        client.feed(data(before)).await?;
    }
    client.feed(PgWireBackendMessage::CopyDone(CopyDone::new())).await?;
    send_execution_response(client, Tag::new("COPY").with_rows(count)).await
}

impl CopyForm {
    /// Returns the wire format of the cells.
    pub(super) fn format(&self) -> Format {
        if self.kind == CopyKind::Binary { Format::UnifiedBinary } else { Format::UnifiedText }
    }

    fn quotes(&self, column: &str) -> bool {
        self.force_quote.iter().any(|name| name == "*" || name == column)
    }

    fn header(&self, fields: &[FieldInfo]) -> Vec<u8> {
        let cells = fields.iter().map(|field| Some(field.name().as_bytes()));
        self.joined(cells, &vec![false; fields.len()])
    }

    fn line(&self, row: &DataRow, quoted: &[bool]) -> Vec<u8> {
        if self.kind == CopyKind::Binary {
            return [&row.field_count.to_be_bytes()[..], &row.data].concat();
        }
        self.joined(cells(&row.data), quoted)
    }

    fn joined<'a>(&self, cells: impl Iterator<Item = Option<&'a [u8]>>, quoted: &[bool]) -> Vec<u8> {
        let mut line = Vec::new();
        for (at, cell) in cells.enumerate() {
            if at > 0 {
                push(&mut line, self.delimiter);
            }
            match cell {
                None => line.extend_from_slice(self.null.as_bytes()),
                Some(cell) if self.kind == CopyKind::Csv => {
                    self.csv(&mut line, cell, quoted.get(at).copied().unwrap_or(false));
                }
                Some(cell) => self.text(&mut line, cell),
            }
        }
        line.push(b'\n');
        line
    }

    fn text(&self, line: &mut Vec<u8>, cell: &[u8]) {
        for character in String::from_utf8_lossy(cell).chars() {
            match character {
                '\\' => line.extend_from_slice(b"\\\\"),
                '\n' => line.extend_from_slice(b"\\n"),
                '\r' => line.extend_from_slice(b"\\r"),
                '\t' => line.extend_from_slice(b"\\t"),
                '\u{8}' => line.extend_from_slice(b"\\b"),
                '\u{c}' => line.extend_from_slice(b"\\f"),
                '\u{b}' => line.extend_from_slice(b"\\v"),
                other => {
                    if other == self.delimiter {
                        line.push(b'\\');
                    }
                    push(line, other);
                }
            }
        }
    }

    fn csv(&self, line: &mut Vec<u8>, cell: &[u8], force: bool) {
        let text = String::from_utf8_lossy(cell);
        let special = |c: char| c == self.delimiter || c == self.quote || matches!(c, '\n' | '\r');
        if !force && *text != *self.null && text != "\\." && !text.contains(special) {
            return line.extend_from_slice(cell);
        }
        push(line, self.quote);
        for character in text.chars() {
            if character == self.quote || character == self.escape {
                push(line, self.escape);
            }
            push(line, character);
        }
        push(line, self.quote);
    }
}

fn push(line: &mut Vec<u8>, character: char) {
    line.extend_from_slice(character.encode_utf8(&mut [0; 4]).as_bytes());
}

/// Returns the cells of a row in wire format: each is prefixed by its length, -1 for NULL.
fn cells(mut bytes: &[u8]) -> impl Iterator<Item = Option<&[u8]>> {
    std::iter::from_fn(move || {
        let (length, rest) = bytes.split_first_chunk()?;
        let Ok(length) = usize::try_from(i32::from_be_bytes(*length)) else {
            bytes = rest;
            return Some(None);
        };
        let (cell, rest) = rest.split_at_checked(length)?;
        bytes = rest;
        Some(Some(cell))
    })
}

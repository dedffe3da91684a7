//! Rows of one table under construction: a builder per column, and the promotion of attributes.

use super::column::Column;
use super::error::DecodeError;
use super::plan::{Promotion, Promotions, TablePlan};
use super::value;
use crate::model::hex::{digits, hex};
use arrow::array::{ArrayBuilder as _, ArrowPrimitiveType, ListBuilder, PrimitiveBuilder};
use arrow::record_batch::RecordBatch;
use opentelemetry_proto::tonic::common::v1::{AnyValue, KeyValue};
use std::borrow::Cow;
use std::rc::Rc;

/// Limit on the bytes of the rows of one table of one request. Each row repeats its resource, and an empty item is two bytes
/// on the wire, so a small request could grow without limit; Arrow's own limit is 2 GiB per column.
const BYTES_MAX: usize = 256 << 20;

/// Maximum number of rows allocated ahead: the count comes from the sender and is not verified yet.
const EXPECTED_MAX: usize = 65_536;

/// Bytes of each row in each column besides its text.
const CELL_BYTES: usize = 8;

/// Service name used if no resource names its service.
const UNKNOWN_SERVICE: &str = "unknown_service";

/// An attribute selected for a column.
#[derive(Debug, Clone, Copy)]
struct Promoted<'a> {
    by: Promotion,
    value: &'a AnyValue,
    /// Index among the attributes of the item; `None` for an attribute of the resource or scope.
    attribute: Option<usize>,
}

impl<'a> Promoted<'a> {
    /// Returns the value as text, as stored in the column.
    fn text(&self) -> Option<Cow<'a, str>> {
        let text = value::text(self.value)?;
        let query = if self.by.cuts_query { text.find('?') } else { None };
        Some(match query {
            Some(end) => Cow::Owned(text[..end].to_owned()),
            None => text,
        })
    }
}

/// An attribute as stored in a map column.
type TextEntry<'a> = (&'a str, Option<Cow<'a, str>>);

/// Data shared by all items of a resource and scope, resolved once.
#[derive(Debug, Clone)]
pub(super) struct Block<'a> {
    promoted: Vec<Option<Promoted<'a>>>,
    /// Resource attributes without a column of their own, as text.
    resource: Rc<Vec<TextEntry<'a>>>,
}

impl<'a> Block<'a> {
    /// Creates a block with the attributes of the resource.
    pub(super) fn of_resource(plan: &TablePlan, attributes: &'a [KeyValue]) -> Block<'a> {
        let mut promoted = vec![None; plan.slots.len()];
        choose(plan, &plan.resource, attributes, &mut promoted);
        let has_column = |index: usize| promoted.iter().flatten().any(|p: &Promoted<'_>| p.attribute == Some(index));
        let rest = attributes.iter().enumerate().filter(|(index, _)| !has_column(*index));
        let resource = rest.map(|(_, kv)| (kv.key.as_str(), kv.value.as_ref().and_then(value::text))).collect();
        promoted.iter_mut().flatten().for_each(|promoted| promoted.attribute = None);
        Block { promoted, resource: Rc::new(resource) }
    }

    /// Returns a copy with the attributes of the scope added.
    pub(super) fn in_scope(&self, plan: &TablePlan, attributes: &'a [KeyValue]) -> Block<'a> {
        let mut block = self.clone();
        choose(plan, &plan.scope, attributes, &mut block.promoted);
        block.promoted.iter_mut().flatten().for_each(|promoted| promoted.attribute = None);
        block
    }
}

/// Chooses for each column, among the attributes that fit its type, the one listed first in its `from`.
fn choose<'a>(
    plan: &TablePlan,
    promotions: &Promotions,
    attributes: &'a [KeyValue],
    chosen: &mut [Option<Promoted<'a>>],
) {
    if promotions.is_empty() {
        return;
    }
    for (index, kv) in attributes.iter().enumerate() {
        let Some(ways) = promotions.get(kv.key.as_str()) else { continue };
        let Some(value) = kv.value.as_ref().filter(|value| value.value.is_some()) else { continue };
        for by in ways {
            let is_better = chosen[by.slot].is_none_or(|known| by.rank < known.by.rank);
            if is_better && value::fits(value, plan.kinds[plan.slots[by.slot]]) {
                chosen[by.slot] = Some(Promoted { by: *by, value, attribute: Some(index) });
            }
        }
    }
}

/// The rows of one table.
pub(super) struct Rows<'a> {
    plan: &'a TablePlan,
    /// Columns with at least one value; each is padded with nulls before a write and at the end.
    columns: Vec<Option<Column>>,
    count: usize,
    /// Estimated number of rows.
    expected: usize,
    bytes: usize,
    /// Promoted attributes of the current row, by slot.
    promoted: Vec<Option<Promoted<'a>>>,
    /// Whether each attribute of the current row has a column of its own.
    taken: Vec<bool>,
}

impl<'a> Rows<'a> {
    /// Creates an empty table for about `expected` rows.
    pub(super) fn new(plan: &'a TablePlan, expected: usize) -> Rows<'a> {
        let columns = plan.kinds.iter().map(|_| None).collect();
        let expected = expected.min(EXPECTED_MAX);
        Rows { plan, columns, count: 0, expected, bytes: 0, promoted: Vec::new(), taken: Vec::new() }
    }

    /// Returns a column, ready for the value of the current row.
    fn column(&mut self, index: usize) -> Option<&mut Column> {
        column(&mut self.columns, index, self.plan, (self.count, self.expected))
    }

    /// Fills the promoted columns of the current row, and the map `attributes_column` with the remaining attributes.
    pub(super) fn promote(&mut self, attributes: &'a [KeyValue], block: &Block<'a>, attributes_column: usize) {
        self.promoted.clone_from(&block.promoted);
        self.taken.clear();
        self.taken.resize(attributes.len(), false);
        choose(self.plan, &self.plan.item, attributes, &mut self.promoted);
        for slot in 0..self.promoted.len() {
            if let Some(promoted) = self.promoted[slot] {
                self.fill(slot, promoted);
            }
        }
        if let Some(slot) = self.plan.service_slot
            && self.promoted[slot].is_none()
        {
            self.text(self.plan.slots[slot], UNKNOWN_SERVICE);
        }
        let rows = (self.count, self.expected);
        if let Some(Column::Map(map)) = column(&mut self.columns, attributes_column, self.plan, rows) {
            let rest = attributes.iter().zip(&self.taken).filter(|(_, taken)| !**taken);
            self.bytes += map.append(rest.map(|(kv, _)| (kv.key.as_str(), kv.value.as_ref().and_then(value::text))));
        }
    }

    /// Writes a promoted value that is known to fit.
    fn fill(&mut self, slot: usize, promoted: Promoted<'a>) {
        let rows = (self.count, self.expected);
        let Some(column) = column(&mut self.columns, self.plan.slots[slot], self.plan, rows) else { return };
        let written = match column {
            Column::Text(builder) => promoted.text().map(|text| {
                self.bytes += text.len();
                builder.append_value(text);
            }),
            Column::Int(builder) => value::int(promoted.value).map(|value| builder.append_value(value)),
            Column::Float(builder) => value::float(promoted.value).map(|value| builder.append_value(value)),
            Column::Bool(builder) => value::boolean(promoted.value).map(|value| builder.append_value(value)),
            _ => None,
        };
        if written.is_none() {
            self.promoted[slot] = None;
            return;
        }
        // The full value of a truncated column stays among the attributes.
        let is_cut = promoted.by.cuts_query && value::text(promoted.value).is_some_and(|text| text.contains('?'));
        if let Some(attribute) = promoted.attribute.filter(|_| !is_cut) {
            self.taken[attribute] = true;
        }
    }

    /// Returns whether the current row has a value in a promoted column.
    pub(super) fn is_filled(&self, slot: Option<usize>) -> bool {
        slot.and_then(|slot| self.promoted.get(slot)).is_some_and(Option::is_some)
    }

    /// Returns the text of the current row in a promoted column.
    pub(super) fn promoted_text(&self, slot: Option<usize>) -> Option<Cow<'a, str>> {
        self.promoted.get(slot?)?.as_ref()?.text().filter(|text| !text.is_empty())
    }

    /// Returns the number of the current row in a promoted column.
    pub(super) fn promoted_int(&self, slot: Option<usize>) -> Option<i64> {
        value::int(self.promoted.get(slot?)?.as_ref()?.value)
    }

    pub(super) fn resource(&mut self, column: usize, block: &Block<'a>) {
        if let Some(Column::Map(map)) = self.column(column) {
            let bytes =
                map.append(block.resource.iter().map(|(key, value)| (*key, value.as_deref().map(Cow::Borrowed))));
            self.bytes += bytes;
        }
    }

    /// Writes attributes to a map column.
    pub(super) fn map(&mut self, column: usize, attributes: &[KeyValue]) {
        if let Some(Column::Map(map)) = self.column(column) {
            let bytes =
                map.append(attributes.iter().map(|kv| (kv.key.as_str(), kv.value.as_ref().and_then(value::text))));
            self.bytes += bytes;
        }
    }

    pub(super) fn text(&mut self, column: usize, value: &str) {
        if let Some(Column::Text(builder)) = self.column(column) {
            builder.append_value(value);
            self.bytes += value.len();
        }
    }

    /// Writes text; an empty text becomes null.
    pub(super) fn text_or_null(&mut self, column: usize, value: &str) {
        if !value.is_empty() {
            self.text(column, value);
        }
    }

    /// Writes an id as lower-case hex digits.
    pub(super) fn hex(&mut self, column: usize, id: &[u8]) {
        let mut digits = [0_u8; 32];
        if id.len() <= 16 {
            self.text(column, hex_into(id, &mut digits));
        } else {
            self.text(column, &hex(id));
        }
    }

    pub(super) fn int(&mut self, column: usize, value: i64) {
        if let Some(Column::Int(builder)) = self.column(column) {
            builder.append_value(value);
        }
    }

    pub(super) fn float(&mut self, column: usize, value: f64) {
        if let Some(Column::Float(builder)) = self.column(column) {
            builder.append_value(value);
        }
    }

    pub(super) fn bool(&mut self, column: usize, value: bool) {
        if let Some(Column::Bool(builder)) = self.column(column) {
            builder.append_value(value);
        }
    }

    /// Writes a time given in nanoseconds.
    pub(super) fn time(&mut self, column: usize, unix_nano: i64) {
        if let Some(Column::Time(builder)) = self.column(column) {
            builder.append_value(unix_nano.div_euclid(1000));
        }
    }

    pub(super) fn ints(&mut self, column: usize, values: impl Iterator<Item = i64>) {
        if let Some(Column::Ints(builder)) = self.column(column) {
            let items = append_list(builder, values);
            self.bytes += items * CELL_BYTES;
        }
    }

    pub(super) fn floats(&mut self, column: usize, values: impl Iterator<Item = f64>) {
        if let Some(Column::Floats(builder)) = self.column(column) {
            let items = append_list(builder, values);
            self.bytes += items * CELL_BYTES;
        }
    }

    pub(super) fn texts(&mut self, column: usize, values: impl Iterator<Item = String>) {
        if let Some(Column::Texts(builder)) = self.column(column) {
            values.for_each(|value| builder.values().append_value(value));
            builder.append(true);
        }
    }

    /// Ends a row: columns without a value stay null.
    pub(super) fn end_row(&mut self) -> Result<(), DecodeError> {
        self.count += 1;
        self.bytes += CELL_BYTES * self.columns.len();
        if self.bytes > BYTES_MAX {
            return Err(DecodeError::new(format!(
                "expected at most {BYTES_MAX} bytes in the table {} with each item's resource repeated, found more after {} rows: send smaller batches",
                self.plan.name, self.count
            )));
        }
        Ok(())
    }

    /// Adds the rows to `tables`, if there are any.
    pub(super) fn finish(self, tables: &mut Vec<(&'static str, RecordBatch)>) -> Result<(), DecodeError> {
        if self.count == 0 || self.columns.is_empty() {
            return Ok(());
        }
        let rows = self.count;
        let array = |(index, column): (usize, Option<Column>)| match column {
            Some(column) => column.finish(rows),
            None => Ok(self.plan.nulls.column(index, rows)),
        };
        let arrays = self.columns.into_iter().enumerate().map(array).collect::<Result<Vec<_>, _>>();
        let batch = arrays.and_then(|arrays| RecordBatch::try_new(self.plan.schema.clone(), arrays));
        let batch = batch.map_err(|error| DecodeError::new(format!("table {}: {error}", self.plan.name)))?;
        tables.push((self.plan.name, batch));
        Ok(())
    }
}

/// Returns a column with nulls for all rows before the current one; `rows` are the completed and the expected rows.
fn column<'c>(
    columns: &'c mut [Option<Column>],
    index: usize,
    plan: &TablePlan,
    rows: (usize, usize),
) -> Option<&'c mut Column> {
    let column = columns.get_mut(index)?.get_or_insert_with(|| Column::new(plan.kinds[index], rows.1));
    column.pad(rows.0);
    Some(column)
}

/// Appends a list and returns its length.
fn append_list<T: ArrowPrimitiveType>(
    builder: &mut ListBuilder<PrimitiveBuilder<T>>,
    items: impl Iterator<Item = T::Native>,
) -> usize {
    let before = builder.values_ref().len();
    items.for_each(|item| builder.values().append_value(item));
    builder.append(true);
    builder.values_ref().len() - before
}

fn hex_into<'b>(bytes: &[u8], text: &'b mut [u8; 32]) -> &'b str {
    for (byte, pair) in bytes.iter().zip(text.chunks_exact_mut(2)) {
        pair.copy_from_slice(&digits(*byte));
    }
    std::str::from_utf8(&text[..2 * bytes.len()]).unwrap_or_default()
}

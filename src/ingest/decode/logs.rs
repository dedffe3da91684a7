//! Logs: builds rows of `logs`.

use super::error::DecodeError;
use super::plan::{TablePlan, columns};
use super::rejects::{Faults, Rejects, check_fits, signed};
use super::rows::{Block, Rows};
use super::value;
use crate::model::decoded::Decoded;
use crate::model::table::TableDef;
use opentelemetry_proto::tonic::collector::logs::v1::ExportLogsServiceRequest;
use opentelemetry_proto::tonic::common::v1::InstrumentationScope;
use opentelemetry_proto::tonic::logs::v1::LogRecord;

columns! {
    /// The columns of `logs` that are not plain promotions; `event_name` is promoted only if the record has no event name.
    struct LogColumns {
        time, time_unix_nano, observed_time_unix_nano, severity_number, severity_text, body, event_name, trace_id,
        span_id, scope_name, scope_version, attributes, resource_attributes,
    }
}

/// The decoding plan of the table.
#[derive(Debug)]
pub(super) struct LogsPlan {
    logs: TablePlan,
    columns: LogColumns,
    event_slot: Option<usize>,
}

impl LogsPlan {
    pub(super) fn new(tables: &[TableDef]) -> LogsPlan {
        let logs = TablePlan::new("logs", tables);
        LogsPlan { columns: LogColumns::of(&logs), event_slot: logs.slot("event_name"), logs }
    }

    pub(super) fn rows(
        &self,
        request: &ExportLogsServiceRequest,
        faults: Faults,
        received: i64,
    ) -> Result<Decoded, DecodeError> {
        let mut rejects = Rejects::new("log records", faults);
        let mut rows = Rows::new(&self.logs, records(request));
        for (r, resource) in request.resource_logs.iter().enumerate() {
            let attributes = resource.resource.as_ref().map_or(&[][..], |resource| &resource.attributes);
            let resource_block = Block::of_resource(&self.logs, attributes);
            for (s, scope_logs) in resource.scope_logs.iter().enumerate() {
                let scope = scope_logs.scope.as_ref();
                let block = resource_block.in_scope(&self.logs, scope.map_or(&[][..], |scope| &scope.attributes));
                for (i, record) in scope_logs.log_records.iter().enumerate() {
                    if rejects.keeps(check(record), || format!("resourceLogs[{r}].scopeLogs[{s}].logRecords[{i}]")) {
                        self.append(&mut rows, record, scope, &block, received)?;
                    }
                }
            }
        }
        let (items, rejected) = rejects.finish();
        let mut decoded = Decoded { received_unix_nano: received, tables: Vec::new(), items, rejected };
        rows.finish(&mut decoded.tables)?;
        Ok(decoded)
    }

    fn append<'a>(
        &self,
        rows: &mut Rows<'a>,
        record: &'a LogRecord,
        scope: Option<&'a InstrumentationScope>,
        block: &Block<'a>,
        received: i64,
    ) -> Result<(), DecodeError> {
        let to = &self.columns;
        rows.promote(&record.attributes, block, to.attributes);
        rows.resource(to.resource_attributes, block);
        let observed = signed(record.observed_time_unix_nano);
        let times = [signed(record.time_unix_nano), observed];
        let time = times.into_iter().find(|time| *time > 0).unwrap_or(received);
        rows.time(to.time, time);
        rows.int(to.time_unix_nano, time);
        if observed > 0 {
            rows.int(to.observed_time_unix_nano, observed);
        }
        if record.severity_number > 0 {
            rows.int(to.severity_number, record.severity_number.into());
        }
        rows.text_or_null(to.severity_text, &record.severity_text);
        if let Some(body) = record.body.as_ref().and_then(value::text) {
            rows.text(to.body, &body);
        }
        // Older senders name an event in an attribute, which has then filled the column.
        if !rows.is_filled(self.event_slot) {
            rows.text_or_null(to.event_name, &record.event_name);
        }
        for (column, id) in [(to.trace_id, &record.trace_id), (to.span_id, &record.span_id)] {
            if id.iter().any(|byte| *byte != 0) {
                rows.hex(column, id);
            }
        }
        rows.text_or_null(to.scope_name, scope.map_or("", |scope| &scope.name));
        rows.text_or_null(to.scope_version, scope.map_or("", |scope| &scope.version));
        rows.end_row()
    }
}

/// Checks a record. It may lack trace ids and timestamps.
fn check(record: &LogRecord) -> Result<(), String> {
    check_fits("timeUnixNano", record.time_unix_nano)?;
    check_fits("observedTimeUnixNano", record.observed_time_unix_nano)
}

/// Returns the number of log records of a request.
fn records(request: &ExportLogsServiceRequest) -> usize {
    let scopes = request.resource_logs.iter().flat_map(|resource| &resource.scope_logs);
    scopes.map(|scope| scope.log_records.len()).sum()
}

//! The file as a target.

use super::json;
use super::settings::{FileFormat, FileSettings};
use super::writer::Writer;
use crate::delivery::{Exporter, Mapped, Outcome, Payload};
use crate::model::signal::Signal;
use anyhow::Context as _;
use async_trait::async_trait;
use bytes::Bytes;
use std::sync::{Arc, Mutex, PoisonError};

const ZSTD_LEVEL: i32 = 3;

struct File {
    settings: FileSettings,
    writer: Arc<Mutex<Writer>>,
}

/// Opens the file.
///
/// # Errors
/// When the file cannot be opened, or something else writes to it.
pub(super) fn open(id: &str, settings: &FileSettings) -> anyhow::Result<Arc<dyn Exporter>> {
    let writer = Writer::open(settings).with_context(|| format!("exporters.{id}.path: {}", settings.path.display()))?;
    Ok(Arc::new(File { settings: settings.clone(), writer: Arc::new(Mutex::new(writer)) }))
}

#[async_trait]
impl Exporter for File {
    fn map(&self, signal: Signal, request: &Bytes) -> anyhow::Result<Mapped> {
        let mut payload = Payload::of_request(signal, request.clone());
        if self.settings.format == FileFormat::Json {
            payload.body = json::text(signal, request)?.into();
        }
        if self.settings.is_compressed {
            payload.body = zstd::encode_all(&*payload.body, ZSTD_LEVEL)?.into();
        }
        Ok(Mapped { payloads: vec![payload], rejected: Vec::new() })
    }

    async fn send(&self, payload: &Payload) -> Outcome {
        let (writer, body) = (self.writer.clone(), payload.body.clone());
        let writing = move || writer.lock().unwrap_or_else(PoisonError::into_inner).write(&body);
        let written =
            tokio::task::spawn_blocking(writing).await.map_err(anyhow::Error::from).and_then(|written| written);
        match written {
            Ok(()) => Outcome::delivered(),
            Err(error) => {
                Outcome::Retry { after: None, reason: format!("{}: {error:#}", self.settings.path.display()) }
            }
        }
    }
}

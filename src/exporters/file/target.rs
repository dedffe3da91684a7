//! The file as a target.

use super::json;
use super::settings::{FileFormat, FileSettings};
use super::writer::Writer;
use crate::delivery::{Exporter, Mapped, Outcome, Payload};
use crate::model::signal::Signal;
use async_trait::async_trait;
use bytes::Bytes;
use parking_lot::Mutex;
use std::sync::Arc;

const ZSTD_LEVEL: i32 = 3;

struct File {
    settings: FileSettings,
    /// Opened by the first request. If that fails, the next attempt opens it.
    writer: Arc<Mutex<Option<Writer>>>,
}

pub(super) fn open(settings: &FileSettings) -> Arc<dyn Exporter> {
    Arc::new(File { settings: settings.clone(), writer: Arc::default() })
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
        let (writer, settings, body) = (self.writer.clone(), self.settings.clone(), payload.body.clone());
        let writing = move || {
            let mut writer = writer.lock();
            let writer = match &mut *writer {
                Some(writer) => writer,
                none => none.insert(Writer::open(&settings)?),
            };
            writer.write(&body)
        };
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

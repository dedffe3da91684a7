//! The receiving side: served as soon as the log is open, before the engine is ready.

use super::config::Config;
use super::feed::Feed;
use super::folder::Opened;
use super::frames::FrameLog;
use super::listeners::Receiver;
use super::replay::Replay;
use crate::ingest::decode::Decoder;
use crate::ingest::{Admission, receivers};
use crate::model::table::{TableDef, TableKind};
use crate::state::State;
use crate::store::HotStore;
use std::sync::Arc;
use tokio::task::{JoinHandle, JoinSet};
use tokio_util::sync::CancellationToken;

/// The log, its admission, and the hot tables.
pub(super) struct Intake {
    pub(super) log: FrameLog,
    pub(super) state: State,
    pub(super) decoder: Arc<Decoder>,
    pub(super) store: Arc<HotStore>,
    pub(super) admission: Arc<Admission>,
    pub(super) replay: Arc<Replay>,
    pub(super) feeding: JoinHandle<()>,
    pub(super) lock: std::fs::File,
}

impl Intake {
    /// Starts to load the digests of earlier requests and to feed the hot tables.
    pub(super) fn start(config: &Config, tables: &[TableDef], opened: Opened) -> Intake {
        let Opened { log, committed, state, lock } = opened;
        let decoder = Arc::new(Decoder::new(tables));
        let signals: Vec<TableDef> = tables.iter().filter(|table| table.kind == TableKind::Signal).cloned().collect();
        let store = HotStore::new(&signals, config.memory.rows);
        let admission = Admission::new(log.clone(), decoder.clone(), config.ingest.clone());
        let replay = Replay::begin(&log, &store, &admission);
        let recalling = replay.clone();
        // Requests wait until it ends.
        drop(tokio::task::spawn_blocking(move || recalling.recall()));
        let feeding = tokio::spawn(Feed::new(&log, &decoder, &store, committed).run());
        Intake { log, state, decoder, store, admission, replay, feeding, lock }
    }

    /// Serves the receivers and returns their addresses.
    pub(super) fn serve(
        &self,
        receivers: Vec<Receiver>,
        tasks: &mut JoinSet<anyhow::Result<()>>,
        cancel: &CancellationToken,
    ) -> anyhow::Result<Vec<(String, String)>> {
        let mut listening = Vec::new();
        for (receiver, grpc, http) in receivers {
            let (id, admission) = (receiver.id.clone(), self.admission.clone());
            if let (Some(listener), Some((_, settings))) = (grpc, receiver.grpc) {
                listening.push((format!("OTLP/gRPC ({id})"), listener.local_addr()?.to_string()));
                tasks.spawn(receivers::grpc::serve(listener, id.clone(), settings, admission.clone(), cancel.clone()));
            }
            if let (Some(listener), Some((_, settings))) = (http, receiver.http) {
                listening.push((format!("OTLP/HTTP ({id})"), listener.local_addr()?.to_string()));
                tasks.spawn(receivers::http::serve(listener, id, settings, admission, cancel.clone()));
            }
        }
        Ok(listening)
    }
}

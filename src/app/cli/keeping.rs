//! Commands that back up and restore the data of a server.

use super::args::{BackupArgs, RestoreArgs, config_path};
use crate::app::backup::{self, Manifest, Progress};
use crate::app::{config, show};
use crate::model::units::{human_bytes, human_count};
use serde_json::json;
use std::path::Path;
use std::process::ExitCode;
use std::time::{Duration, Instant};

pub(super) async fn backup(args: BackupArgs) -> anyhow::Result<ExitCode> {
    let began = Instant::now();
    let path = config_path(args.config);
    let store = config::store_directory(path.as_deref(), &config::process_environment)?;
    let manifest = backup::backup(&store, &args.dir, Progress::new("backup", args.json)).await?;
    let done = Done { what: "backup", from: &store, to: &args.dir, took: began.elapsed() };
    done.tell(&manifest, args.json)
}

pub(super) async fn restore(args: RestoreArgs) -> anyhow::Result<ExitCode> {
    let RestoreArgs { backup: args, force } = args;
    let began = Instant::now();
    let path = config_path(args.config);
    let store = config::store_directory(path.as_deref(), &config::process_environment)?;
    let manifest = backup::restore(&args.dir, &store, force, Progress::new("restore", args.json)).await?;
    let done = Done { what: "restore", from: &args.dir, to: &store, took: began.elapsed() };
    done.tell(&manifest, args.json)
}

struct Done<'a> {
    what: &'static str,
    from: &'a Path,
    to: &'a Path,
    took: Duration,
}

impl Done<'_> {
    fn tell(&self, manifest: &Manifest, json: bool) -> anyhow::Result<ExitCode> {
        let Done { what, from, to, took } = self;
        let (files, bytes, position) = (manifest.count(), manifest.bytes(), manifest.position);
        let text = if json {
            let told = json!({
                "from": from, "to": to, "files": files, "bytes": bytes, "position": position, "seconds": took.as_secs_f64(),
            });
            format!("{}\n", json!({ *what: told }))
        } else {
            #[expect(clippy::cast_precision_loss, reason = "for people")]
            let (shown, files) = (human_bytes(bytes as f64), human_count(files as f64));
            format!(
                "{what}: {} to {}: {files} files, {shown}, up to position {position} of the log, in {:.1} s\n",
                from.display(),
                to.display(),
                took.as_secs_f64()
            )
        };
        show::print(&text)?;
        Ok(ExitCode::SUCCESS)
    }
}

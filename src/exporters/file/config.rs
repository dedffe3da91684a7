//! `file`: the keys of the Collector's exporter.

use super::settings::{FileFormat, FileSettings, Rotation, folder};
use super::target;
use crate::catalog::component::Reading;
use crate::catalog::values::Values as _;
use crate::catalog::yaml::MapReader;
use crate::delivery::Exporter;
use crate::exporters::exporter_type::{ExporterKind, ExporterType};
use crate::model::signal::Signal;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

/// The type `file`.
pub(crate) const TYPE: ExporterType = ExporterType {
    names: &["file"],
    signals: &Signal::ALL,
    read: |declared| declared.read_with(|declared, _| read(declared.reading, declared.map)),
};

impl ExporterKind for FileSettings {
    fn open(&self, _id: &str) -> anyhow::Result<Arc<dyn Exporter>> {
        Ok(target::open(self))
    }
}

const DAY: Duration = Duration::from_hours(24);

fn read(reading: &Reading<'_>, map: MapReader<'_>) -> Option<FileSettings> {
    let creates_folder = map.bool("create_directory").unwrap_or(false);
    let settings = FileSettings {
        path: path(reading, &map, creates_folder).unwrap_or_default(),
        format: map.word("format", &[("json", FileFormat::Json), ("proto", FileFormat::Proto)]).unwrap_or_default(),
        is_compressed: map.word("compression", &[("zstd", true), ("", false), ("none", false)]).unwrap_or(false),
        creates_folder,
        rotation: map.map("rotation").map(|map| rotation(reading, map)),
    };
    if map.bool("append") == Some(false) {
        reading.note_key(
            &map,
            "append",
            "has no effect: Spanwise always appends, so that a restart keeps what was exported",
        );
    }
    refuse(reading, &map);
    map.finish();
    (!settings.path.as_os_str().is_empty()).then_some(settings)
}

fn path(reading: &Reading<'_>, map: &MapReader<'_>, creates_folder: bool) -> Option<PathBuf> {
    if !map.need("path") {
        return None;
    }
    let path = PathBuf::from(map.text("path").filter(|path| !path.is_empty())?);
    let folder = folder(&path);
    if path.is_dir() {
        map.fault("path", format!("expected a file, found the folder {:?}", path.display().to_string()));
    } else if !creates_folder && !folder.is_dir() {
        let folder = folder.display().to_string();
        map.fault(
            "path",
            format!("is in the folder {folder:?}, which does not exist; create it, or set `create_directory: true`"),
        );
    }
    let known = folder.canonicalize().unwrap_or_else(|_| folder.to_owned()).join(path.file_name().unwrap_or_default());
    reading.claim_file(map, "path", known);
    Some(path)
}

fn rotation(reading: &Reading<'_>, map: MapReader<'_>) -> Rotation {
    let megabytes = map.count("max_megabytes", 1).unwrap_or(100);
    let days = map.count("max_days", 0).unwrap_or(0);
    let rotation = Rotation {
        bytes_max: (megabytes as u64).saturating_mul(1 << 20),
        age_max: DAY.saturating_mul(u32::try_from(days).unwrap_or(u32::MAX)),
        backups_max: map.count("max_backups", 0).unwrap_or(100),
    };
    if map.bool("localtime") == Some(true) {
        reading.note_key(&map, "localtime", "has no effect: the names of renamed files have the time in UTC");
    }
    map.finish();
    rotation
}

fn refuse(reading: &Reading<'_>, map: &MapReader<'_>) {
    reading.not_yet(map, &[("encoding", "write `format: json` or `format: proto`")]);
    if let Some(group_by) = map.map("group_by") {
        if group_by.bool("enabled") == Some(true) {
            group_by.fault(
                "enabled",
                "is not supported yet; write an exporter for each group, each in a pipeline of its own",
            );
        }
        group_by.entries();
    }
    reading.without_effect(map, &["directory_permissions", "compression_params"]);
    reading.note_key(map, "flush_interval", "has no effect: each batch is on disk before it counts as delivered");
}

//! `exporters.file`.

use super::*;
use crate::exporters::file::{FileFormat, FileSettings};

fn file(settings: &str) -> String {
    format!(
        "receivers: {{otlp: {{protocols: {{grpc: }}}}}}\nexporters:\n  file: {{{settings}}}\nservice: {{pipelines: {{traces: \
         {{receivers: [otlp], exporters: [file]}}}}}}\n"
    )
}

#[test]
fn the_keys_are_the_collectors() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("out.json");
    let config = good(&file(&format!("path: '{}'", path.display())));
    let settings: &FileSettings = config.targets[0].of().expect("a file");
    assert_eq!(
        (settings.path.as_path(), settings.format, &settings.rotation),
        (path.as_path(), FileFormat::Json, &None)
    );
    let all = "format: proto, compression: zstd, rotation: {max_megabytes: 5, max_days: 3, max_backups: 7}, \
               create_directory: true";
    let config = good(&file(&format!("path: '{}/new/out', {all}", folder.path().display())));
    let settings: &FileSettings = config.targets[0].of().expect("a file");
    let rotation = settings.rotation.as_ref().expect("a rotation");
    assert_eq!((settings.format, settings.is_compressed, settings.creates_folder), (FileFormat::Proto, true, true));
    assert_eq!((rotation.bytes_max, rotation.age_max.as_secs(), rotation.backups_max), (5 << 20, 3 * 86_400, 7));
    // The Collector's defaults of a rotation.
    let config = good(&file(&format!("path: '{}', rotation: {{}}", path.display())));
    let settings: &FileSettings = config.targets[0].of().expect("a file");
    let rotation = settings.rotation.as_ref().expect("a rotation");
    assert_eq!((rotation.bytes_max, rotation.age_max.as_secs(), rotation.backups_max), (100 << 20, 0, 100));
}

#[test]
fn a_path_that_cannot_be_written_is_a_fault() {
    let folder = tempfile::tempdir().expect("a folder");
    let start = "c.yaml:3: exporters.file.path: ";
    assert_eq!(
        faults(&file(&format!("path: '{}/none/out.json'", folder.path().display()))),
        [format!(
            "{start}is in the folder \"{}/none\", which does not exist; create it, or set `create_directory: true`",
            folder.path().display()
        )]
    );
    let found = faults(&file(&format!("path: '{}'", folder.path().display())));
    assert_eq!(found, [format!("{start}expected a file, found the folder {:?}", folder.path().display().to_string())]);
    let two = file(&format!("path: '{0}/a'}}\n  file/b: {{path: '{0}/./a'", folder.path().display()));
    let found = faults(&two.replace("exporters: [file]", "exporters: [file, file/b]"));
    assert_eq!(
        found,
        ["c.yaml:4: exporters.file/b.path: is the file of exporters.file.path, too; expected another one"]
    );
    let found = faults(&file("group_by: {enabled: true}"));
    assert!(
        found.len() == 2 && found[0].contains("path") && found[1].contains("group_by.enabled: is not supported yet"),
        "{found:?}"
    );
}

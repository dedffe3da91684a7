//! The arrows between the layers of `src/README.md` point downward, and files stay short.

use crate::support::peers::repository;
use std::path::{Path, PathBuf};

/// Folders by layer, lowest first. Folders of one layer do not know each other.
const LAYERS: [&[&str]; 6] =
    [&["model"], &["catalog", "log"], &["ingest", "store", "sinks"], &["engine"], &["endpoints", "demo"], &["app"]];
const LINES_MAX: usize = 400;

fn files(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
}

fn layer(folder: &str) -> Option<usize> {
    LAYERS.iter().position(|folders| folders.contains(&folder))
}

/// Top folders that a source uses, with the lines. Tests may use what they like.
fn used(text: &str) -> Vec<(usize, String)> {
    let code = text.split("#[cfg(test)]\nmod tests {").next().unwrap_or_default();
    let lines = code.lines().enumerate().filter(|(_, line)| !line.trim_start().starts_with("//"));
    let mut found = Vec::new();
    for (number, line) in lines {
        for behind in line.split("crate::").skip(1) {
            let name: String = behind.chars().take_while(|letter| letter.is_alphanumeric() || *letter == '_').collect();
            found.push((number + 1, name));
        }
    }
    found
}

#[test]
fn arrows_point_downward() {
    let source = repository("src");
    let mut sources = Vec::new();
    files(&source, &mut sources);
    let mut faults = Vec::new();
    let mut arrows = 0;
    for path in sources {
        let inside = path.strip_prefix(&source).unwrap();
        let top = inside.components().next().unwrap().as_os_str().to_str().unwrap();
        let Some(own) = layer(top) else { continue };
        if inside.to_str().unwrap().contains("tests") {
            continue;
        }
        for (line, name) in used(&std::fs::read_to_string(&path).unwrap()) {
            let Some(other) = layer(&name) else { continue };
            arrows += 1;
            if name != top && other >= own {
                faults.push(format!("{}:{line}: {top} (layer {own}) uses {name} (layer {other})", inside.display()));
            }
        }
    }
    assert!(arrows > 100, "found only {arrows} arrows");
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

#[test]
fn every_folder_has_a_layer_and_stands_in_the_map() {
    let map = std::fs::read_to_string(repository("src/README.md")).unwrap();
    for entry in std::fs::read_dir(repository("src")).unwrap() {
        let entry = entry.unwrap();
        if entry.file_type().unwrap().is_dir() {
            let name = entry.file_name().into_string().unwrap();
            assert!(layer(&name).is_some(), "{name} has no layer");
            assert!(map.contains(&format!("`{name}/`")), "{name} is not in src/README.md");
        }
    }
}

#[test]
fn a_file_can_be_read_in_a_sitting() {
    let mut sources = Vec::new();
    files(&repository("src"), &mut sources);
    files(&repository("tests"), &mut sources);
    let long: Vec<String> = sources
        .iter()
        .filter_map(|path| {
            let lines = std::fs::read_to_string(path).unwrap().lines().count();
            (lines > LINES_MAX).then(|| format!("{}: {lines} lines", path.display()))
        })
        .collect();
    assert!(long.is_empty(), "{}", long.join("\n"));
}

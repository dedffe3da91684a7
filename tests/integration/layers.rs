//! Checks the dependencies between the folders of `src/` against the table in `src/README.md`, cycles between files, and the
//! length of files.

mod circles;
mod source;

use circles::Uses;
use source::File;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

/// Maximum number of lines of a file.
const LINES_MAX: usize = 400;

/// A reference from one folder to another, with file and line.
struct Arrow {
    from: String,
    to: String,
    place: String,
}

/// Dependencies point downward only, so folders of one layer do not depend on each other and there are no cycles.
#[test]
fn arrows_between_folders_lead_downward() {
    let layers = layers();
    let folders: BTreeSet<String> = folders().collect();
    let in_table: BTreeSet<String> = layers.keys().cloned().collect();
    let unknown: Vec<_> = folders.difference(&in_table).collect();
    assert!(unknown.is_empty(), "folders of src/ that the table in src/README.md does not have: {unknown:?}");

    let arrows: Vec<Arrow> = files().iter().flat_map(|file| arrows(file, &folders)).collect();
    assert!(arrows.len() > 100, "the test sees the references: {} found", arrows.len());
    let wrong: Vec<String> = arrows
        .iter()
        .filter(|arrow| arrow.from != arrow.to && layers[&arrow.from] <= layers[&arrow.to])
        .map(|arrow| {
            let Arrow { from, to, place } = arrow;
            format!("{place}: {from}/ (layer {}) knows {to}/ (layer {})", layers[from], layers[to])
        })
        .collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// To understand one file of a cycle, one has to read all of them.
#[test]
fn files_do_not_use_one_another_in_circles() {
    // `main.rs` is a separate crate.
    let files = files().into_iter().filter(|file| !file.ends_with("src/main.rs"));
    let files: Vec<File> = files
        .map(|file| {
            let text = std::fs::read_to_string(&file).expect("readable");
            File::read(file.strip_prefix(source()).expect("under src/"), &text)
        })
        .collect();
    let uses = Uses::of(&files);
    assert!(uses.count() > 1000, "the test sees who uses whom: {} found", uses.count());
    let circles = uses.circles().into_iter();
    let circles: Vec<String> =
        circles.map(|circle| format!("{}: {}", circle.places.join(", "), circle.shortest)).collect();
    assert!(circles.is_empty(), "files that use one another:\n{}", circles.join("\n"));
}

/// The demo is an ordinary application: it reaches Spanwise only over the network.
#[test]
fn the_demo_knows_no_other_folder() {
    let folders: BTreeSet<String> = folders().collect();
    let files = files();
    let arrows = files.iter().flat_map(|file| arrows(file, &folders));
    let from_demo: Vec<String> =
        arrows.filter(|arrow| arrow.from == "demo" && arrow.to != "demo").map(|arrow| arrow.place).collect();
    assert!(from_demo.is_empty(), "{}", from_demo.join("\n"));
}

#[test]
fn files_are_short_enough_to_be_read() {
    let tests = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests");
    let benches = Path::new(env!("CARGO_MANIFEST_DIR")).join("benches");
    let all = [source(), tests, benches].into_iter().flat_map(|folder| rust_files(&folder));
    let long: Vec<String> = all
        .map(|file| (std::fs::read_to_string(&file).expect("readable").lines().count(), file))
        .filter(|(lines, _)| *lines >= LINES_MAX)
        .map(|(lines, file)| format!("{}: {lines} lines", file.display()))
        .collect();
    assert!(long.is_empty(), "files of {LINES_MAX} lines or more:\n{}", long.join("\n"));
}

fn source() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("src")
}

/// Returns the layer of each folder from the table of `src/README.md`: `| 2 | `store/` | … |`.
fn layers() -> BTreeMap<String, u32> {
    let map = std::fs::read_to_string(source().join("README.md")).expect("src/README.md is the map");
    let rows = map.lines().filter_map(|line| {
        let mut cells = line.strip_prefix('|')?.split('|').map(str::trim);
        let layer = cells.next()?.parse().ok()?;
        let folder = cells.next()?.trim_matches('`').strip_suffix('/')?;
        Some((folder.to_owned(), layer))
    });
    let layers: BTreeMap<String, u32> = rows.collect();
    assert!(layers.len() > 5, "the table of folders in src/README.md: {layers:?}");
    layers
}

fn folders() -> impl Iterator<Item = String> {
    let entries = std::fs::read_dir(source()).expect("src/ is there").filter_map(Result::ok);
    entries.filter(|entry| entry.path().is_dir()).map(|entry| entry.file_name().to_string_lossy().into_owned())
}

fn files() -> Vec<PathBuf> {
    rust_files(&source())
}

fn rust_files(folder: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for entry in std::fs::read_dir(folder).expect("a folder").filter_map(Result::ok) {
        let path = entry.path();
        if path.is_dir() && path.file_name().is_some_and(|name| name != "node_modules") {
            files.extend(rust_files(&path));
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            files.push(path);
        }
    }
    files.sort();
    files
}

/// Returns a file's references to folders of `src/`: `crate::x::…`, inside or outside a `use`, with or without braces, or
/// enough `super::`.
fn arrows(file: &Path, folders: &BTreeSet<String>) -> Vec<Arrow> {
    let relative = file.strip_prefix(source()).expect("under src/");
    let parts: Vec<String> = relative.iter().map(|part| part.to_string_lossy().into_owned()).collect();
    // lib.rs and main.rs may use everything.
    let [from, rest @ ..] = &parts[..] else { return Vec::new() };
    if rest.is_empty() {
        return Vec::new();
    }
    let depth = parts.len() - usize::from(relative.ends_with("mod.rs"));
    let text = std::fs::read_to_string(file).expect("readable");
    let code: Vec<String> = text.lines().map(without_comment).collect();
    let mut found = Vec::new();
    for (number, line) in code.iter().enumerate() {
        // A list in braces may span several lines, so the whole statement is searched.
        let statement = code[number..].iter().take(40).cloned().collect::<Vec<_>>().join(" ");
        let ups = "super::".repeat(depth);
        for root in ["crate::", ups.as_str()] {
            for (at, _) in line.match_indices(root) {
                // Of several consecutive `super::` only the last counts.
                if root != "crate::" && line[at + root.len()..].starts_with("super::") {
                    continue;
                }
                for to in first_names(&statement[at + root.len()..]) {
                    if folders.contains(&to) {
                        let place = format!("src/{}:{}", relative.display(), number + 1);
                        found.push(Arrow { from: from.clone(), to, place });
                    }
                }
            }
        }
    }
    found
}

fn without_comment(line: &str) -> String {
    line.split("//").next().unwrap_or_default().to_owned()
}

/// Returns the names directly after a path's root: one, or those of a list in braces.
fn first_names(rest: &str) -> Vec<String> {
    let name = |text: &str| -> String {
        text.trim_start().chars().take_while(|c| c.is_ascii_alphanumeric() || *c == '_').collect()
    };
    let Some(list) = rest.strip_prefix('{') else { return vec![name(rest)] };
    let mut names = Vec::new();
    let (mut depth, mut begin) = (0, 0);
    for (at, c) in list.char_indices() {
        match c {
            '{' => depth += 1,
            '}' if depth == 0 => {
                names.push(name(&list[begin..at]));
                break;
            }
            '}' => depth -= 1,
            ',' if depth == 0 => {
                names.push(name(&list[begin..at]));
                begin = at + 1;
            }
            _ => {}
        }
    }
    names
}

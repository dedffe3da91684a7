//! Cycles between files: files that use each other, directly or indirectly.
//!
//! A file uses another one if it names an item defined there. A re-export is resolved to the definition and does not count
//! itself, so a `mod.rs` that only re-exports its children is in no cycle. One that defines a type used by its children, and
//! calls them, is in a cycle: the type belongs in a file of its own. Methods that a file adds to another file's type are called
//! without naming the file, so they are not detected. Test code is excluded.

use super::source::File;
use std::collections::{BTreeMap, BTreeSet, VecDeque};

/// The files of `src/` and their dependencies.
pub(super) struct Uses<'a> {
    files: Vec<&'a File>,
    by_module: BTreeMap<&'a [String], usize>,
    /// For each file, the files that it uses, with a line of the use.
    edges: Vec<BTreeMap<usize, usize>>,
}

/// A cycle: each of its files uses all others, directly or indirectly.
pub(super) struct Circle {
    pub(super) places: Vec<String>,
    /// The shortest path from the first file back to itself.
    pub(super) shortest: String,
}

/// Target of a path.
#[derive(Clone, Copy)]
enum Target {
    /// The module itself.
    Module(usize),
    /// An item defined in a file.
    Item(usize),
}

impl<'a> Uses<'a> {
    pub(super) fn of(files: &'a [File]) -> Uses<'a> {
        let files = code(files);
        let by_module = files.iter().enumerate().map(|(index, file)| (file.module.as_slice(), index)).collect();
        let mut uses = Uses { files, by_module, edges: Vec::new() };
        uses.edges = (0..uses.files.len()).map(|index| uses.edges_of(index)).collect();
        uses
    }

    pub(super) fn count(&self) -> usize {
        self.edges.iter().map(BTreeMap::len).sum()
    }

    fn edges_of(&self, index: usize) -> BTreeMap<usize, usize> {
        let file = self.files[index];
        let imports = file.imports.iter().filter(|import| !import.is_public || file.words.contains(&import.name));
        let imported = imports.map(|import| (&import.path, import.line));
        let mentioned = file.mentions.iter().map(|mention| (&mention.path, mention.line));
        let mut edges = BTreeMap::new();
        for (path, line) in imported.chain(mentioned) {
            if let Some(Target::Item(target)) = self.resolve(index, path, 0)
                && target != index
            {
                edges.entry(target).or_insert(line);
            }
        }
        edges
    }

    /// Resolves a path in a file; `None` if the target is outside `src/`.
    fn resolve(&self, index: usize, path: &[String], depth: usize) -> Option<Target> {
        // Valid code contains no names that resolve to themselves.
        let (first, mut rest) = path.split_first().filter(|_| depth < 20)?;
        let module = &self.files[index].module;
        let mut target = match first.as_str() {
            "crate" => Target::Module(self.module(&[])?),
            "self" => Target::Module(index),
            "super" => {
                let more = rest.iter().take_while(|part| *part == "super").count();
                rest = &rest[more..];
                Target::Module(self.module(module.get(..module.len().checked_sub(1 + more)?)?)?)
            }
            name => self.named(index, name, depth)?,
        };
        for name in rest {
            match target {
                Target::Module(at) => target = self.named(at, name, depth).unwrap_or(Target::Item(at)),
                Target::Item(_) => break,
            }
        }
        Some(target)
    }

    /// Resolves a name in a file: a child module, an item, or an import or re-export.
    fn named(&self, index: usize, name: &str, depth: usize) -> Option<Target> {
        let file = self.files[index];
        if file.children.contains(name) {
            let child: Vec<String> = file.module.iter().cloned().chain([name.to_owned()]).collect();
            return self.module(&child).map(Target::Module);
        }
        if file.items.contains(name) {
            return Some(Target::Item(index));
        }
        let import = file.imports.iter().find(|import| import.name == name)?;
        self.resolve(index, &import.path, depth + 1)
    }

    fn module(&self, module: &[String]) -> Option<usize> {
        self.by_module.get(module).copied()
    }

    /// Returns all cycles.
    pub(super) fn circles(&self) -> Vec<Circle> {
        let (mut circles, mut seen) = (Vec::new(), BTreeSet::new());
        for index in 0..self.files.len() {
            let Some(way) = self.way_back(index).filter(|_| !seen.contains(&index)) else { continue };
            let reached = self.reached(index);
            let circle: Vec<usize> = reached.into_iter().filter(|at| self.reached(*at).contains(&index)).collect();
            seen.extend(circle.iter().copied());
            let places = circle.iter().map(|at| self.files[*at].place.clone()).collect();
            circles.push(Circle { places, shortest: self.shown(&way) });
        }
        circles
    }

    fn shown(&self, way: &[usize]) -> String {
        let steps = way.windows(2).map(|step| {
            let line = self.edges[step[0]][&step[1]];
            format!("src/{}:{line} uses src/{}", self.files[step[0]].place, self.files[step[1]].place)
        });
        steps.collect::<Vec<_>>().join(", ")
    }

    fn reached(&self, from: usize) -> BTreeSet<usize> {
        let (mut reached, mut next) = (BTreeSet::new(), vec![from]);
        while let Some(at) = next.pop() {
            next.extend(self.edges[at].keys().filter(|to| reached.insert(**to)));
        }
        reached
    }

    /// Returns the shortest path from a file back to itself.
    fn way_back(&self, from: usize) -> Option<Vec<usize>> {
        let (mut ways, mut known) = (VecDeque::from([vec![from]]), BTreeSet::new());
        while let Some(way) = ways.pop_front() {
            for to in self.edges[*way.last()?].keys() {
                let longer: Vec<usize> = way.iter().copied().chain([*to]).collect();
                if *to == from {
                    return Some(longer);
                }
                if known.insert(*to) {
                    ways.push_back(longer);
                }
            }
        }
        None
    }
}

/// Returns the files that are not only for tests.
fn code(files: &[File]) -> Vec<&File> {
    let tests: BTreeSet<Vec<String>> = files
        .iter()
        .flat_map(|file| file.tests.iter().map(|name| file.module.iter().cloned().chain([name.clone()]).collect()))
        .collect();
    let is_test = |file: &File| (0..=file.module.len()).any(|length| tests.contains(&file.module[..length]));
    files.iter().filter(|file| !is_test(file)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::Path;

    fn circles(files: &[(&str, &str)]) -> Vec<Vec<String>> {
        let files: Vec<File> = files.iter().map(|(place, text)| File::read(Path::new(place), text)).collect();
        Uses::of(&files).circles().into_iter().map(|circle| circle.places).collect()
    }

    #[test]
    fn two_files_that_name_items_of_each_other_are_a_circle() {
        let root = ("lib.rs", "mod a;\nmod b;\n");
        let there = ("a.rs", "use crate::b::{self, B};\npub struct A(B);\n");
        let back = ("b.rs", "pub struct B;\npub fn of() -> crate::a::A { todo!() }\n");
        assert_eq!(circles(&[root, there, back]), [["a.rs", "b.rs"]]);
        for harmless in [
            "pub struct B;\n// use crate::a::A;\n",
            "pub struct B;\npub const TEXT: &str = \"crate::a::A\";\n",
            "pub struct B;\n#[cfg(test)]\nmod tests { use crate::a::A; fn of(a: A) {} }\n",
            "pub struct B;\n#[cfg(test)]\nuse crate::a::A;\n",
            "pub struct B;\nuse a::A;\n",
        ] {
            assert!(circles(&[root, there, ("b.rs", harmless)]).is_empty(), "{harmless}");
        }
    }

    #[test]
    fn a_circle_may_lead_over_others_and_over_re_exports() {
        let root = ("lib.rs", "mod a;\nmod b;\nmod c;\npub use c::C;\n");
        let a = ("a.rs", "pub fn a() { crate::b::b() }\n");
        let b = ("b.rs", "use crate::C as Other;\npub fn b() { Other::new() }\n");
        assert_eq!(circles(&[root, a, b, ("c.rs", "pub struct C;\nuse super::a::a;\n")]), [["a.rs", "b.rs", "c.rs"]]);
        assert!(circles(&[root, a, b, ("c.rs", "pub struct C;\n")]).is_empty());
    }

    #[test]
    fn a_module_that_calls_its_child_and_defines_what_that_takes_is_a_circle() {
        let root = ("lib.rs", "pub mod p;\n");
        let child = ("p/c.rs", "use super::Settings;\npub fn run(settings: &Settings) {}\n");
        let calls = "mod c;\npub struct Settings;\npub fn run(s: &Settings) { c::run(s) }\n";
        assert_eq!(circles(&[root, ("p/mod.rs", calls), child]), [["p/mod.rs", "p/c.rs"]]);
        let lists = "mod c;\npub use c::run;\npub struct Settings;\n";
        assert!(circles(&[root, ("p/mod.rs", lists), child]).is_empty());
        let uses_its_own_list = "mod c;\npub use c::run;\npub struct Settings;\npub fn twice() { run(&Settings) }\n";
        assert_eq!(circles(&[root, ("p/mod.rs", uses_its_own_list), child]), [["p/mod.rs", "p/c.rs"]]);
    }
}

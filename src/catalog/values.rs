//! Reading configuration values in the notations of users, on top of the YAML reader.

use super::yaml::{MapReader, Value};
use crate::model::pem::Pem;
use crate::model::secret::Secret;
use crate::model::units::{DURATION, SIZE, duration, size_bytes};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Typed values specific to a configuration.
pub(crate) trait Values {
    /// Reads a duration; `0` needs no unit.
    fn duration(&self, key: &str) -> Option<Duration>;
    /// Reads a duration greater than zero.
    fn duration_above_zero(&self, key: &str) -> Option<Duration>;
    /// Reads a size in bytes greater than zero.
    fn size(&self, key: &str) -> Option<usize>;
    /// Reads the size of a store or a memory limit; less than 1 MB is a fault.
    fn space(&self, key: &str) -> Option<usize>;
    /// Reads an integer of at least `least`.
    fn count(&self, key: &str, least: usize) -> Option<usize>;
    /// Reads text; a number or boolean is taken as text.
    fn text(&self, key: &str) -> Option<String>;
    /// Reads a secret of one line; its value is never shown.
    fn secret(&self, key: &str) -> Option<Secret>;
    /// Reads a secret of any number of lines.
    fn secret_text(&self, key: &str) -> Option<Secret>;
    /// Reads name and value pairs, as a map or as a list of `{name, value}`.
    fn headers(&self, key: &str) -> Vec<(String, Secret)>;
    /// Reads a path that must exist: `what` describes it, `fits` checks its type.
    fn existing(&self, key: &str, what: &str, fits: fn(&Path) -> bool) -> Option<PathBuf>;
    /// Reads `<name>_file` or `<name>_pem`.
    fn pem(&self, name: &str) -> Option<Pem>;
    /// Returns true if the key is present and not empty.
    fn given(&self, key: &str) -> bool;
}

impl Values for MapReader<'_> {
    fn duration(&self, key: &str) -> Option<Duration> {
        self.parsed(key, DURATION, |text| if text == "0" { Some(Duration::ZERO) } else { duration(text) })
    }

    fn duration_above_zero(&self, key: &str) -> Option<Duration> {
        let expected = format!("{DURATION}, greater than zero");
        self.parsed(key, &expected, |text| duration(text).filter(|duration| !duration.is_zero()))
    }

    fn size(&self, key: &str) -> Option<usize> {
        self.parsed(key, SIZE, |text| whole(size_bytes(text)?).filter(|bytes| *bytes > 0))
    }

    fn space(&self, key: &str) -> Option<usize> {
        let expected = format!("{SIZE}, at least 1mb");
        self.parsed(key, &expected, |text| whole(size_bytes(text)?).filter(|bytes| *bytes >= 1_000_000))
    }

    fn count(&self, key: &str, least: usize) -> Option<usize> {
        let expected = format!("a whole number, at least {least}");
        self.parsed(key, &expected, |text| text.parse().ok().filter(|count| *count >= least))
    }

    fn text(&self, key: &str) -> Option<String> {
        self.parsed(key, "text", |text| Some(text.to_owned()))
    }

    fn secret(&self, key: &str) -> Option<Secret> {
        let secret = self.secret_text(key)?;
        if secret.reveal().chars().any(char::is_control) {
            self.fault(key, "expected one line of text, found a control character such as a line break in it");
            return None;
        }
        Some(secret)
    }

    fn secret_text(&self, key: &str) -> Option<Secret> {
        let node = self.get(key).filter(|node| node.value != Value::Faulty)?;
        let Some(text) = node.scalar() else {
            // An empty value is a fault, too: an empty variable must not disable authentication.
            let found = if node.value == Value::Null { "nothing" } else { "a list or a map" };
            self.fault(key, format!("expected a secret, found {found}"));
            return None;
        };
        if text.trim().is_empty() {
            self.fault(key, "expected a secret, found empty text");
            return None;
        }
        Some(Secret::new(text))
    }

    fn headers(&self, key: &str) -> Vec<(String, Secret)> {
        let Some(node) = self.get(key) else { return Vec::new() };
        let mut headers = Vec::new();
        match &node.value {
            Value::Null | Value::Faulty => {}
            Value::Map(_) => {
                let Some(map) = self.map(key) else { return Vec::new() };
                for entry in map.entries() {
                    if let Some(secret) = map.secret(&entry.key) {
                        headers.push((entry.key.clone(), secret, map.path(&entry.key), entry.line));
                    }
                }
            }
            Value::List(_) => {
                for map in self.maps(key) {
                    let name = map.need_str("name");
                    let value = if map.need("value") { map.secret("value") } else { None };
                    if let Some(value) = value.filter(|_| !name.is_empty()) {
                        headers.push((name, value, map.path("name"), map.line()));
                    }
                    map.finish();
                }
            }
            _ => self.fault(key, "expected a map of headers, or a list of {name, value}, found a bare value"),
        }
        let checked = headers.into_iter().filter_map(|(name, value, path, line)| {
            if http::HeaderName::from_bytes(name.as_bytes()).is_err() {
                self.gather().fault(line, path, format!("expected the name of a header, found {name:?}"));
                return None;
            }
            Some((name, value))
        });
        checked.collect()
    }

    fn existing(&self, key: &str, what: &str, fits: fn(&Path) -> bool) -> Option<PathBuf> {
        let path = PathBuf::from(self.text(key)?);
        if fits(&path) {
            return Some(path);
        }
        let found = if path.exists() { "which is something else" } else { "which does not exist" };
        self.fault(key, format!("expected {what}, found {:?}, {found}", path.display().to_string()));
        None
    }

    fn pem(&self, name: &str) -> Option<Pem> {
        let (in_file, in_text) = (format!("{name}_file"), format!("{name}_pem"));
        let file = self.existing(&in_file, "a file in PEM form", Path::is_file).map(Pem::File);
        let text = if self.given(&in_text) { self.secret_text(&in_text).map(Pem::Text) } else { None };
        if file.is_some() && text.is_some() {
            self.fault(&in_text, format!("has the same meaning as {in_file}; expected one of the two"));
        }
        file.or(text)
    }

    fn given(&self, key: &str) -> bool {
        self.get(key).is_some_and(|node| node.value != Value::Null)
    }
}

/// Converts to a whole number of bytes.
fn whole(bytes: f64) -> Option<usize> {
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "checked to lie within usize")]
    ((0.0..9e15).contains(&bytes)).then(|| bytes.round() as usize)
}

/// Returns whether a path is literal, without pattern or query.
pub(crate) fn is_plain_path(path: &str) -> bool {
    path.starts_with('/') && !path.contains([':', '*', '{', '}', '?', '#', ' '])
}

//! Faults in user-written texts: configuration, schemas and pipelines. All faults of a load are collected, not only the first.

use std::fmt;

/// One fault, with its location, the found and the expected value.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Fault {
    /// File as the user named it; `(embedded default)` or `(environment)` if there is none.
    pub file: String,
    /// Line in the file, from 1; 0 if not applicable.
    pub line: usize,
    /// Dotted key: `exporters.otlp_grpc.endpoint`. Empty if not applicable.
    pub key: String,
    /// Description of the fault: found value, expected value, and how to correct it.
    pub message: String,
}

impl Fault {
    /// Creates a fault at a line.
    #[must_use]
    pub fn new(file: impl Into<String>, line: usize, key: impl Into<String>, message: impl Into<String>) -> Fault {
        Fault { file: file.into(), line, key: key.into(), message: message.into() }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.file)?;
        if self.line > 0 {
            write!(f, ":{}", self.line)?;
        }
        if !self.key.is_empty() {
            write!(f, ": {}", self.key)?;
        }
        write!(f, ": {}", self.message)
    }
}

/// Faults of one load; never empty when returned as an error.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Faults(pub Vec<Fault>);

impl fmt::Display for Faults {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, fault) in self.0.iter().enumerate() {
            if index > 0 {
                f.write_str("\n")?;
            }
            write!(f, "{fault}")?;
        }
        Ok(())
    }
}

impl std::error::Error for Faults {}

/// Returns a suffix for an error message that suggests the known word nearest to `found`; empty if none is near enough.
#[must_use]
pub fn hint<'a>(found: &str, known: impl IntoIterator<Item = &'a str>) -> String {
    did_you_mean(found, known).map_or(String::new(), |word| format!("; did you mean {word:?}?"))
}

/// Returns the known word nearest to `found`, if it is near enough to be a plausible misspelling.
#[must_use]
pub fn did_you_mean<'a>(found: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    known
        .into_iter()
        .map(|word| (strsim::jaro_winkler(&found.to_lowercase(), &word.to_lowercase()), word))
        .filter(|(likeness, _)| *likeness >= 0.8)
        .max_by(|a, b| a.0.total_cmp(&b.0))
        .map(|(_, word)| word)
}

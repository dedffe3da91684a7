//! Expansion of `${env:NAME}` and `${file:PATH}` in the values of a file, and masking of secrets in messages.

use crate::catalog::yaml::{Gather, Node, Value};
use crate::model::fault::Fault;
use std::io::Read as _;

/// Keys under which every value is a secret.
const SECRET_KEYS: [&str; 9] =
    ["auth_token", "password", "token", "api_key", "headers", "url", "authorization", "proxy_url", "key_pem"];
/// Parts of variable names that mark a secret in any key.
const SECRET_NAMES: [&str; 9] = ["TOKEN", "SECRET", "PASS", "KEY", "AUTH", "CREDENTIAL", "HOOK", "URL", "DSN"];
/// Sections with maps as components: text directly in place of a component is probably meant for a key below it, so it is
/// treated as a secret.
const SECTIONS: [&str; 5] = ["receivers", "processors", "exporters", "connectors", "extensions"];
/// Shorter secrets are masked only where a message quotes them as a whole, because they are parts of common words.
const SUBSTRING_MIN: usize = 6;
/// Maximum number of characters that a message quotes of a text, as in [`Node::describe`].
const QUOTED_CHARS: usize = 60;
/// Limit on the size of a file in `${file:…}`; a longer one was not meant as a value.
const FILE_BYTES_MAX: u64 = 1 << 20;
const MASKED: &str = "[masked]";

/// Expands the variables in all values and returns the secrets of the file.
pub(super) fn expand(gather: &Gather, root: &mut Node, environment: &dyn Fn(&str) -> Option<String>) -> Vec<String> {
    let mut expander = Expander { gather, environment, secrets: Vec::new() };
    expander.node(root, &[], "", false);
    // Longest first: if one secret is a prefix of another, the rest of the longer one would remain.
    expander.secrets.sort_by_key(|secret| std::cmp::Reverse(secret.len()));
    expander.secrets.dedup();
    expander.secrets
}

/// Masks all secrets in a fault.
pub(super) fn mask(mut fault: Fault, secrets: &[String]) -> Fault {
    fault.message = mask_text(fault.message, secrets);
    // A key with a secret contains the colon that was meant to end the key.
    if fault.key.contains(':') {
        fault.key = mask_text(fault.key, secrets);
    }
    fault
}

fn mask_text(mut text: String, secrets: &[String]) -> String {
    for secret in secrets {
        let begin: String = secret.chars().take(QUOTED_CHARS).collect();
        text = text
            .replace(&format!("{secret:?}"), MASKED)
            .replace(&format!("{begin:?}…"), MASKED)
            .replace(&format!("number {secret}"), "number [masked]");
        if secret.len() >= SUBSTRING_MIN {
            text = text.replace(secret.as_str(), MASKED).replace(&secret.escape_debug().to_string(), MASKED);
        }
    }
    text
}

struct Expander<'a> {
    gather: &'a Gather,
    environment: &'a dyn Fn(&str) -> Option<String>,
    secrets: Vec<String>,
}

/// Location of a text.
#[derive(Clone, Copy)]
struct Place<'a> {
    line: usize,
    path: &'a str,
    /// Whether the text must not be shown at all, not even what looks like a variable name.
    secret: bool,
}

impl Expander<'_> {
    fn node(&mut self, node: &mut Node, keys: &[&str], path: &str, secret: bool) {
        let in_place = matches!(keys, [section, _] if SECTIONS.contains(section));
        match &mut node.value {
            Value::Text(text) => {
                let secret = secret || in_place || is_address_with_secret(keys, text);
                if secret {
                    self.keep(text);
                }
                if text.contains('$') {
                    let text = std::mem::take(text);
                    *node = self.text(&text, Place { line: node.line, path, secret });
                    if let Some(text) = node.scalar().filter(|_| secret) {
                        self.keep(&text);
                    }
                }
            }
            Value::List(items) => {
                for (index, item) in items.iter_mut().enumerate() {
                    self.node(item, keys, &format!("{path}[{index}]"), secret);
                }
            }
            Value::Map(entries) => {
                for entry in entries {
                    let key = entry.key.as_str();
                    let path = if path.is_empty() { key.to_owned() } else { format!("{path}.{key}") };
                    let secret_key = |key: &str| secret || SECRET_KEYS.contains(&key);
                    // `{url:https://…}` without a space is a single key without a value.
                    if let Some((_, rest)) = key.split_once(':').filter(|(key, _)| secret_key(key)) {
                        self.keep(rest.trim());
                    }
                    let secret = secret_key(key);
                    self.node(&mut entry.node, &[keys, &[key]].concat(), &path, secret);
                }
            }
            _ => {
                if let Some(text) = node.scalar().filter(|_| secret || in_place) {
                    self.keep(&text);
                }
            }
        }
    }

    fn keep(&mut self, secret: &str) {
        if !secret.is_empty() {
            self.secrets.push(secret.to_owned());
        }
    }

    fn text(&mut self, text: &str, place: Place<'_>) -> Node {
        let mut expanded = String::new();
        let mut rest = text;
        // A value that consists of one variable only may be a number or a boolean.
        let mut whole = false;
        while let Some(at) = rest.find('$') {
            expanded.push_str(&rest[..at]);
            let behind = &rest[at + 1..];
            if let Some(behind) = behind.strip_prefix('$') {
                expanded.push('$');
                rest = behind;
            } else if let Some(inner) = behind.strip_prefix('{') {
                let Some(end) = inner.find('}') else {
                    self.gather.fault(place.line, place.path, "expected a `}` after `${`, found none");
                    return Node::new(place.line, Value::Faulty);
                };
                match self.variable(&inner[..end], place.secret) {
                    Ok(value) => expanded.push_str(&value),
                    Err(message) => {
                        self.gather.fault(place.line, place.path, message);
                        return Node::new(place.line, Value::Faulty);
                    }
                }
                rest = &inner[end + 1..];
                whole = rest.is_empty() && inner.len() + 2 == text.len();
            } else {
                expanded.push('$');
                rest = behind;
            }
        }
        expanded.push_str(rest);
        if whole { word(place.line, expanded) } else { Node::new(place.line, Value::Text(expanded)) }
    }

    /// Returns the value of the contents of `${…}`, or the fault in it.
    fn variable(&mut self, inner: &str, secret: bool) -> Result<String, String> {
        if inner.contains("${") {
            // Otherwise the text of the inner one would become the value, which every reader of the file knows.
            return Err("expected plain text after `:-`, found another `${`: nesting is not supported".into());
        }
        if let Some(path) = inner.strip_prefix("file:") {
            let value = content(path)?;
            self.keep(&value);
            return Ok(value);
        }
        let (reference, default) = match inner.split_once(":-") {
            Some((reference, default)) => (reference, Some(default)),
            None => (inner, None),
        };
        let (name, said) = match reference.split_once(':') {
            None => (reference, false),
            Some(("env", name)) => (name, true),
            Some(_) if secret => return Err(NEITHER.into()),
            Some((scheme, _)) => return Err(format!("{NEITHER}, found `${{{scheme}:…}}`")),
        };
        let first = name.chars().next().is_some_and(|c| c.is_ascii_alphabetic() || c == '_');
        let is_name = first && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
        if !is_name && secret {
            return Err(format!("{NO_NAME}, found something else (it is not shown); {PLAIN}"));
        }
        if !is_name {
            return Err(format!("{NO_NAME}, found {name:?}; {PLAIN}"));
        }
        let Some(value) = (self.environment)(name).or_else(|| default.map(str::to_owned)) else {
            // A secret may contain `${` itself, and this may be part of it.
            return Err(if secret && !said {
                format!("expected the name of a variable that is set, found another (it is not shown); {PLAIN}")
            } else {
                format!("the environment variable {name} is not set; set it, or write `${{env:{name}:-default}}`")
            });
        };
        if SECRET_NAMES.iter().any(|part| name.to_ascii_uppercase().contains(part)) {
            self.keep(&value);
        }
        Ok(value)
    }
}

const NEITHER: &str = "expected `${env:NAME}` or `${file:PATH}`";
const NO_NAME: &str = "expected the name of a variable in `${env:NAME}`";
const PLAIN: &str = "write `$$` for a plain `$`";

/// Returns whether a text is an address with a user, a password or a query, which may be a key.
fn is_address_with_secret(keys: &[&str], text: &str) -> bool {
    keys.last().is_some_and(|key| key.ends_with("endpoint")) && text.contains(['?', '@'])
}

/// Returns the contents of a file without the line break at its end.
fn content(path: &str) -> Result<String, String> {
    let mut text = String::new();
    let read = std::fs::File::open(path).and_then(|file| file.take(FILE_BYTES_MAX + 1).read_to_string(&mut text));
    match read {
        Ok(bytes) if bytes as u64 > FILE_BYTES_MAX => {
            Err(format!("expected a file of at most {FILE_BYTES_MAX} bytes for `${{file:…}}`, found more in {path:?}"))
        }
        Ok(_) => {
            let line = text.strip_suffix('\n').unwrap_or(&text);
            Ok(line.strip_suffix('\r').unwrap_or(line).to_owned())
        }
        Err(error) => Err(format!("the file {path:?} of `${{file:…}}` cannot be read: {error}")),
    }
}

/// Returns the value of a variable that is the whole value.
fn word(line: usize, text: String) -> Node {
    if text.is_empty() {
        return Node::new(line, Value::Null);
    }
    let node = Node::of_word(line, &text);
    // `~` and `null` mean nothing if written in a file, but are text in a variable.
    if node.value == Value::Null { Node::new(line, Value::Text(text)) } else { node }
}

//! `${env:NAME}` in the values of a file, and the secrets that no message may show.

use crate::catalog::yaml::{Gather, Node, Value};
use crate::model::fault::Fault;

/// Keys below which every value is a secret.
const SECRET_KEYS: [&str; 7] = ["auth_token", "password", "token", "api_key", "headers", "url", "authorization"];
/// Parts of a variable's name that tell a secret, wherever it is used.
const SECRET_NAMES: [&str; 9] = ["TOKEN", "SECRET", "PASSW", "KEY", "AUTH", "CREDENTIAL", "WEBHOOK", "URL", "DSN"];
/// Shorter secrets are masked only where a message quotes them whole, since they are parts of common words.
const SUBSTRING_MIN: usize = 6;
/// How many characters a message quotes of a long text, as [`Node::describe`] does.
const QUOTED_CHARS: usize = 60;

/// Replaces the variables in all values; gives the secrets of the file back.
pub(super) fn expand(gather: &Gather, root: &mut Node, environment: &dyn Fn(&str) -> Option<String>) -> Vec<String> {
    let mut expander = Expander { gather, environment, secrets: Vec::new() };
    expander.node(root, "", false);
    expander.secrets
}

/// The fault without any of the secrets.
pub(super) fn mask(mut fault: Fault, secrets: &[String]) -> Fault {
    fault.message = mask_text(fault.message, secrets);
    fault
}

pub(super) fn mask_text(mut text: String, secrets: &[String]) -> String {
    for secret in secrets {
        let begin: String = secret.chars().take(QUOTED_CHARS).collect();
        text = text
            .replace(&format!("{secret:?}"), "[masked]")
            .replace(&format!("{begin:?}…"), "[masked]")
            .replace(&format!("number {secret}"), "number [masked]");
        if secret.len() >= SUBSTRING_MIN {
            text = text.replace(secret.as_str(), "[masked]");
        }
    }
    text
}

struct Expander<'a> {
    gather: &'a Gather,
    environment: &'a dyn Fn(&str) -> Option<String>,
    secrets: Vec<String>,
}

impl Expander<'_> {
    fn node(&mut self, node: &mut Node, path: &str, secret: bool) {
        match &mut node.value {
            Value::Text(text) if text.contains('$') => {
                let text = std::mem::take(text);
                node.value = self.text(&text, node.line, path);
            }
            Value::List(items) => {
                for (index, item) in items.iter_mut().enumerate() {
                    self.node(item, &format!("{path}[{index}]"), secret);
                }
            }
            Value::Map(entries) => {
                for entry in entries {
                    let path = if path.is_empty() { entry.key.clone() } else { format!("{path}.{}", entry.key) };
                    let secret = secret || SECRET_KEYS.contains(&entry.key.as_str());
                    self.node(&mut entry.node, &path, secret);
                }
            }
            _ => {}
        }
        if let Some(text) = node.scalar().filter(|text| secret && !text.is_empty()) {
            self.secrets.push(text);
        }
    }

    fn text(&mut self, text: &str, line: usize, path: &str) -> Value {
        let mut expanded = String::new();
        let mut rest = text;
        // A value that is one variable and nothing else may be a number or a truth value.
        let mut whole = false;
        while let Some(at) = rest.find('$') {
            expanded.push_str(&rest[..at]);
            let behind = &rest[at + 1..];
            if let Some(behind) = behind.strip_prefix('$') {
                expanded.push('$');
                rest = behind;
            } else if let Some(inner) = behind.strip_prefix('{') {
                let Some(end) = inner.find('}') else {
                    self.gather.fault(line, path, "expected a `}` behind `${`, found none");
                    return Value::Null;
                };
                match self.variable(&inner[..end]) {
                    Ok(value) => expanded.push_str(&value),
                    Err(message) => {
                        self.gather.fault(line, path, message);
                        return Value::Null;
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
        if whole { scalar(expanded) } else { Value::Text(expanded) }
    }

    fn variable(&mut self, inner: &str) -> Result<String, String> {
        if inner.contains("${") {
            // Else the text of the inner one would be the value, which whoever reads the file knows.
            return Err("expected plain text behind `:-`, found another `${`: one does not stand within another".into());
        }
        let (reference, default) = match inner.split_once(":-") {
            Some((reference, default)) => (reference, Some(default)),
            None => (inner, None),
        };
        let name = match reference.split_once(':') {
            None => reference,
            Some(("env", name)) => name,
            Some((scheme, _)) => {
                return Err(format!("expected `${{env:NAME}}`, found `${{{scheme}:…}}`: only the environment is read"));
            }
        };
        let first = name.chars().next().is_some_and(|c| c.is_ascii_alphabetic() || c == '_');
        if !first || !name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_') {
            return Err(format!(
                "expected the name of a variable in `${{env:NAME}}`, found {name:?}; write `$$` for a plain `$`"
            ));
        }
        let value = (self.environment)(name).or_else(|| default.map(str::to_owned)).ok_or_else(|| {
            format!("the environment variable {name} is not set; set it, or write `${{env:{name}:-default}}`")
        })?;
        if SECRET_NAMES.iter().any(|part| name.to_ascii_uppercase().contains(part)) && !value.is_empty() {
            self.secrets.push(value.clone());
        }
        Ok(value)
    }
}

/// A number or truth value only where nothing of the text is lost by it: `0123` stays text.
fn scalar(text: String) -> Value {
    match text.as_str() {
        "" => Value::Null,
        "true" => Value::Bool(true),
        "false" => Value::Bool(false),
        digits => {
            if let Some(number) = digits.parse::<i64>().ok().filter(|number| number.to_string() == digits) {
                return Value::Int(number);
            }
            let number = digits.parse::<f64>().ok();
            match number.filter(|number| number.is_finite() && number.to_string() == digits) {
                Some(number) => Value::Float(number),
                None => Value::Text(text),
            }
        }
    }
}

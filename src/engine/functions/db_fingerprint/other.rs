//! Fingerprints of what is not SQL.

use serde_json::Value;

/// Commands, as Redis and memcached have them: a command a line, its first word kept.
pub(super) fn command(query: &str) -> String {
    let mut commands: Vec<String> = Vec::new();
    for line in query.lines().take(64) {
        let mut words = line.split_whitespace();
        let Some(name) = words.next() else { continue };
        let name: String = name.chars().take(64).collect::<String>().to_uppercase();
        let command = if words.next().is_some() { format!("{name} ?") } else { name };
        if commands.last() != Some(&command) {
            commands.push(command);
        }
    }
    commands.join("; ")
}

/// JSON: keys stay, values go, lists fold.
pub(super) fn json(query: &str) -> String {
    match serde_json::from_str(query) {
        Ok(mut value) => {
            fold(&mut value);
            value.to_string()
        }
        Err(_) => by_characters(query),
    }
}

fn fold(value: &mut Value) {
    match value {
        Value::Object(map) => map.values_mut().for_each(fold),
        Value::Array(list) => {
            list.truncate(1);
            list.iter_mut().for_each(fold);
        }
        scalar => *scalar = Value::from("?"),
    }
}

/// Quoted text and numbers as `?`, spacing folded: what is done where nothing is known.
pub(super) fn by_characters(query: &str) -> String {
    let mut out = String::with_capacity(query.len().min(4096));
    let mut characters = query.chars().peekable();
    while let Some(character) = characters.next() {
        let in_word = out.ends_with(|before: char| before.is_alphanumeric() || before == '_');
        if character == '\'' || character == '"' {
            while characters.next().is_some_and(|next| next != character) {}
            out.push('?');
        } else if character.is_ascii_digit() && !in_word {
            while characters.next_if(|next| next.is_alphanumeric() || *next == '.').is_some() {}
            out.push('?');
        } else if character.is_whitespace() {
            if !out.ends_with(' ') {
                out.push(' ');
            }
        } else {
            out.push(character);
        }
    }
    out.trim().to_owned()
}

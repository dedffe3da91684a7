//! Obfuscates commands of Redis and Valkey.

/// Maximum commands named in a resource.
const COMMANDS_MAX: usize = 3;
/// Commands with a subcommand as first argument.
const COMPOUND: [&str; 6] = ["CLIENT", "CLUSTER", "COMMAND", "CONFIG", "DEBUG", "SCRIPT"];

/// Returns the names of commands, without their arguments.
pub(super) fn names(commands: &str) -> String {
    let mut names: Vec<String> = Vec::new();
    let mut truncated = false;
    for line in commands.split('\n') {
        if names.len() == COMMANDS_MAX {
            break;
        }
        let mut words = line.split(' ').filter(|word| !word.is_empty());
        let Some(name) = words.next() else { continue };
        let mut name = upper(name);
        truncated = name.ends_with("...");
        if !truncated
            && COMPOUND.contains(&name.as_str())
            && let Some(word) = words.next()
        {
            truncated = word.ends_with("...");
            name = format!("{name} {}", upper(word));
        }
        if !truncated {
            names.push(name);
        }
    }
    if names.len() == COMMANDS_MAX || truncated {
        names.push("...".to_owned());
    }
    names.join(" ").trim_matches(' ').to_owned()
}

/// Converts to upper case by character: one that would become two stays.
fn upper(text: &str) -> String {
    let one = |letter: char| {
        let mut upper = letter.to_uppercase();
        if upper.len() == 1 { upper.next().unwrap_or(letter) } else { letter }
    };
    text.chars().map(one).collect()
}

/// Replaces each argument that is a value with `?`.
pub(super) fn obfuscate(commands: &str) -> String {
    let mut lines: Vec<String> = Vec::new();
    for (command, mut arguments) in parse(commands) {
        mask(&upper(&command), &mut arguments);
        arguments.insert(0, command);
        lines.push(arguments.join(" "));
    }
    lines.join("\n")
}

/// Splits commands and their arguments; quotes are kept.
fn parse(commands: &str) -> Vec<(String, Vec<String>)> {
    let mut found: Vec<(String, Vec<String>)> = Vec::new();
    let mut words: Vec<String> = Vec::new();
    let mut word = String::new();
    let (mut quoted, mut escaped) = (false, false);
    let mut letters = commands.trim().chars().peekable();
    while let Some(letter) = letters.next() {
        let command = words.is_empty();
        match letter {
            ' ' if !quoted => {
                while letters.next_if(|next| matches!(next, ' ' | '\t' | '\r')).is_some() {}
                if !(command && word.is_empty()) {
                    words.push(std::mem::take(&mut word));
                }
            }
            '\n' if !quoted => {
                words.push(std::mem::take(&mut word));
                close(&mut words, &mut found);
            }
            letter => {
                word.push(letter);
                if letter == '"' && !escaped && !command {
                    quoted = !quoted;
                }
                if letter == '\\' && !escaped && !command {
                    escaped = true;
                    continue;
                }
            }
        }
        escaped = false;
    }
    words.push(word);
    close(&mut words, &mut found);
    found
}

fn close(words: &mut Vec<String>, found: &mut Vec<(String, Vec<String>)>) {
    let mut all = std::mem::take(words).into_iter();
    if let Some(command) = all.next().filter(|command| !command.is_empty()) {
        // A trailing space is not followed by an argument.
        let mut arguments: Vec<String> = all.collect();
        if arguments.last().is_some_and(String::is_empty) {
            arguments.pop();
        }
        found.push((command, arguments));
    }
}

fn mask(command: &str, arguments: &mut Vec<String>) {
    match command {
        "AUTH" | "MIGRATE" | "HELLO" => rest(arguments, 0),
        "ACL" | "GEOHASH" | "GEOPOS" | "GEODIST" | "LPUSH" | "RPUSH" | "SREM" | "ZREM" | "SADD" => rest(arguments, 1),
        "APPEND" | "GETSET" | "LPUSHX" | "GEORADIUSBYMEMBER" | "RPUSHX" | "SET" | "SETNX" | "SISMEMBER" | "ZRANK"
        | "ZREVRANK" | "ZSCORE" => one(arguments, 1),
        "HSETNX" | "LREM" | "LSET" | "SETBIT" | "SETEX" | "PSETEX" | "SETRANGE" | "ZINCRBY" | "SMOVE" | "RESTORE" => {
            one(arguments, 2);
        }
        "LINSERT" => one(arguments, 3),
        "GEOADD" => each(arguments, 1, 3),
        "HSET" | "HMSET" => each(arguments, 1, 2),
        "MSET" | "MSETNX" => each(arguments, 0, 2),
        "CONFIG" if arguments.first().is_some_and(|word| word.eq_ignore_ascii_case("SET")) => one(arguments, 2),
        "BITFIELD" => {
            let set = arguments.iter().skip(1).position(|word| word.eq_ignore_ascii_case("SET"));
            if let Some(set) = set {
                one(arguments, set + 1 + 3);
            }
        }
        "ZADD" => {
            let options = ["NX", "XX", "CH", "INCR"];
            let scores = arguments.iter().skip(1).position(|word| !options.contains(&word.as_str()));
            let last = arguments.len().saturating_sub(1);
            each(arguments, scores.map_or(last, |scores| scores + 1), 2);
        }
        _ => {}
    }
}

/// Replaces an argument and all following ones with a single `?`.
fn rest(arguments: &mut Vec<String>, from: usize) {
    one(arguments, from);
    arguments.truncate(from + 1);
}

fn one(arguments: &mut [String], index: usize) {
    if let Some(argument) = arguments.get_mut(index) {
        "?".clone_into(argument);
    }
}

/// Replaces the last of each `step` arguments with `?`.
fn each(arguments: &mut [String], from: usize, step: usize) {
    for argument in arguments.iter_mut().skip(from + step - 1).step_by(step) {
        "?".clone_into(argument);
    }
}

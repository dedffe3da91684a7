//! Checks that the commented examples of the embedded file are valid, and that its stated defaults are correct.

use super::*;

const MARK: &str = "(default)";

/// Uncomments a line of the embedded file with a key; prose stays a comment.
fn uncommented(line: &str) -> String {
    let (indent, rest) = line.split_at(line.len() - line.trim_start().len());
    let Some(shown) = rest.strip_prefix("# ") else { return format!("{line}\n") };
    let text = shown.trim_start();
    let word = text.split([':', ' ']).next().unwrap_or_default();
    let is_key = word.starts_with(|letter: char| letter.is_lowercase()) && text.starts_with(&format!("{word}:"));
    let is_value = text.starts_with("- ") || text.starts_with('{');
    if is_key || is_value { format!("{indent}{shown}\n") } else { "\n".to_owned() }
}

/// Returns the file with its commented keys, except for files that do not exist: directories, and the certificate of a
/// listener, which `tests/integration/tls.rs` covers.
fn shown() -> Vec<String> {
    let mut is_certificate = false;
    let line = |line: &str| {
        is_certificate |= line == "        # tls:";
        let is_there = !is_certificate && !line.contains("pipelines: ./") && !line.contains("schemas: ./");
        is_certificate &= !line.contains("reload_interval:");
        if !is_there {
            return String::new();
        }
        let line = uncommented(line).trim_end().replace("alerting: {}", "alerting:");
        line.replace("/etc/ssl/own.pem", "tests/fixtures/authority.pem")
    };
    EMBEDDED.lines().map(line).collect()
}

/// Looks up the variables of the file.
#[expect(clippy::unnecessary_wraps, reason = "other variables may not be set")]
fn environment(name: &str) -> Option<String> {
    Some(
        match name {
            "DD_API_KEY" => "0123456789abcdef0123456789abcdef",
            "SLACK_WEBHOOK_URL" => "https://hooks.slack.example/T/B/x",
            _ => "secret-of-the-environment",
        }
        .to_owned(),
    )
}

#[test]
fn what_the_embedded_file_shows_in_comments_is_good_too() {
    let shown = shown().join("\n");
    let Read { config, notes } = read_text(FILE, &shown, &environment);
    let config = config.unwrap_or_else(|faults| panic!("{faults}\n{shown}"));
    assert_eq!((&config.notes, config.targets.len()), (&notes, 0));
    // The samples of exporters and processors that are in no pipeline of the file.
    let of_no_pipeline = notes.iter().filter(|note| note.ends_with("is in no pipeline, so it is not used"));
    assert_eq!(of_no_pipeline.count(), 14, "{notes:#?}");
    assert!(!notes.iter().any(|note| note.contains("so it is not an error")), "{notes:#?}");
}

/// Returns the file with all commented keys, and with its exporters in pipelines, so that all of it is used.
fn everything() -> Vec<String> {
    let everywhere = "otlp_grpc, otlp_http, datadog, elasticsearch, load_balancing, file, debug";
    let pipelines = [
        ("traces: {receivers: [otlp], exporters: [performance", format!("{everywhere}, datadog/agent")),
        ("metrics: {receivers: [otlp], exporters: [performance", format!("{everywhere}, prometheusremotewrite")),
        ("logs: {receivers: [otlp], exporters: [performance", everywhere.to_owned()),
        ("logs/alerts: {receivers: [performance], exporters: [slack", "webhook".to_owned()),
    ];
    let said = |line: String| {
        pipelines.iter().fold(line, |line, (pipeline, more)| line.replace(pipeline, &format!("{pipeline}, {more}")))
    };
    shown().into_iter().map(said).collect()
}

/// Returns the whole configuration as text.
fn read_lines(lines: &[String]) -> Result<String, Faults> {
    let config = read_text(FILE, &lines.join("\n"), &environment).config?;
    Ok(format!("{config:?}"))
}

fn with_line(lines: &[String], at: usize, line: &str) -> Result<String, Faults> {
    let mut lines = lines.to_vec();
    line.clone_into(&mut lines[at]);
    read_lines(&lines)
}

#[test]
fn what_the_file_calls_a_default_is_one() {
    let lines = everything();
    let whole = read_lines(&lines).unwrap_or_else(|faults| panic!("{faults}\n{}", lines.join("\n")));
    let marked: Vec<(usize, &str)> = EMBEDDED.lines().enumerate().filter(|(_, line)| line.contains(MARK)).collect();
    let (said, prose): (Vec<_>, Vec<_>) = marked.into_iter().partition(|(at, _)| !lines[*at].trim().is_empty());
    assert_eq!(prose.len(), 1, "only the introduction speaks of the mark without a key: {prose:?}");
    assert!(said.len() > 50, "{said:?}");
    let mut wrong = Vec::new();
    // All at once, because each reading is slow; line by line only if that finds something.
    let mut without = lines.clone();
    said.iter().for_each(|(at, _)| without[*at].clear());
    if read_lines(&without).ok().as_ref() != Some(&whole) {
        for (at, line) in &said {
            match with_line(&lines, *at, "") {
                Ok(found) if found == whole => {}
                Ok(_) => wrong.push(format!("another value is the default: {line}")),
                Err(faults) => wrong.push(format!("there is no default: {line}: {faults}")),
            }
        }
        assert!(!wrong.is_empty(), "each line is a default, but not all of them together");
    }
    // No key accepts this value, so every key that is read reports it.
    let mut odd = lines.clone();
    said.iter().for_each(|(at, _)| odd[*at] = with_odd_value(&lines[*at]));
    let faults = read_lines(&odd).expect_err("the values are odd");
    let told = |at: usize| faults.0.iter().any(|fault| fault.line == at + 1);
    for (at, line) in said.iter().filter(|(at, _)| !told(*at)) {
        if with_line(&lines, *at, &odd[*at]).is_ok() {
            wrong.push(format!("nothing reads it: {line}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// Replaces the value of a key, or a flow map that is alone in a line, by a map with an unknown key.
fn with_odd_value(line: &str) -> String {
    let indent = " ".repeat(line.len() - line.trim_start().len());
    match line.split_once(':') {
        Some((key, _)) if !key.contains('{') => format!("{key}: {{no_such_key: 1}}"),
        _ => format!("{indent}{{no_such_key: 1}}"),
    }
}

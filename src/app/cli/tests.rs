use super::args::{Cli, Command};
use super::documents;
use super::outcome::error_text;
use crate::model::fault::{Fault, Faults};
use clap::{CommandFactory as _, Parser as _};
use std::path::Path;
use std::time::Duration;

#[test]
fn the_definition_holds_together() {
    Cli::command().debug_assert();
}

#[test]
fn every_command_has_examples() {
    for command in Cli::command().get_subcommands_mut().filter(|command| !command.is_hide_set()) {
        assert!(command.render_long_help().to_string().contains("Examples:"), "{}", command.get_name());
    }
}

#[test]
fn without_a_command_the_server_runs() {
    let cli = Cli::try_parse_from(["spanwise", "--config", "a.yaml"]).expect("parses");
    assert!(cli.command.is_none());
    assert_eq!(cli.run.config.expect("given").to_str(), Some("a.yaml"));
    assert!(Cli::try_parse_from(["spanwise", "--config", "a.yaml", "check"]).is_err());
}

#[test]
fn the_faults_of_the_demo_are_words_of_the_demo() {
    let planted = |words: &str| match Cli::try_parse_from(["spanwise", "demo", "--faults", words, "--duration", "90s"])
    {
        Ok(Cli { command: Some(Command::Demo(args)), .. }) => {
            assert_eq!(args.duration, Some(Duration::from_secs(90)));
            Ok(args.faults.into_iter().flat_map(|words| words.0).collect::<Vec<_>>())
        }
        Ok(_) => panic!("another command"),
        Err(error) => Err(error.to_string()),
    };
    assert_eq!(planted("none"), Ok(Vec::new()));
    assert_eq!(planted("all").map(|all| all.len()), Ok(6));
    assert_eq!(planted("errors, small_pool"), Ok(vec!["errors".to_owned(), "small_pool".to_owned()]));
    assert!(planted("eror").expect_err("unknown").contains("missing_index"));
}

#[test]
fn what_goes_wrong_is_json_where_json_is_asked_for() {
    let json = |words: &[&str]| Cli::try_parse_from(words).expect("parses").wants_json();
    assert!(json(&["spanwise", "--json"]) && json(&["spanwise", "sql", "--json", "SELECT 1"]));
    assert!(json(&["spanwise", "docs", "--json"]) && !json(&["spanwise", "findings"]));
    let faults = Faults(vec![Fault::new("c.yaml", 3, "a.b", "is missing")]);
    assert_eq!(
        error_text(&faults.clone().into(), true),
        r#"{"faults":[{"file":"c.yaml","line":3,"key":"a.b","message":"is missing"}]}"#
    );
    assert_eq!(error_text(&faults.into(), false), "c.yaml:3: a.b: is missing\n1 fault");
    let error = anyhow::anyhow!("nobody answers");
    assert_eq!(error_text(&error, true), r#"{"error":"nobody answers"}"#);
    assert_eq!(error_text(&error, false), "spanwise: nobody answers");
}

#[test]
fn docs_tell_the_faults_of_a_file_besides() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("c.yaml");
    let faults = |file: &Path| {
        let error = documents(Some(file), Some("findings"), true).expect_err("is faulty");
        error.downcast::<Faults>().expect("faults").to_string()
    };
    assert!(faults(&file).contains("cannot be read"));
    std::fs::write(&file, "connectors: {performance: {pipelines: /nowhere/at/all}}\n").expect("written");
    let told = faults(&file);
    assert!(
        told.contains("\"/nowhere/at/all\", which does not exist") && told.contains("service: is missing"),
        "{told}"
    );
}

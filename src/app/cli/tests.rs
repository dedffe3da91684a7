use super::args::{Cli, Command};
use clap::{CommandFactory as _, Parser as _};
use std::time::Duration;

#[test]
fn the_definition_holds_together() {
    Cli::command().debug_assert();
}

#[test]
fn every_command_has_examples() {
    for command in Cli::command().get_subcommands_mut() {
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

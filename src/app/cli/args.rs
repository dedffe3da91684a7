//! Arguments of the command line.

use crate::app::client::DEFAULT_ENDPOINT;
use crate::app::config::DEFAULT_FILE;
use crate::delivery::settings::TlsSettings;
use crate::demo::Fault;
use crate::engine::COMMAND;
use crate::model::pem::Pem;
use crate::model::units;
use clap::{Args, Parser, Subcommand};
use std::path::PathBuf;
use std::time::Duration;

const EXAMPLES: &str = "\
Examples:
  spanwise demo                                     a shop with planted faults, and what is found
  spanwise                                          run with ./otel-config.yaml, or with the built-in default
  spanwise check --config otel-config.yaml          every fault of the file at once
  spanwise findings --watch                         what is found, as it changes
  spanwise sql \"SELECT * FROM requests LIMIT 5\"     any table
  spanwise docs spans                               the columns of a table
  spanwise export index-template                    for OpenSearch

Send OTLP to 127.0.0.1:4317 (gRPC) or 127.0.0.1:4318 (HTTP).";

const RUN_EXAMPLES: &str = "\
Examples:
  spanwise run --config /etc/spanwise/otel-config.yaml
  SPANWISE_LOG=debug spanwise run

Ctrl-C and SIGTERM finish the work in progress and exit with status 0. SIGHUP reloads the configuration.";

const DEMO_EXAMPLES: &str = "\
Examples:
  spanwise demo                                     all faults, until Ctrl-C
  spanwise demo --faults missing_index,short_ttl
  spanwise demo --faults none --duration 90s --json

Faults:
  missing_index   a search without its index        slow_statement fires
  n_plus_one      a query for each order line       n_plus_one fires
  short_ttl       a cache that forgets too soon     cache_hit_rate fires
  small_pool      too few connections               pool_wait fires
  slow_route      a route over its budget           api_budget fires
  errors          a route that begins to fail       error_rate fires";

const CHECK_EXAMPLES: &str = "\
Examples:
  spanwise check
  spanwise check --config otel-config.yaml --json

Exits with status 0 without faults, with 2 otherwise.";

const FINDINGS_EXAMPLES: &str = "\
Examples:
  spanwise findings                                 firing and pending findings
  spanwise findings --watch                         the same, updated as it changes
  spanwise findings --all --json                    every evaluated key
  SPANWISE_TOKEN=… spanwise findings --endpoint https://spanwise.example";

const SQL_EXAMPLES: &str = "\
Examples:
  spanwise sql \"SELECT service_name, count(*) FROM spans GROUP BY 1\"
  spanwise sql \"SELECT operation, quantile(duration_sketch, 0.95) AS p95_ms FROM requests GROUP BY 1 ORDER BY 2 DESC\"
  spanwise sql --json \"SELECT * FROM findings WHERE state = 'firing'\"";

const DOCS_EXAMPLES: &str = "\
Examples:
  spanwise docs                                     all tables and analyses
  spanwise docs requests                            one table, and what fills it
  spanwise docs slow_statement                      one analysis
  spanwise docs --json

Exits with status 2 if the configuration has faults, and reports them after the tables it could read.";

const HEALTH_EXAMPLES: &str = "\
Examples:
  spanwise health
  spanwise health --endpoint http://127.0.0.1:13133/

Exits with status 0 if the server is healthy, with 1 if it is not or does not respond.";

const BACKUP_EXAMPLES: &str = "\
Examples:
  spanwise backup /backups/today --config /etc/spanwise/otel-config.yaml
  spanwise backup /backups/today --json

The server may be running. The backup contains everything that it acknowledged before the command started.";

const RESTORE_EXAMPLES: &str = "\
Examples:
  spanwise restore /backups/today --config /etc/spanwise/otel-config.yaml
  spanwise restore /backups/today --force           replaces existing data

The server must be stopped. The command checks and copies the whole backup before it changes anything.";

const EXPORT_EXAMPLES: &str = "\
Examples:
  spanwise export prometheus-rules > rules.yml      the budgets as Prometheus rules
  spanwise export index-template                    the index template of the exporter elasticsearch, mapping mode ecs
  spanwise export containerfile > Containerfile     an image of Spanwise, built from its source";

const RULES_EXAMPLES: &str = "\
Examples:
  spanwise export prometheus-rules --config otel-config.yaml > rules.yml
  promtool check rules rules.yml

Prometheus reads the file if its configuration lists it under `rule_files`.";

const TEMPLATE_EXAMPLES: &str = "\
Examples:
  spanwise export index-template --config otel-config.yaml |
    curl -X PUT https://localhost:9200/_index_template/spanwise -H 'content-type: application/json' -d @-";

/// A performance monitor for OpenTelemetry: budgets, findings and SQL over traces, metrics and logs.
#[derive(Debug, Parser)]
#[command(name = "spanwise", version, after_help = EXAMPLES, args_conflicts_with_subcommands = true)]
pub(super) struct Cli {
    #[command(flatten)]
    pub(super) run: RunArgs,
    #[command(subcommand)]
    pub(super) command: Option<Command>,
}

impl Cli {
    /// Returns whether results and errors are printed as JSON.
    pub(super) fn wants_json(&self) -> bool {
        match &self.command {
            None => self.run.json,
            Some(Command::Run(args)) => args.json,
            Some(Command::Demo(args)) => args.json,
            Some(Command::Check(args)) => args.json,
            Some(Command::Findings(args)) => args.server.json,
            Some(Command::Sql(args)) => args.server.json,
            Some(Command::Docs(args)) => args.json,
            Some(Command::Backup(args)) => args.json,
            Some(Command::Restore(args)) => args.backup.json,
            Some(Command::Export(_) | Command::Health(_) | Command::QueryWorker(_)) => false,
        }
    }
}

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Run the server; this is the default command
    #[command(after_help = RUN_EXAMPLES)]
    Run(RunArgs),
    /// Run the server with a small shop and show the faults found in it
    #[command(after_help = DEMO_EXAMPLES)]
    Demo(DemoArgs),
    /// Report all errors in the configuration, the schemas and the pipelines
    #[command(after_help = CHECK_EXAMPLES)]
    Check(CheckArgs),
    /// Show the findings of a running Spanwise
    #[command(after_help = FINDINGS_EXAMPLES)]
    Findings(FindingsArgs),
    /// Run a SQL query on a running Spanwise
    #[command(after_help = SQL_EXAMPLES)]
    Sql(SqlArgs),
    /// Check a running server's health
    #[command(after_help = HEALTH_EXAMPLES)]
    Health(HealthArgs),
    /// Describe the tables and the analyses, in Markdown
    #[command(after_help = DOCS_EXAMPLES)]
    Docs(DocsArgs),
    /// Copy the state and the log of a server, which may be running
    #[command(after_help = BACKUP_EXAMPLES)]
    Backup(BackupArgs),
    /// Restore a backup into the data directory
    #[command(after_help = RESTORE_EXAMPLES)]
    Restore(RestoreArgs),
    /// Print configuration for other programs
    #[command(subcommand, after_help = EXPORT_EXAMPLES)]
    Export(Export),
    /// Run queries for a server; started by the server itself
    #[command(name = COMMAND, hide = true)]
    QueryWorker(QueryWorkerArgs),
}

#[derive(Debug, Args)]
pub(super) struct QueryWorkerArgs {
    /// Memory limit in bytes for the operators of a query
    #[arg(long, value_name = "BYTES")]
    pub(super) memory: usize,
}

#[derive(Debug, Args)]
pub(super) struct HealthArgs {
    /// URL of the health endpoint: `extensions.health_check.endpoint`
    #[arg(long, value_name = "URL", default_value = "http://127.0.0.1:13133/")]
    pub(super) endpoint: String,
    #[command(flatten)]
    pub(super) tls: TlsArgs,
}

#[derive(Debug, Args)]
pub(super) struct BackupArgs {
    /// The directory of the backup
    #[arg(value_name = "DIR")]
    pub(super) dir: PathBuf,
    /// The configuration with extensions.store.directory; default: ./otel-config.yaml if it exists, else built-in
    #[arg(long, value_name = "FILE")]
    pub(super) config: Option<PathBuf>,
    /// Print JSON, and show progress as JSON on standard error
    #[arg(long)]
    pub(super) json: bool,
}

#[derive(Debug, Args)]
pub(super) struct RestoreArgs {
    #[command(flatten)]
    pub(super) backup: BackupArgs,
    /// Delete the contents of extensions.store.directory
    #[arg(long)]
    pub(super) force: bool,
}

#[derive(Debug, Subcommand)]
pub(super) enum Export {
    /// The budgets as Prometheus recording and alerting rules on the scraped metrics
    #[command(after_help = RULES_EXAMPLES)]
    PrometheusRules(ConfigArgs),
    /// The index template of the exporter elasticsearch, for OpenSearch and for your own indexes
    #[command(after_help = TEMPLATE_EXAMPLES)]
    IndexTemplate(ConfigArgs),
    /// A Containerfile (Dockerfile) that builds Spanwise from source
    Containerfile,
    /// The systemd unit of the Debian package
    SystemdUnit,
}

#[derive(Debug, Args)]
pub(super) struct ConfigArgs {
    /// The configuration to export from; default: ./otel-config.yaml if it exists, else built-in
    #[arg(long, value_name = "FILE")]
    pub(super) config: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(super) struct RunArgs {
    /// The configuration; default: ./otel-config.yaml if it exists, else built-in
    #[arg(long, value_name = "FILE")]
    pub(super) config: Option<PathBuf>,
    /// Log as JSON, regardless of the configuration
    #[arg(long)]
    pub(super) json: bool,
}

#[derive(Debug, Args)]
pub(super) struct DemoArgs {
    /// Faults to inject: `all`, `none`, or some of the faults below, separated by commas
    #[arg(long, value_name = "FAULTS", default_value = "all", value_parser = fault_words)]
    pub(super) faults: Vec<Words>,
    /// End after this time, such as 90s; default: at Ctrl-C
    #[arg(long, value_name = "TIME", value_parser = duration)]
    pub(super) duration: Option<Duration>,
    /// Print {"findings": […]} to standard output at the end
    #[arg(long)]
    pub(super) json: bool,
}

/// Faults parsed from one argument.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Words(pub(super) Vec<String>);

#[derive(Debug, Args)]
pub(super) struct CheckArgs {
    /// The configuration; default: ./otel-config.yaml if it exists, else built-in
    #[arg(long, value_name = "FILE")]
    pub(super) config: Option<PathBuf>,
    /// Print JSON
    #[arg(long)]
    pub(super) json: bool,
}

#[derive(Debug, Args)]
pub(super) struct FindingsArgs {
    /// Show the findings continuously as they change
    #[arg(long)]
    pub(super) watch: bool,
    /// Show findings that are ok or without data, too
    #[arg(long)]
    pub(super) all: bool,
    #[command(flatten)]
    pub(super) server: ServerArgs,
}

#[derive(Debug, Args)]
pub(super) struct SqlArgs {
    /// One SQL statement
    #[arg(value_name = "QUERY")]
    pub(super) query: String,
    #[command(flatten)]
    pub(super) server: ServerArgs,
}

#[derive(Debug, Args)]
pub(super) struct ServerArgs {
    /// The URL of Spanwise; the variable `SPANWISE_TOKEN` contains the token, if it requires one
    #[arg(long, value_name = "URL", default_value = DEFAULT_ENDPOINT)]
    pub(super) endpoint: String,
    #[command(flatten)]
    pub(super) tls: TlsArgs,
    /// Print JSON
    #[arg(long)]
    pub(super) json: bool,
}

/// TLS settings of a client.
#[derive(Debug, Args)]
pub(super) struct TlsArgs {
    /// The CA certificates to trust instead of the system's, as a PEM file
    #[arg(long = "ca-file", value_name = "FILE")]
    authorities: Option<PathBuf>,
    /// The client certificate, as a PEM file
    #[arg(long = "cert-file", value_name = "FILE", requires = "key")]
    certificate: Option<PathBuf>,
    /// The key of the client certificate
    #[arg(long = "key-file", value_name = "FILE", requires = "certificate")]
    key: Option<PathBuf>,
}

impl TlsArgs {
    pub(super) fn settings(&self) -> TlsSettings {
        let pem = |path: &Option<PathBuf>| path.clone().map(Pem::File);
        TlsSettings {
            authorities: pem(&self.authorities),
            identity: pem(&self.certificate).zip(pem(&self.key)),
            ..TlsSettings::default()
        }
    }
}

#[derive(Debug, Args)]
pub(super) struct DocsArgs {
    /// A table or an analysis; default: an overview
    #[arg(value_name = "NAME")]
    pub(super) name: Option<String>,
    /// The configuration whose directories are read, too
    #[arg(long, value_name = "FILE")]
    pub(super) config: Option<PathBuf>,
    /// Print JSON
    #[arg(long)]
    pub(super) json: bool,
}

fn duration(text: &str) -> Result<Duration, String> {
    let duration = units::duration(text).filter(|duration| !duration.is_zero());
    duration.ok_or_else(|| format!("expected {}", units::DURATION))
}

fn fault_words(text: &str) -> Result<Words, String> {
    match text.trim() {
        "none" => Ok(Words(Vec::new())),
        "all" => Ok(Words(Fault::ALL.iter().map(|(_, word, ..)| (*word).to_owned()).collect())),
        words => {
            let words: Vec<&str> = words.split(',').map(str::trim).collect();
            words.iter().try_for_each(|word| word.parse::<Fault>().map(drop))?;
            Ok(Words(words.into_iter().map(str::to_owned).collect()))
        }
    }
}

/// Returns the named file, otherwise the one in the working directory, otherwise `None` for the embedded default.
pub(super) fn config_path(named: Option<PathBuf>) -> Option<PathBuf> {
    named.or_else(|| Some(PathBuf::from(DEFAULT_FILE)).filter(|path| path.is_file()))
}

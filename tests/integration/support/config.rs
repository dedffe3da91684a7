//! Test configurations in the Collector's format, each on its own ports.

use super::free_port;
use std::fmt::Write as _;
use std::path::Path;

/// Ports of a server's listeners.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Ports {
    pub(crate) grpc: u16,
    pub(crate) http: u16,
    pub(crate) sql: u16,
    pub(crate) postgres: u16,
    pub(crate) scrape: u16,
    pub(crate) health: u16,
}

impl Ports {
    pub(crate) fn free() -> Ports {
        Ports {
            grpc: free_port(),
            http: free_port(),
            sql: free_port(),
            postgres: free_port(),
            scrape: free_port(),
            health: free_port(),
        }
    }
}

/// The settings that a test adds to the common configuration.
#[derive(Debug, Clone, Default)]
pub(crate) struct Setup {
    performance: Vec<String>,
    sql: Vec<String>,
    store: Vec<String>,
    exporters: Vec<(String, String)>,
    channels: Vec<(String, String)>,
    receivers: Vec<(String, String)>,
    aside: Vec<(String, String)>,
    pipelines: Vec<(String, String)>,
    environment: Vec<(String, String)>,
    telemetry: Option<String>,
    processors: Option<String>,
    tls: Option<String>,
}

impl Setup {
    /// Adds a key to `connectors.performance`, such as `budgets: {…}`.
    pub(crate) fn performance(mut self, line: &str) -> Setup {
        self.performance.push(line.to_owned());
        self
    }

    /// Adds a key to `extensions.store`.
    pub(crate) fn store(mut self, line: &str) -> Setup {
        self.store.push(line.to_owned());
        self
    }

    /// Adds a key to `extensions.sql`.
    pub(crate) fn sql(mut self, line: &str) -> Setup {
        self.sql.push(line.to_owned());
        self
    }

    /// Adds an exporter to the pipelines of all three signals.
    pub(crate) fn exporter(mut self, id: &str, settings: &str) -> Setup {
        self.exporters.push((id.to_owned(), settings.to_owned()));
        self
    }

    /// Adds a receiver, used only by the pipelines that name it.
    pub(crate) fn receiver(mut self, id: &str, settings: &str) -> Setup {
        self.receivers.push((id.to_owned(), settings.to_owned()));
        self
    }

    /// Adds an exporter, used only by the pipelines that name it.
    pub(crate) fn exporter_aside(mut self, id: &str, settings: &str) -> Setup {
        self.aside.push((id.to_owned(), settings.to_owned()));
        self
    }

    /// Adds a pipeline to the common ones.
    pub(crate) fn pipeline(mut self, id: &str, settings: &str) -> Setup {
        self.pipelines.push((id.to_owned(), settings.to_owned()));
        self
    }

    /// Adds an alert channel.
    pub(crate) fn channel(mut self, id: &str, settings: &str) -> Setup {
        self.channels.push((id.to_owned(), settings.to_owned()));
        self
    }

    /// Replaces `service.telemetry`, which by default keeps own telemetry out of the tables.
    pub(crate) fn telemetry(mut self, settings: &str) -> Setup {
        self.telemetry = Some(settings.to_owned());
        self
    }

    /// Sets the complete `processors` section.
    pub(crate) fn processors(mut self, section: &str) -> Setup {
        self.processors = Some(section.to_owned());
        self
    }

    /// Sets `tls` of every listener except the health check.
    pub(crate) fn tls(mut self, settings: &str) -> Setup {
        self.tls = Some(settings.to_owned());
        self
    }

    /// Sets an environment variable of the server.
    pub(crate) fn variable(mut self, name: &str, value: &str) -> Setup {
        self.environment.push((name.to_owned(), value.to_owned()));
        self
    }

    pub(crate) fn environment(&self) -> &[(String, String)] {
        &self.environment
    }

    pub(crate) fn forget_variables(&mut self) {
        self.environment.clear();
    }

    /// Returns the text of the configuration file.
    pub(crate) fn text(&self, ports: Ports, store: &Path) -> String {
        let Ports { grpc, http, sql, postgres, scrape, health } = ports;
        let tls = self.tls.as_ref().map_or(String::new(), |tls| format!(", tls: {{{tls}}}"));
        let mut text = String::from("connectors:\n  performance:\n    interval: 1s\n    lag: 1s\n");
        lines(&mut text, &self.performance);
        if let Some(processors) = &self.processors {
            let _ = writeln!(text, "{processors}");
        }
        let _ = writeln!(
            text,
            "receivers:\n  otlp:\n    protocols:\n      grpc: {{endpoint: 127.0.0.1:{grpc}{tls}}}\n      http: {{endpoint: 127.0.0.1:{http}{tls}}}"
        );
        for (id, settings) in &self.receivers {
            let _ = writeln!(text, "  {id}: {{{settings}}}");
        }
        let _ = writeln!(text, "exporters:\n  prometheus: {{endpoint: 127.0.0.1:{scrape}{tls}}}");
        for (id, settings) in self.exporters.iter().chain(&self.channels).chain(&self.aside) {
            let _ = writeln!(text, "  {id}: {{{settings}}}");
        }
        let _ = writeln!(text, "extensions:\n  store:\n    directory: {:?}", store.display());
        lines(&mut text, &self.store);
        let _ = writeln!(
            text,
            "  sql:\n    http: {{endpoint: 127.0.0.1:{sql}{tls}}}\n    postgres: {{endpoint: 127.0.0.1:{postgres}{tls}}}"
        );
        lines(&mut text, &self.sql);
        let _ = writeln!(text, "  health_check: {{endpoint: 127.0.0.1:{health}}}");
        text.push_str("service:\n  extensions: [store, sql, health_check]\n  pipelines:\n");
        let mut ids = String::new();
        for (id, _) in &self.exporters {
            let _ = write!(ids, ", {id}");
        }
        for (signal, more) in [("traces", ""), ("metrics", ", prometheus"), ("logs", "")] {
            let _ = writeln!(text, "    {signal}: {{receivers: [otlp], exporters: [performance{more}{ids}]}}");
        }
        if !self.channels.is_empty() {
            let ids: Vec<&str> = self.channels.iter().map(|(id, _)| id.as_str()).collect();
            let _ = writeln!(text, "    logs/alerts: {{receivers: [performance], exporters: [{}]}}", ids.join(", "));
        }
        for (id, settings) in &self.pipelines {
            let _ = writeln!(text, "    {id}: {{{settings}}}");
        }
        // Own telemetry would be counted along with the test's.
        let none = "logs: {level: info, store: false}, metrics: {level: none}, traces: {level: none}";
        let _ = writeln!(text, "  telemetry: {{{}}}", self.telemetry.as_deref().unwrap_or(none));
        text
    }
}

fn lines(text: &mut String, lines: &[String]) {
    for line in lines {
        let _ = writeln!(text, "    {line}");
    }
}

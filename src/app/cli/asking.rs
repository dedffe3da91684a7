//! Commands that query a running Spanwise.

use super::args::{FindingsArgs, ServerArgs, SqlArgs};
use super::outcome::error_text;
use crate::app::client::{Client, TOKEN_VARIABLE};
use crate::app::show::{self, Changes, Frame, Screen};
use crate::delivery::settings::Secret;
use crate::model::unix_time::now_ms;
use serde_json::json;
use std::io::IsTerminal as _;
use std::process::ExitCode;
use std::time::{Duration, Instant};
use tokio::signal::unix::{SignalKind, signal};

/// Polling interval of `--watch`.
const LOOK_EVERY: Duration = Duration::from_secs(2);

pub(super) async fn sql(args: SqlArgs) -> anyhow::Result<ExitCode> {
    let began = Instant::now();
    let answer = client(&args.server)?.sql(&args.query).await?;
    let text = if args.server.json {
        format!("{}\n", answer.body)
    } else {
        show::rows(&answer.rows, answer.truncated, began.elapsed(), std::io::stdout().is_terminal())
    };
    show::print(&text)?;
    Ok(ExitCode::SUCCESS)
}

pub(super) async fn findings(args: FindingsArgs) -> anyhow::Result<ExitCode> {
    let client = client(&args.server)?;
    if args.watch {
        tokio::select! {
            outcome = watch(&client, &args) => outcome?,
            ended = ended() => ended?,
        }
        return Ok(ExitCode::SUCCESS);
    }
    let all = client.findings().await?;
    let text = if args.server.json {
        format!("{}\n", json!({"findings": show::chosen(&all, args.all)}))
    } else {
        show::page(&all, args.all, show::colour_on_stdout(), now_ms()).whole()
    };
    show::print(&text)?;
    Ok(ExitCode::SUCCESS)
}

/// Waits for Ctrl-C or SIGTERM.
async fn ended() -> std::io::Result<()> {
    let mut terminate = signal(SignalKind::terminate())?;
    tokio::select! {
        interrupted = tokio::signal::ctrl_c() => interrupted,
        _ = terminate.recv() => Ok(()),
    }
}

/// Shows findings as they change: in place on a terminal, otherwise one line per change.
async fn watch(client: &Client, args: &FindingsArgs) -> anyhow::Result<()> {
    let in_place = std::io::stdout().is_terminal() && !args.server.json;
    let (mut screen, mut changes) = (Screen::default(), Changes::default());
    // A failure of the first request is an error; later ones wait for a server that restarts.
    let mut seen = Some(client.findings().await?);
    let mut lost: Option<String> = None;
    loop {
        let now_ms = now_ms();
        if let Some(findings) = seen.take() {
            lost = None;
            if in_place {
                screen.draw(show::page(&findings, args.all, show::colour_on_stdout(), now_ms))?;
            } else {
                let lines = changes.of(&findings, args.all, now_ms).into_iter().map(|change| {
                    if args.server.json { format!("{}\n", json!(change.finding)) } else { format!("{}\n", change.line) }
                });
                show::print(&lines.collect::<String>())?;
            }
        }
        tokio::time::sleep(LOOK_EVERY).await;
        match client.findings().await {
            Ok(findings) => seen = Some(findings),
            Err(error) => {
                let said = error_text(&error, args.server.json);
                if in_place {
                    screen.draw(Frame { head: format!("{said}\n"), ..Frame::default() })?;
                } else if lost.as_ref() != Some(&said) {
                    eprintln!("{said}");
                }
                lost = Some(said);
            }
        }
    }
}

fn client(server: &ServerArgs) -> anyhow::Result<Client> {
    let token = std::env::var(TOKEN_VARIABLE).ok().filter(|token| !token.is_empty());
    Client::new(&server.endpoint, token.map(Secret::new), &server.tls.settings())
}

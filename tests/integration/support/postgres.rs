//! A real `PostgreSQL` in a temporary folder.

use super::process::{Process, run};
use super::{free_port, until};
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;
use tempfile::TempDir;

/// A cluster of its own, with database and user `postgres` and no password.
pub(crate) struct Postgres {
    server: Process,
    port: u16,
    _folder: TempDir,
}

impl Postgres {
    pub(crate) async fn start() -> Postgres {
        let programs = programs();
        let folder = tempfile::tempdir().expect("a temporary folder");
        let data = folder.path().join("data");
        std::fs::create_dir(&data).expect("made");
        if is_root() {
            // PostgreSQL refuses to run as root.
            let owner = Command::new("chown").args(["-R", "postgres:postgres"]).arg(folder.path()).status();
            assert!(owner.is_ok_and(|status| status.success()), "chown to postgres failed");
        }
        let mut initdb = as_postgres(programs.join("initdb"));
        initdb.args(["--auth=trust", "--username=postgres", "--encoding=UTF8", "--no-sync", "-D"]).arg(&data);
        run("initdb", initdb.current_dir(folder.path()), folder.path(), Duration::from_mins(1)).await;
        let port = free_port();
        let mut postgres = as_postgres(programs.join("postgres"));
        postgres.arg("-D").arg(&data).args(["-p", &port.to_string(), "-h", "127.0.0.1", "-c", "fsync=off"]);
        postgres.arg("-k").arg(folder.path()).current_dir(folder.path());
        let mut server = Process::start("postgres", &mut postgres, folder.path());
        until("PostgreSQL to accept connections", Duration::from_secs(30), || {
            let ended = server.ended();
            let text = server.text();
            async move {
                assert!(ended.is_none(), "PostgreSQL ended: {text}");
                let address = format!("host=127.0.0.1 port={port} user=postgres dbname=postgres");
                let ready = Command::new("psql").args([&address, "-qAtc", "SELECT 1"]).output();
                let ready = ready.map_err(|error| error.to_string())?;
                if ready.status.success() { Ok(()) } else { Err(String::from_utf8_lossy(&ready.stderr).into_owned()) }
            }
        })
        .await;
        Postgres { server, port, _folder: folder }
    }

    pub(crate) fn url(&self) -> String {
        format!("postgres://postgres@127.0.0.1:{}/postgres", self.port)
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        // This signal also ends the child processes; SIGKILL would leave them running.
        self.server.signal("QUIT");
        for _ in 0..200 {
            if self.server.ended().is_some() {
                return;
            }
            std::thread::sleep(Duration::from_millis(10));
        }
    }
}

fn programs() -> PathBuf {
    let versions = std::fs::read_dir("/usr/lib/postgresql").expect("Debian's package postgresql: run tests/run");
    let folders = versions.filter_map(Result::ok).map(|version| version.path().join("bin"));
    folders.filter(|bin| bin.join("initdb").exists()).max().expect("initdb of Debian's package postgresql")
}

fn is_root() -> bool {
    let id = Command::new("id").arg("-u").output().expect("id runs");
    id.stdout.trim_ascii() == b"0"
}

fn as_postgres(program: PathBuf) -> Command {
    if !is_root() {
        return Command::new(program);
    }
    let mut command = Command::new("setpriv");
    command.args(["--reuid=postgres", "--regid=postgres", "--init-groups"]).arg(program);
    command
}

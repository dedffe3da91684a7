//! The Debian package: built, installed, started, upgraded with data, removed and purged, in a separate root over the
//! machine's. Also what the container file does, as far as that can be tested without containers.

use crate::support::client::{client, get};
use crate::support::otlp::{route_span, send, traces};
use crate::support::process::{Process, run, tail};
use crate::support::server::SPANWISE;
use crate::support::{free_port, peer, until};
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::time::Duration;
use tempfile::TempDir;

const WITHIN: Duration = Duration::from_secs(30);
/// Maximum exposure according to `systemd-analyze security`, from 0 to 10.
const EXPOSURE_MAX: f64 = 2.0;

/// Builds the package with the program under test.
async fn package(folder: &Path, version: &str) -> PathBuf {
    let target = Path::new(SPANWISE).parent().and_then(Path::parent).expect("target/debug/spanwise");
    let to = folder.join(format!("spanwise-{version}.deb"));
    let mut command = Command::new(peer("SPANWISE_CARGO_DEB"));
    command.args(["--no-build", "--profile", "dev", "--fast", "--deb-version", version, "--output"]).arg(&to);
    command.current_dir(env!("CARGO_MANIFEST_DIR")).env("CARGO_TARGET_DIR", target);
    run("cargo-deb", &mut command, folder, Duration::from_mins(5)).await;
    to
}

/// An overlay over the machine's root: writes go to a folder of the test.
struct Root {
    folder: TempDir,
}

impl Root {
    fn new() -> Root {
        let root = Root { folder: tempfile::tempdir().expect("a folder") };
        for name in ["upper", "work", "root", "in"] {
            std::fs::create_dir(root.path(name)).expect("made");
        }
        root
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Returns a command that runs the script in this root; the folder `in` is mounted at `/mnt`.
    fn command(&self, script: &str) -> Command {
        const MOUNTS: &str = "set -e; cd \"$1\"; \
            mount -t overlay overlay -o lowerdir=/,upperdir=upper,workdir=work root; \
            mount --rbind /proc root/proc; mount --rbind /dev root/dev; mount --bind in root/mnt; \
            exec chroot root /bin/bash -c \"$2\"";
        let is_root = Command::new("id").arg("-u").output().is_ok_and(|id| id.stdout.trim_ascii() == b"0");
        let mut command = Command::new(if is_root { "unshare" } else { "sudo" });
        if !is_root {
            command.args(["-n", "unshare"]);
        }
        command.args(["--mount", "/bin/bash", "-c", MOUNTS, "bash"]).arg(self.folder.path()).arg(script);
        command.env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin").env("DEBIAN_FRONTEND", "noninteractive");
        command
    }

    fn try_run(&self, script: &str) -> Output {
        self.command(script).output().expect("unshare of Debian's package util-linux, as root or by sudo")
    }

    /// Returns the output of the script, which must succeed.
    fn run(&self, script: &str) -> String {
        let output = self.try_run(script);
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        assert!(output.status.success(), "{script}: {}{}", text(&output.stdout), text(&output.stderr));
        text(&output.stdout).trim().to_owned()
    }

    /// Starts the installed program as the unit does: same command, user and folder.
    async fn start(&self, health: u16) -> Process {
        let unit =
            std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("src/app/package/spanwise.service"));
        let unit = unit.expect("the unit");
        let of =
            |key: &str| unit.lines().find_map(|line| line.strip_prefix(key)).expect("a key of the unit").to_owned();
        let [command, user, group, folder] = ["ExecStart=", "User=", "Group=", "WorkingDirectory="].map(of);
        let script = format!(
            "cd {folder} && exec setpriv --reuid={user} --regid={group} --clear-groups --no-new-privs {command}"
        );
        let mut process = Process::start("installed", &mut self.command(&script), self.folder.path());
        until("the installed Spanwise to be ready", WITHIN, || {
            let (ended, text) = (process.ended(), process.text());
            async move {
                assert!(ended.is_none(), "ended with {ended:?}: {}", tail(&text, 40));
                let (status, body) = get(&format!("http://127.0.0.1:{health}/")).await?;
                if status == 200 { Ok(()) } else { Err(body) }
            }
        })
        .await;
        process
    }
}

/// Returns the number of the test's spans; the installed configuration stores own telemetry, too.
async fn count(sql: u16) -> String {
    let request = client().post(format!("http://127.0.0.1:{sql}/v1/sql"));
    let request = request.header("content-type", "text/plain").header("accept", "text/csv");
    let answer =
        request.body("SELECT count(*) FROM spans WHERE service_name = 'shop'").send().await.expect("an answer");
    answer.text().await.expect("text").lines().last().unwrap_or_default().trim().to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_package_is_installed_started_upgraded_removed_and_purged() {
    let root = Root::new();
    let before = package(&root.path("in"), "0.1.0~before-1").await;
    let now = package(&root.path("in"), "0.1.0-1").await;
    let mib = std::fs::metadata(&now).expect("made").len() >> 20;
    let inside = |deb: &Path| format!("/mnt/{}", deb.file_name().expect("a name").to_string_lossy());
    println!("built: {} of {mib} MiB (of the development profile, quickly compressed)", inside(&now));

    root.run(&format!("dpkg -i {} >&2", inside(&before)));
    let owner = "stat -c '%U:%G %a' /var/lib/spanwise";
    assert_eq!(root.run(owner), "spanwise:spanwise 750");
    assert!(root.run("getent passwd spanwise").ends_with(":/var/lib/spanwise:/usr/sbin/nologin"));
    assert_eq!(
        root.run("readlink /etc/systemd/system/multi-user.target.wants/spanwise.service | grep -o 'spanwise.service'"),
        "spanwise.service"
    );
    root.run("systemd-analyze verify spanwise.service >&2");
    let security = root.run("systemd-analyze security --offline=yes --no-pager spanwise.service 2>/dev/null | tail -1");
    let exposure =
        security.split(": ").nth(1).and_then(|rest| rest.split(' ').next()).and_then(|one| one.parse::<f64>().ok());
    println!("systemd-analyze: verified; {security}");
    assert!(exposure.is_some_and(|exposure| exposure <= EXPOSURE_MAX), "{security}");

    // Typical changes: other ports, and a comment.
    let ports = [4317, 4318, 4380, 8889, 13133, 15432].map(|usual: u16| (usual, free_port()));
    let to = |usual: u16| ports.iter().find(|(from, _)| *from == usual).expect("a port").1;
    let mut edit = String::from("sed -i");
    for (from, to) in ports {
        let _ = write!(edit, " -e 's/:{from}$/:{to}/'");
    }
    root.run(&format!("{edit} /etc/spanwise/otel-config.yaml && echo '# edited' >> /etc/spanwise/otel-config.yaml"));
    let checked = root.run("spanwise check --config /etc/spanwise/otel-config.yaml");
    assert!(checked.contains("good: 1 receiver, 1 exporter, 3 budgets"), "{checked}");

    let mut process = root.start(to(13133)).await;
    let spans = (1..=50).map(|number| route_span(number, "GET", "/a", 1.0)).collect();
    send(&format!("http://127.0.0.1:{}/v1/traces", to(4318)), &traces("shop", spans)).await;
    until("the spans", WITHIN, || async {
        let found = count(to(4380)).await;
        if found == "50" { Ok(()) } else { Err(found) }
    })
    .await;
    let health = root.run(&format!("spanwise health --endpoint http://127.0.0.1:{}/", to(13133)));
    assert!(health.contains("Server available"), "{health}");
    process.signal("TERM");
    assert!(process.wait(WITHIN).await.success(), "{}", process.text());
    let down = root.try_run(&format!("spanwise health --endpoint http://127.0.0.1:{}/", to(13133)));
    assert_eq!(down.status.code(), Some(1));

    root.run(&format!("dpkg -i {} >&2", inside(&now)));
    assert_eq!(root.run("dpkg-query -W -f '${Version} ${Status}' spanwise"), "0.1.0-1 install ok installed");
    assert_eq!(root.run("tail -1 /etc/spanwise/otel-config.yaml"), "# edited", "what people wrote is kept");
    let mut process = root.start(to(13133)).await;
    assert_eq!(count(to(4380)).await, "50", "upgraded over the data of the version before");
    process.signal("TERM");
    assert!(process.wait(WITHIN).await.success(), "{}", process.text());
    println!("installed, started as its user, fed, stopped, upgraded: 50 of 50 spans are there");

    // Root can back up and restore data, which still belongs to the server's user.
    root.run("spanwise backup /mnt/saved --config /etc/spanwise/otel-config.yaml >&2");
    root.run("spanwise restore /mnt/saved --config /etc/spanwise/otel-config.yaml --force >&2");
    assert_eq!(root.run("find /var/lib/spanwise ! -user spanwise"), "", "root has left nothing of its own");
    let mut process = root.start(to(13133)).await;
    assert_eq!(count(to(4380)).await, "50", "restored");
    process.signal("TERM");
    assert!(process.wait(WITHIN).await.success(), "{}", process.text());

    root.run("dpkg -r spanwise >&2");
    assert_eq!(root.run("test ! -e /usr/bin/spanwise && ls /var/lib/spanwise"), "lock\nlog\nstate.sqlite", "data stay");
    assert_eq!(root.run("tail -1 /etc/spanwise/otel-config.yaml"), "# edited");
    root.run("dpkg -P spanwise >&2");
    assert_eq!(root.run("ls -d /var/lib/spanwise /etc/spanwise 2>/dev/null || true"), "", "purged");
    println!("removed: data and configuration stay; purged: neither is there");
}

/// Returns the instructions of the container file: name and argument.
fn instructions(text: &str) -> Vec<(String, String)> {
    let whole = text.lines().filter(|line| !line.starts_with('#')).collect::<Vec<_>>().join("\n").replace("\\\n", " ");
    let lines = whole.lines().filter(|line| !line.trim().is_empty());
    let split = lines.map(|line| line.split_once(' ').unwrap_or_else(|| panic!("no instruction: {line:?}")));
    split.map(|(name, argument)| (name.to_owned(), argument.to_owned())).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_containers_file_makes_what_it_runs() {
    let output = Command::new(SPANWISE).args(["export", "containerfile"]).output().expect("spanwise runs");
    let all = instructions(&String::from_utf8(output.stdout).expect("text"));
    let of = |wanted: &str| {
        all.iter().filter(|(name, _)| name == wanted).map(|(_, argument)| argument.as_str()).collect::<Vec<_>>()
    };
    assert_eq!(of("FROM").len(), 2, "{all:#?}");
    assert_eq!((of("USER"), of("VOLUME")), (vec!["10001:10001"], vec!["[\"/var/lib/spanwise\"]"]));
    assert_eq!(of("EXPOSE"), ["4317 4318 4380 8889 13133 15432"]);
    let list = |json: &str| serde_json::from_str::<Vec<String>>(json).unwrap_or_else(|error| panic!("{json}: {error}"));
    let started = [list(of("ENTRYPOINT")[0]), list(of("CMD")[0])].concat().join(" ");

    // Runs its own layers except downloads: user, folder, program and configuration.
    let root = Root::new();
    std::fs::copy(SPANWISE, root.path("in").join("spanwise")).expect("copied");
    let config = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/app/package/otel-config.yaml");
    std::fs::copy(config, root.path("in").join("otel-config.yaml")).expect("copied");
    let made = of("RUN").into_iter().find(|run| run.contains("useradd")).expect("a user is made");
    root.run(made);
    root.run("cp /mnt/spanwise /usr/bin/spanwise && mkdir -p /etc/spanwise && cp /mnt/otel-config.yaml /etc/spanwise/");
    let ports = [4317, 4318, 4380, 8889, 13133, 15432].map(|usual: u16| (usual, free_port()));
    for (from, to) in ports {
        root.run(&format!("sed -i 's/:{from}$/:{to}/' /etc/spanwise/otel-config.yaml"));
    }
    let variables = of("ENV").join(" ");
    let as_user =
        format!("cd /var/lib/spanwise && exec setpriv --reuid=10001 --regid=10001 --clear-groups env {variables}");
    // Setting the host alone is not enough to listen on all interfaces.
    let refused = root.try_run(&format!("{as_user} {started}"));
    let said = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert_eq!(
        (refused.status.code(), said.matches("is reachable from other machines").count()),
        (Some(2), 5),
        "{said}"
    );
    // On loopback, because tests must not be reachable from other machines.
    let script = format!("{as_user} SPANWISE_HOST=127.0.0.1 SPANWISE_ALLOW_UNAUTHENTICATED=true {started}");
    let mut process = Process::start("container", &mut root.command(&script), root.folder.path());
    let health = of("HEALTHCHECK")[0].split_once("CMD ").expect("a command").1;
    let health = format!("{} --endpoint http://127.0.0.1:{}/", list(health).join(" "), ports[4].1);
    until("the container's health check to pass", WITHIN, || {
        assert!(process.ended().is_none(), "{}", tail(&process.text(), 40));
        let found = root.try_run(&format!("{as_user} {health}"));
        std::future::ready(if found.status.success() { Ok(()) } else { Err(format!("{found:?}")) })
    })
    .await;
    assert_eq!(root.run("stat -c %u /var/lib/spanwise/state.sqlite"), "10001");
    process.signal("TERM");
    assert!(process.wait(WITHIN).await.success(), "{}", process.text());
    println!("{} instructions; as user 10001 `{started}` starts, `{health}` answers", all.len());
}

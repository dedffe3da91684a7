//! Test certificates, created with `openssl`.

use std::path::{Path, PathBuf};
use std::process::Command;

/// Files of a certificate and its key.
#[derive(Debug, Clone)]
pub(crate) struct Issued {
    pub(crate) certificate: PathBuf,
    pub(crate) key: PathBuf,
}

/// A certificate authority of the test.
pub(crate) struct Authority {
    folder: PathBuf,
    own: Issued,
}

impl Authority {
    /// Creates a certificate authority.
    pub(crate) fn new(folder: &Path, name: &str) -> Authority {
        let own = files(folder, name);
        let mut command = request(&own, name);
        openssl(command.args(["-x509", "-days", "2"]));
        Authority { folder: folder.to_owned(), own }
    }

    /// Path of its own certificate, for clients that trust it.
    pub(crate) fn certificate(&self) -> &Path {
        &self.own.certificate
    }

    /// Issues a certificate for this machine, with a new key.
    pub(crate) fn issue(&self, name: &str) -> Issued {
        self.issue_for(name, 2)
    }

    /// Issues a certificate that expired yesterday.
    pub(crate) fn issue_expired(&self, name: &str) -> Issued {
        self.issue_for(name, -1)
    }

    fn issue_for(&self, name: &str, days: i32) -> Issued {
        let issued = files(&self.folder, name);
        let wanted = Issued { certificate: self.folder.join(format!("{name}.csr")), key: issued.key.clone() };
        openssl(&mut request(&wanted, name));
        let extensions = self.folder.join("extensions");
        let text = "basicConstraints=critical,CA:FALSE\nsubjectAltName=IP:127.0.0.1,DNS:localhost\n";
        std::fs::write(&extensions, text).expect("written");
        let mut command = Command::new("openssl");
        command.args(["x509", "-req", "-in"]).arg(&wanted.certificate);
        command.arg("-CA").arg(&self.own.certificate).arg("-CAkey").arg(&self.own.key).arg("-CAcreateserial");
        command.arg("-extfile").arg(&extensions).args(["-days", &days.to_string(), "-out"]).arg(&issued.certificate);
        openssl(&mut command);
        issued
    }
}

fn files(folder: &Path, name: &str) -> Issued {
    Issued { certificate: folder.join(format!("{name}.pem")), key: folder.join(format!("{name}.key")) }
}

/// Creates a key and either a certificate or a signing request for it.
fn request(issued: &Issued, name: &str) -> Command {
    let mut command = Command::new("openssl");
    command.args(["req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-keyout"]);
    command.arg(&issued.key).arg("-out").arg(&issued.certificate).args(["-subj", &format!("/CN={name}")]);
    command
}

fn openssl(command: &mut Command) {
    let output = command.output().expect("the program openssl");
    assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
}

/// Returns the serial number of the certificate that a server presents.
pub(crate) fn shown_serial(port: u16) -> Result<String, String> {
    let script =
        format!("openssl s_client -connect 127.0.0.1:{port} </dev/null 2>/dev/null | openssl x509 -noout -serial");
    output(Command::new("sh").args(["-c", &script]))
}

/// Returns the serial number of the certificate in a file.
pub(crate) fn serial(certificate: &Path) -> String {
    output(Command::new("openssl").args(["x509", "-noout", "-serial", "-in"]).arg(certificate)).expect("a certificate")
}

fn output(command: &mut Command) -> Result<String, String> {
    let output = command.output().map_err(|error| error.to_string())?;
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).trim().to_owned();
    if output.status.success() { Ok(text(&output.stdout)) } else { Err(text(&output.stderr)) }
}

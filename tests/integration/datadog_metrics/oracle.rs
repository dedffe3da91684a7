//! Runs Datadog's own code (`tests/peers/datadog`) as a program that reads requests and prints its results.

use crate::support::peer;
use serde::de::DeserializeOwned;
use std::io::{BufRead as _, BufReader, Write as _};
use std::process::{Command, Stdio};

/// Appends a length and that many bytes.
pub(crate) fn put_frame(into: &mut Vec<u8>, bytes: &[u8]) {
    into.extend_from_slice(&u32::try_from(bytes.len()).unwrap().to_le_bytes());
    into.extend_from_slice(bytes);
}

/// Runs the program in the given mode; returns its output, one value per line.
pub(crate) fn ask<T: DeserializeOwned>(kind: &str, input: Vec<u8>) -> Vec<T> {
    let mut child = Command::new(peer("SPANWISE_DATADOG"))
        .arg(kind)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("Datadog's own code starts");
    let mut stdin = child.stdin.take().unwrap();
    let writer = std::thread::spawn(move || stdin.write_all(&input));
    let lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let answers = lines.map(|line| serde_json::from_str(&line.unwrap()).unwrap()).collect();
    writer.join().unwrap().expect("it reads all of its input");
    assert!(child.wait().unwrap().success(), "Datadog's own code failed");
    answers
}

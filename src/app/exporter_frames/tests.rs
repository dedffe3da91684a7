use super::*;
use crate::log::{Log, LogSettings};
use bytes::Bytes;
use std::path::Path;

const SEGMENT_BYTES: u64 = 1 << 19;

/// Writes a log with this many frames of this many bytes, which are their number in the receiver's name.
async fn log(dir: &Path, frames: u64, bytes: usize) -> FrameLog {
    let settings = LogSettings { dir: dir.to_owned(), segment_bytes: SEGMENT_BYTES, ..LogSettings::default() };
    let (log, _committed, _): (FrameLog, _, _) = Log::open(settings).unwrap();
    append(&log, 0..frames, bytes).await;
    log
}

async fn append(log: &FrameLog, numbers: std::ops::Range<u64>, bytes: usize) {
    for number in numbers {
        let frame = Frame { receiver: number.to_string(), payload: Bytes::from(vec![7; bytes]), ..nothing() };
        log.append(frame.header(), frame.payload, None).await.unwrap();
    }
}

/// Reads up to `upto` frames, and returns the position after the last.
async fn read(frames: &LogFrames, mut at: Position, upto: u64) -> Position {
    while at.0 < upto
        && let Some((position, frame)) = frames.next(at).await.unwrap()
    {
        assert_eq!(position.0, at.0 + 1, "none is skipped");
        assert_eq!(frame.receiver, at.0.to_string());
        at = position;
    }
    at
}

#[tokio::test]
async fn frames_are_read_once_for_all_that_keep_up() {
    let folder = tempfile::tempdir().unwrap();
    let log = log(folder.path(), 40, 100 << 10).await;
    let shared = SharedFrames::new(log.clone());
    let readers = [LogFrames::new(&shared), LogFrames::new(&shared), LogFrames::new(&shared)];
    for upto in [10, 40] {
        for reader in &readers {
            assert_eq!(read(reader, Position(upto / 40 * 10), upto).await, Position(upto));
            assert!(reader.own.lock().is_none(), "it reads nothing by itself");
        }
    }
    append(&log, 40..41, 10).await;
    for reader in &readers {
        assert_eq!(read(reader, Position(40), 50).await, Position(41));
        assert!(reader.own.lock().is_none());
    }
}

#[tokio::test]
async fn one_that_lags_behind_reads_by_itself_until_it_has_caught_up() {
    let folder = tempfile::tempdir().unwrap();
    let log = log(folder.path(), 300, 100 << 10).await;
    let shared = SharedFrames::new(log.clone());
    let (first, slow) = (LogFrames::new(&shared), LogFrames::new(&shared));
    assert_eq!(read(&slow, Position(0), 5).await, Position(5));
    assert_eq!(read(&first, Position(0), 300).await, Position(300));
    let kept = shared.window.lock().bytes;
    assert!((KEPT_BYTES - (100 << 10)..=KEPT_BYTES).contains(&kept), "{kept} bytes");
    assert_eq!(read(&slow, Position(5), 100).await, Position(100));
    assert!(slow.own.lock().is_some());
    assert_eq!(read(&slow, Position(100), 300).await, Position(300));
    assert!(slow.own.lock().is_none(), "it has caught up");
}

/// At startup each exporter continues from its own cursor.
#[tokio::test]
async fn the_foremost_reader_decides_what_is_kept() {
    let folder = tempfile::tempdir().unwrap();
    let log = log(folder.path(), 100, 1000).await;
    let shared = SharedFrames::new(log);
    let (behind, ahead) = (LogFrames::new(&shared), LogFrames::new(&shared));
    assert_eq!(read(&behind, Position(0), 1).await, Position(1));
    shared.window.lock().frames.clear();
    shared.window.lock().last = Position(1);
    assert_eq!(read(&ahead, Position(80), 90).await, Position(90));
    assert!(ahead.own.lock().is_none());
    assert_eq!(read(&behind, Position(1), 100).await, Position(100), "it reads by itself up to there");
    assert_eq!(read(&ahead, Position(90), 100).await, Position(100));
}

/// An exporter that is cancelled in the middle of a read, as by the end of a request, leaves no gap for the others.
#[tokio::test]
async fn a_read_that_is_cancelled_skips_and_repeats_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let log = log(folder.path(), 300, 100 << 10).await;
    let shared = SharedFrames::new(log);
    let readers = [LogFrames::new(&shared), LogFrames::new(&shared)];
    let mut at = [Position(0); 2];
    while at.iter().any(|at| at.0 < 300) {
        for (reader, at) in readers.iter().zip(&mut at) {
            let patience = std::time::Duration::from_micros(at.0 % 7 * 20);
            // Cancelled or not, the next call continues from the same position.
            drop(tokio::time::timeout(patience, reader.next(*at)).await);
            *at = read(reader, *at, at.0 + 3).await;
        }
    }
    let window = shared.window.lock();
    assert!(window.frames.iter().zip(window.frames.iter().skip(1)).all(|(one, next)| one.0.0 + 1 == next.0.0));
}

/// What was read before the error is not skipped.
#[tokio::test]
async fn a_segment_that_cannot_be_read_for_a_while_costs_no_frame() {
    let folder = tempfile::tempdir().unwrap();
    // The first segment is shorter than what is read at a time.
    let log = log(folder.path(), 300, 90 << 10).await;
    let shared = SharedFrames::new(log);
    let (first, slow) = (LogFrames::new(&shared), LogFrames::new(&shared));
    assert_eq!(read(&first, Position(0), 300).await, Position(300));
    let mut segments: Vec<_> = std::fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().path()).collect();
    segments.sort();
    for reader in [&slow, &LogFrames::new(&SharedFrames::new(shared.log.clone()))] {
        let aside = folder.path().join("aside");
        std::fs::rename(&segments[1], &aside).unwrap();
        std::fs::create_dir(&segments[1]).unwrap();
        assert!(reader.next(Position(0)).await.is_err(), "the second segment is a folder");
        std::fs::remove_dir(&segments[1]).unwrap();
        std::fs::rename(&aside, &segments[1]).unwrap();
        assert_eq!(read(reader, Position(0), 300).await, Position(300));
    }
}

//! Compares the frames found by their heads with those of a reader of all bytes.

use super::*;

/// Returns positions and bodies of all frames, found segment by segment.
fn found(log: &Log<()>) -> Vec<(u64, String)> {
    let (mut found, mut next) = (Vec::new(), Position(1));
    while next <= log.newest() {
        let Some(segment) = log.segment_holding(next) else { break };
        let heads = segment.heads().unwrap().expect("it was not deleted");
        for head in &heads.all {
            assert!(segment.first() <= head.position && head.position <= segment.last());
            let Some(body) = heads.read(head).unwrap() else { continue };
            assert_eq!(head.beginning(), &body[..body.len().min(BEGINNING)]);
            found.push((head.position.0, String::from_utf8(body.to_vec()).unwrap()));
        }
        next = Position(segment.last().max(next).0 + 1);
    }
    found
}

/// Returns texts shorter and longer than what a head keeps, and longer than the read-ahead for short frames.
fn texts() -> Vec<String> {
    [5, 39, 100, 3, 20_000, 70_000, 10, 0, 38, 200_000].map(|length| "x".repeat(length)).into()
}

#[tokio::test]
async fn all_frames_of_all_segments_are_found() {
    for segment_bytes in [1, 300, 1 << 20] {
        let dir = tempfile::tempdir().unwrap();
        let (log, _commits, _) = Log::open(LogSettings { segment_bytes, ..settings(dir.path()) }).unwrap();
        assert_eq!(found(&log), [], "an empty log");
        for text in texts() {
            append(&log, &text).await;
        }
        assert_eq!(found(&log), read_all(&log, 0), "segments of {segment_bytes}");
        assert_eq!(found(&log).len(), texts().len());
    }
}

#[tokio::test]
async fn with_a_bit_flipped_anywhere_the_same_frames_are_found_as_by_reading_all_bytes() {
    let whole = tempfile::tempdir().unwrap();
    written(whole.path(), &["first", "second", &"x".repeat(60), "fourth", "fifth"]).await;
    let path = only_segment(whole.path());
    let bytes = std::fs::read(&path).unwrap();
    for at in 0..bytes.len() {
        for bit in [0, 7] {
            let dir = tempfile::tempdir().unwrap();
            let mut damaged = bytes.clone();
            damaged[at] ^= 1 << bit;
            std::fs::write(dir.path().join(path.file_name().unwrap()), &damaged).unwrap();
            let (log, _commits, _) = Log::<()>::open(settings(dir.path())).unwrap();
            assert_eq!(found(&log), read_all(&log, 0), "bit {bit} of byte {at}");
        }
    }
}

#[tokio::test]
async fn bytes_of_a_sender_that_look_like_frames_are_none_behind_damage_either() {
    let dir = tempfile::tempdir().unwrap();
    let (log, _commits, _) = Log::open(settings(dir.path())).unwrap();
    append(&log, "first").await;
    let inner = [&format::head(3, &Bytes::new(), &Bytes::from_static(b"x"))[..], b"x"].concat();
    log.append(Bytes::new(), Bytes::from(inner), Some(())).await.unwrap();
    append(&log, "third").await;
    let path = only_segment(dir.path());
    let mut bytes = std::fs::read(&path).unwrap();
    // The marker of the second frame.
    bytes[format::OVERHEAD + "h:first".len()] ^= 1;
    std::fs::write(&path, &bytes).unwrap();
    assert_eq!(found(&log), read_all(&log, 0));
}

#[tokio::test]
async fn a_segment_that_is_deleted_meanwhile_has_no_frames() {
    let dir = tempfile::tempdir().unwrap();
    let small = LogSettings { segment_bytes: 1, age_max: Duration::ZERO, ..settings(dir.path()) };
    let (log, _commits, _) = Log::<()>::open(small).unwrap();
    for text in ["a", "b", "c"] {
        append(&log, text).await;
    }
    let segment = log.segment_holding(Position(1)).unwrap();
    std::thread::sleep(Duration::from_millis(1));
    log.cut(Position(2));
    assert!(segment.heads().unwrap().is_none());
    assert_eq!(log.segment_holding(Position(1)).unwrap().first(), Position(3), "the first one behind it");
}

use super::*;
use crate::model::frame::Position;
use bytes::Bytes;
use std::path::PathBuf;
use std::time::Duration;

mod heads;

fn settings(dir: &std::path::Path) -> LogSettings {
    LogSettings { dir: dir.to_owned(), ..LogSettings::default() }
}

async fn append(log: &Log<()>, text: &str) -> Position {
    log.append(Bytes::from_static(b"h:"), Bytes::copy_from_slice(text.as_bytes()), Some(())).await.unwrap()
}

fn read_all(log: &Log<()>, after: u64) -> Vec<(u64, String)> {
    let mut reader = log.read_after(Position(after));
    std::iter::from_fn(|| reader.read_next().unwrap())
        .map(|(position, body)| (position.0, String::from_utf8(body.to_vec()).unwrap()))
        .collect()
}

async fn written(dir: &std::path::Path, texts: &[&str]) {
    let (log, _commits, _) = Log::open(settings(dir)).unwrap();
    for text in texts {
        append(&log, text).await;
    }
}

fn only_segment(dir: &std::path::Path) -> PathBuf {
    std::fs::read_dir(dir).unwrap().next().unwrap().unwrap().path()
}

#[tokio::test]
async fn what_was_appended_is_there_after_a_restart_in_order() {
    let dir = tempfile::tempdir().unwrap();
    written(dir.path(), &["a", "b"]).await;
    let (log, _commits, recovery) = Log::open(settings(dir.path())).unwrap();
    assert_eq!((recovery.frames, recovery.truncated_bytes, recovery.damaged_frames), (2, 0, 0));
    assert_eq!(append(&log, "c").await, Position(3));
    assert_eq!(read_all(&log, 0), [(1, "h:a".into()), (2, "h:b".into()), (3, "h:c".into())]);
    assert_eq!(read_all(&log, 2), [(3, "h:c".into())]);
}

#[tokio::test]
async fn commits_come_in_order_and_before_the_answer() {
    let dir = tempfile::tempdir().unwrap();
    let (log, mut commits, _) = Log::open(settings(dir.path())).unwrap();
    let appends = (0..50).map(|number| log.append(Bytes::new(), Bytes::from(vec![number]), Some(number)));
    let positions = futures::future::join_all(appends).await;
    let mut seen = Vec::new();
    while let Ok(commit) = commits.try_recv() {
        seen.push((commit.position, commit.attachment));
    }
    let expected: Vec<_> = positions.into_iter().map(Result::unwrap).zip(0..50).collect();
    assert_eq!(seen, expected);
}

#[tokio::test]
async fn an_end_torn_at_any_byte_loses_that_frame_alone() {
    let whole = tempfile::tempdir().unwrap();
    written(whole.path(), &["first", "second"]).await;
    let path = only_segment(whole.path());
    let bytes = std::fs::read(&path).unwrap();
    let first_end = bytes.len() / 2 - 1 + (bytes.len() % 2);
    let first_end = first_end.min(format::OVERHEAD + "h:first".len());
    for end in first_end..bytes.len() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join(path.file_name().unwrap()), &bytes[..end]).unwrap();
        let (log, _commits, recovery) = Log::open(settings(dir.path())).unwrap();
        assert_eq!(recovery.frames, 1, "cut at {end}");
        assert_eq!(append(&log, "third").await, Position(2));
        assert_eq!(read_all(&log, 0), [(1, "h:first".into()), (2, "h:third".into())], "cut at {end}");
    }
}

#[tokio::test]
async fn a_flipped_bit_costs_at_most_its_own_frame() {
    let whole = tempfile::tempdir().unwrap();
    written(whole.path(), &["first", "second", "third"]).await;
    let path = only_segment(whole.path());
    let bytes = std::fs::read(&path).unwrap();
    for at in 0..bytes.len() {
        let dir = tempfile::tempdir().unwrap();
        let mut damaged = bytes.clone();
        damaged[at] ^= 0x10;
        std::fs::write(dir.path().join(path.file_name().unwrap()), &damaged).unwrap();
        let (log, _commits, _) = Log::<()>::open(settings(dir.path())).unwrap();
        let found = read_all(&log, 0);
        assert_eq!(found.len(), 2, "flip at {at}: {found:?}");
        assert!(found.iter().all(|(_, text)| ["h:first", "h:second", "h:third"].contains(&text.as_str())));
    }
}

#[tokio::test]
async fn old_segments_go_once_they_are_read_and_never_before() {
    let dir = tempfile::tempdir().unwrap();
    let bounds = LogSettings { segment_bytes: 1, age_max: Duration::ZERO, ..settings(dir.path()) };
    let (log, _commits, _) = Log::open(bounds).unwrap();
    for text in ["a", "b", "c"] {
        append(&log, text).await;
    }
    log.cut(Position(0));
    assert_eq!(log.oldest(), Position(1));
    log.cut(Position(2));
    assert_eq!(log.oldest(), Position(3));
    assert_eq!(read_all(&log, 0), [(3, "h:c".into())]);
}

#[tokio::test]
async fn past_its_bytes_the_log_takes_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let bounds = LogSettings { bytes_max: 40, ..settings(dir.path()) };
    let (log, _commits, _) = Log::open(bounds).unwrap();
    append(&log, "a frame that fills it up").await;
    let refused = log.append(Bytes::new(), Bytes::from_static(b"b"), Some(())).await;
    assert!(matches!(refused, Err(AppendError::Full { what: "log", limit: 40, .. })), "{refused:?}");
}

#[tokio::test]
async fn a_reader_at_the_end_sees_what_comes_later_and_over_segments() {
    let dir = tempfile::tempdir().unwrap();
    let (log, _commits, _) = Log::open(LogSettings { segment_bytes: 60, ..settings(dir.path()) }).unwrap();
    let mut reader = log.read_after(Position(0));
    assert!(reader.read_next().unwrap().is_none());
    for number in 1..=9_u64 {
        append(&log, "x").await;
        assert_eq!(reader.read_next().unwrap().unwrap().0, Position(number));
        assert!(reader.read_next().unwrap().is_none());
    }
}

#[tokio::test]
async fn frames_longer_than_the_read_window_are_read_whole() {
    let dir = tempfile::tempdir().unwrap();
    let (log, _commits, _) = Log::open(settings(dir.path())).unwrap();
    let sizes = [9 << 20, 10, 5 << 20];
    for size in sizes {
        log.append(Bytes::new(), Bytes::from(vec![7; size]), Some(())).await.unwrap();
    }
    let mut reader = log.read_after(Position(0));
    let found: Vec<usize> = std::iter::from_fn(|| reader.read_next().unwrap()).map(|(_, body)| body.len()).collect();
    assert_eq!(found, sizes);
}

#[tokio::test]
async fn bytes_of_a_sender_that_look_like_a_frame_are_none() {
    let dir = tempfile::tempdir().unwrap();
    written(dir.path(), &["first"]).await;
    let path = only_segment(dir.path());
    let mut bytes = std::fs::read(&path).unwrap();
    for position in [u64::MAX, 1000, 1] {
        // A frame whose payload is a frame, torn by a crash before its last byte.
        let inner = [&format::head(position, &Bytes::new(), &Bytes::from_static(b"x"))[..], b"x"].concat();
        let payload = Bytes::from([&inner[..], b"tail"].concat());
        let outer = [&format::head(2, &Bytes::new(), &payload)[..], &payload[..payload.len() - 1]].concat();
        let committed = bytes.len();
        bytes.extend(outer);
        std::fs::write(&path, &bytes).unwrap();
        let (log, _commits, recovery) = Log::open(settings(dir.path())).unwrap();
        assert_eq!((recovery.frames, log.newest()), (1, Position(1)), "planted {position}");
        assert_eq!(read_all(&log, 0), [(1, "h:first".into())]);
        bytes.truncate(committed);
    }
}

#[tokio::test]
async fn a_damaged_last_frame_may_have_been_acknowledged_and_its_position_is_not_used_again() {
    let dir = tempfile::tempdir().unwrap();
    written(dir.path(), &["first", "second"]).await;
    let path = only_segment(dir.path());
    let mut bytes = std::fs::read(&path).unwrap();
    *bytes.last_mut().unwrap() ^= 1;
    std::fs::write(&path, &bytes).unwrap();
    for restart in 0..2 {
        let (log, _commits, recovery) = Log::<()>::open(settings(dir.path())).unwrap();
        assert_eq!((recovery.truncated_bytes, recovery.damaged_frames), (0, 1), "start {restart}");
        if restart == 0 {
            assert_eq!(append(&log, "third").await, Position(3));
        }
        assert_eq!(read_all(&log, 0), [(1, "h:first".into()), (3, "h:third".into())]);
    }
}

#[tokio::test]
async fn on_a_full_disk_the_oldest_that_all_have_read_go_and_health_says_so() {
    let dir = tempfile::tempdir().unwrap();
    let bounds = LogSettings { segment_bytes: 1, ..settings(dir.path()) };
    let (log, _commits, _) = Log::open(bounds).unwrap();
    for text in ["a", "b", "c", "d"] {
        append(&log, text).await;
    }
    log.cut(Position(4));
    assert_eq!(log.oldest(), Position(1), "neither old nor too much");
    *log.shared.no_space() = Some("No space left on device".to_owned());
    assert!(log.health().unwrap_err().contains("No space left on device"));
    log.cut(Position(0));
    assert_eq!(log.oldest(), Position(1), "somebody has still to read it");
    log.cut(Position(4));
    assert_eq!((log.oldest(), log.health()), (Position(2), Ok(())));
    *log.shared.no_space() = Some("No space left on device".to_owned());
    append(&log, "e").await;
    assert_eq!(log.health(), Ok(()), "it has room again");
}

#[tokio::test]
async fn a_place_in_time_is_before_the_segments_written_to_since() {
    let dir = tempfile::tempdir().unwrap();
    let (log, _commits, _) = Log::open(LogSettings { segment_bytes: 1, ..settings(dir.path()) }).unwrap();
    append(&log, "a").await;
    append(&log, "b").await;
    std::thread::sleep(Duration::from_millis(20));
    let between = std::time::SystemTime::now();
    append(&log, "c").await;
    assert_eq!(log.before_time(between), Position(2));
    assert_eq!(log.before_time(std::time::SystemTime::UNIX_EPOCH), Position(0));
    assert_eq!(log.before_time(between + Duration::from_mins(1)), Position(3));
}

#[tokio::test]
async fn a_copy_has_what_was_deleted_meanwhile_and_ends_with_a_whole_frame() {
    let dir = tempfile::tempdir().unwrap();
    let small = LogSettings { segment_bytes: 1, age_max: Duration::ZERO, ..settings(dir.path()) };
    let (log, _commits, _) = Log::<()>::open(small).unwrap();
    for text in ["a", "b", "c"] {
        append(&log, text).await;
    }
    let mut files = SegmentFiles::open(dir.path()).unwrap();
    append(&log, "d").await;
    std::thread::sleep(Duration::from_millis(1));
    log.cut(Position(2));
    assert_eq!(log.oldest(), Position(3), "two segments are deleted");
    append(&log, "e").await;
    files.refresh().unwrap();
    // An incomplete frame at the time of the copy.
    let last = dir.path().join(format!("{:020}.log", 5));
    let mut torn = std::fs::read(&last).unwrap();
    torn.extend_from_slice(&format::head(6, &Bytes::new(), &Bytes::from_static(b"f")));
    std::fs::write(&last, torn).unwrap();

    let whole = files.whole().unwrap();
    assert_eq!(whole.newest, 5);
    let copy = tempfile::tempdir().unwrap();
    for mut segment in whole.files {
        let mut bytes = Vec::new();
        std::io::Read::read_to_end(&mut segment.file, &mut bytes).unwrap();
        bytes.truncate(usize::try_from(segment.bytes).unwrap());
        std::fs::write(copy.path().join(&segment.name), bytes).unwrap();
    }
    let (log, _commits, recovery) = Log::<()>::open(settings(copy.path())).unwrap();
    assert_eq!((recovery.truncated_bytes, recovery.damaged_frames), (0, 0));
    let all: Vec<String> = read_all(&log, 0).into_iter().map(|(_, text)| text).collect();
    assert_eq!(all, ["h:a", "h:b", "h:c", "h:d", "h:e"]);
}

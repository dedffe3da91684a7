//! The difference between two values of a cumulative total.

/// A value, its time, and the start of its count, in Unix nanoseconds.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Last {
    pub(super) start: u64,
    pub(super) time: u64,
    pub(super) value: f64,
}

/// Returns true if a point continues the sequence with this start. An unknown start does not indicate a reset; a point with a
/// start equal to its own time begins a sequence after a reset at an unknown time.
pub(super) const fn goes_on(start: u64, time: u64, start_before: u64) -> bool {
    start == 0 || start != time && start == start_before
}

/// The step from one value of a cumulative total to the next.
pub(super) enum Step {
    /// There was no value before it, or a reset.
    First,
    /// It is not newer than the last one.
    Old,
    Added {
        value: f64,
        since: u64,
    },
}

pub(super) fn step(last: &mut Last, now: Last) -> Step {
    if last.time >= now.time {
        return Step::Old;
    }
    let before = std::mem::replace(last, now);
    let value = now.value - before.value;
    if value < 0.0 || !goes_on(now.start, now.time, before.start) {
        return Step::First;
    }
    Step::Added { value, since: before.time }
}

/// Returns the change of a value that may decrease; `None` if unknown.
pub(super) fn diff(last: &mut Option<Last>, now: Last) -> Option<f64> {
    match last {
        Some(last) if last.time > now.time => None,
        last => {
            let before = last.replace(now)?;
            goes_on(now.start, now.time, before.start).then_some(now.value - before.value)
        }
    }
}

/// Returns true if the overall minimum (or maximum) dates from after the last point: it has moved, or a reset restarted it.
pub(super) fn is_new(last: &mut Option<Last>, now: Last, beyond: fn(&f64, &f64) -> bool) -> bool {
    match last {
        Some(last) if last.time > now.time => false,
        last => {
            let Some(before) = last.replace(now) else { return false };
            goes_on(now.start, now.time, before.start) && beyond(&now.value, &before.value)
                || beyond(&before.value, &now.value)
        }
    }
}

pub(super) fn whole(count: f64) -> u64 {
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a difference of counts")]
    let whole = count as u64;
    whole
}

//! One series of the target: its senders, and what was sent for it.

use super::sender::Sender;
use super::total::{Counts, Total};
use crate::exporters::temporality::identity::Digest;
use opentelemetry_proto::tonic::metrics::v1::DataPointFlags;

const MS: u64 = 1_000_000;
/// A sender without points for this long is gone: the lookback of Prometheus.
const SILENT_MAX: u64 = 300_000 * MS;
/// How far the times of a sum may be ahead of its senders' times. Points that keep arriving faster than once a millisecond are
/// combined.
const AHEAD_MAX: u64 = 1000 * MS;
/// Memory of a series besides buckets, in bytes, approximately.
pub(super) const SERIES_BYTES: usize = 240;
/// A sender without points for longer is forgotten, if others have come since.
const KEPT_MAX: u64 = 3_600_000 * MS;
/// With more senders than this in one series, the half heard from least recently is forgotten.
const SENDERS_MAX: usize = 10_000;

/// How a series counts.
#[derive(Debug)]
enum Held {
    /// The cumulative total of this sender, unchanged.
    One(Digest),
    /// The sum over its senders; without a total it starts with the next point.
    Sum { start: u64, total: Option<Total> },
}

/// Result for a point.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Became {
    AsItIs,
    Changed,
    /// Its value is sent with the next point; or it was the end of one of several senders.
    Gone,
    /// It is no newer than the last one of its sender.
    Late,
}

/// A received point, with what is known of it.
pub(super) struct Arrived<'a> {
    pub(super) sender: Digest,
    pub(super) is_delta: bool,
    pub(super) point: &'a mut dyn Counts,
    /// Upper limit for the time of a point.
    pub(super) latest: u64,
    /// Counts that began before this may have been sent and forgotten.
    pub(super) told_before: u64,
}

#[derive(Debug)]
pub(super) struct Series {
    /// When it was last used, by the clock of the stage.
    pub(super) seen: u64,
    may_go_down: bool,
    held: Held,
    /// Sorted by digest.
    senders: Vec<(Digest, Sender)>,
    senders_bytes: usize,
    /// Senders forgotten since this was last read.
    pub(super) forgotten: Vec<Digest>,
    /// Time of the newest point sent.
    told_upto: Option<u64>,
    /// Newest time of any sender.
    newest: u64,
    /// Cumulative totals of senders that began before this may have been sent and forgotten.
    told_before: u64,
}

impl Series {
    /// Creates a series; its first point comes from this sender.
    pub(super) fn new(may_go_down: bool, sender: Digest, is_delta: bool) -> Series {
        let held = if is_delta { Held::Sum { start: 0, total: None } } else { Held::One(sender) };
        let (senders, forgotten) = (Vec::with_capacity(1), Vec::new());
        Series {
            seen: 0,
            may_go_down,
            held,
            senders,
            senders_bytes: 0,
            forgotten,
            told_upto: None,
            newest: 0,
            told_before: 0,
        }
    }

    pub(super) fn take(&mut self, arrived: &mut Arrived<'_>) -> Became {
        let (start, time) = arrived.point.times();
        let begins_unknown = !arrived.is_delta && self.begins_unknown(arrived.sender, start, time);
        let became = self.take_started(arrived, begins_unknown);
        if begins_unknown && start < time && became == Became::AsItIs {
            // Later points repeat the start. The target would take it as the time when the counter was zero.
            arrived.point.set_start(0);
            return Became::Changed;
        }
        became
    }

    fn take_started(&mut self, arrived: &mut Arrived<'_>, begins_unknown: bool) -> Became {
        let (start, time) = arrived.point.times();
        if arrived.point.flags() & DataPointFlags::NoRecordedValueMask as u32 != 0 {
            return self.end(arrived, time);
        }
        // The mapping reports what is wrong with it.
        let own = match arrived.point.total() {
            Some(own) if own.fault(self.may_go_down).is_none() => own,
            _ => return Became::AsItIs,
        };
        let (sender, is_delta) = (arrived.sender, arrived.is_delta);
        let is_late = self.sender(sender).is_some_and(|known| time <= known.last);
        let at = time.min(arrived.latest);
        let said = |total| Sender { start, begins_unknown, last: at, total, has_ended: false };
        self.newest = self.newest.max(at);
        if !is_delta && self.is_alone(sender, start, begins_unknown) {
            self.hand_over(sender);
            self.told_upto = self.told_upto.max(Some(at));
            if !is_late {
                self.put(sender, said(Some(own)));
            } else if let Some(known) = self.sender_mut(sender).filter(|known| known.start == start) {
                known.begins_unknown |= begins_unknown;
            }
            return Became::AsItIs;
        }
        if is_late {
            return Became::Late;
        }
        let told_before = self.told_before.max(arrived.told_before);
        // OTLP's ways to mark a start as unknown.
        let said_start = if start >= time { 0 } else { start };
        let begun_anew = || {
            // The time of the reset is unknown: its value may have been counted long ago.
            let is_baseline = start > 0 && said_start == 0 && !self.may_go_down;
            if is_baseline { own.nothing() } else { own.clone() }
        };
        let more = if is_delta { Some(own.clone()) } else { self.more(sender, said_start, &own, told_before) };
        let more = more.unwrap_or_else(begun_anew);
        let start = if begins_unknown { 0 } else { said_start };
        self.share();
        self.put(sender, said((!is_delta).then_some(own)));
        let told_at = self.told_at(at);
        let (start, total) = self.add(more, start, told_at.unwrap_or(at));
        arrived.point.set(start, &total);
        self.held = Held::Sum { start, total: Some(total) };
        let Some(told_at) = told_at else { return Became::Gone };
        arrived.point.set_time(told_at);
        self.told_upto = Some(told_at);
        Became::Changed
    }

    /// Returns true if the series is just this cumulative total: no other sender writes to it, or the previous one had ended
    /// when this one began, which is a counter reset and not a second writer. With an unknown start that cannot be decided.
    fn is_alone(&self, sender: Digest, start: u64, begins_unknown: bool) -> bool {
        match self.held {
            Held::One(holder) => {
                let is_successor = || start != 0 && self.told_upto.is_none_or(|told_upto| told_upto <= start);
                holder == sender || !begins_unknown && is_successor()
            }
            Held::Sum { .. } => false,
        }
    }

    /// Returns true if a monotonic total has a start that is not a known beginning.
    fn begins_unknown(&self, sender: Digest, start: u64, time: u64) -> bool {
        let said_so = || self.sender(sender).is_some_and(|known| known.start == start && known.begins_unknown);
        !self.may_go_down && start > 0 && (start >= time || said_so())
    }

    fn hand_over(&mut self, sender: Digest) {
        if let Held::One(holder) = self.held
            && holder != sender
            && self.may_go_down
        {
            // Its last value is not part of a sum.
            self.forget(holder);
        }
        self.held = Held::One(sender);
    }

    /// Returns the increase of a cumulative total since its sender's last point; `None` if it restarted.
    fn more(&self, sender: Digest, start: u64, own: &Total, told_before: u64) -> Option<Total> {
        let known = self.sender(sender).and_then(|known| Some((known.start, known.total.as_ref()?)));
        match known {
            Some((_, before)) if self.may_go_down => own.change(before),
            Some((began, before)) if start == began || start == 0 => own.since(before),
            None if (start == 0 || start < told_before) && !self.may_go_down => Some(own.nothing()),
            _ => None,
        }
    }

    /// Turns the series into a sum of several senders, starting with the value sent last.
    fn share(&mut self) {
        let Held::One(holder) = self.held else { return };
        let known = self.sender(holder);
        let start = known.filter(|known| !known.begins_unknown).map_or(0, |known| known.start);
        self.held = Held::Sum { start, total: known.and_then(|known| known.total.clone()) };
    }

    /// Returns the start of the sum, and its value with `more` added.
    fn add(&mut self, more: Total, start: u64, time: u64) -> (u64, Total) {
        self.expire();
        let Held::Sum { start: began, total: Some(held) } = &self.held else {
            return (fresh_start(start, self.told_upto, time), more);
        };
        let is_shared = self.senders.len() > 1;
        let at_shared_bounds = || held.at_bounds_of(&more).with(&more.at_bounds_of(held));
        match held.with(&more).or_else(|| is_shared.then(at_shared_bounds).flatten()) {
            Some(sum) => (*began, sum),
            None => (fresh_start(start, self.told_upto, time), more),
        }
    }

    /// A non-monotonic sum covers only active senders: the share of a sender that is gone is removed.
    fn expire(&mut self) {
        if self.may_go_down {
            self.forget_before(self.newest.saturating_sub(SILENT_MAX));
        }
    }

    /// Returns the time to send a point with: its own, or a millisecond after the last one if that is not earlier, because the
    /// points of a series must ascend; `None` if it must wait for a later one.
    fn told_at(&self, time: u64) -> Option<u64> {
        let Some(told_upto) = self.told_upto.filter(|told_upto| time / MS <= told_upto / MS) else { return Some(time) };
        let next = (told_upto / MS + 1) * MS;
        (next <= self.newest.saturating_add(AHEAD_MAX)).then_some(next)
    }

    /// Handles a sender's end. The series ends with its last sender.
    fn end(&mut self, arrived: &mut Arrived<'_>, time: u64) -> Became {
        let is_silent = |other: &Sender| other.has_ended || other.last.saturating_add(SILENT_MAX) < time;
        let is_last = self.senders.iter().all(|(of, other)| *of == arrived.sender || is_silent(other));
        if arrived.is_delta || self.may_go_down {
            self.forget(arrived.sender);
        } else if let Some(known) = self.sender_mut(arrived.sender) {
            // It may come back with the same total, as a scraped target does.
            known.has_ended = true;
        }
        if !is_last {
            return Became::Gone;
        }
        let at = time.min(arrived.latest);
        if let Held::Sum { total, .. } = &mut self.held {
            *total = None;
            let Some(told_at) = self.told_at(at) else { return Became::Gone };
            arrived.point.set_time(told_at);
            self.told_upto = Some(told_at);
            return Became::Changed;
        }
        self.told_upto = self.told_upto.max(Some(at));
        Became::AsItIs
    }

    /// After a restart the target has the previous sum, but its value is unknown here, so the sum restarts. For non-monotonic
    /// sums, the last values of the senders are known.
    pub(super) fn begin_anew(&mut self) {
        let last = || {
            let mut totals = self.senders.iter().filter_map(|(_, sender)| sender.total.clone());
            let first = totals.next()?;
            Some(totals.fold(first, |sum, total| sum.with(&total).unwrap_or(sum)))
        };
        let last = if self.may_go_down { last() } else { None };
        if let Held::Sum { total, .. } = &mut self.held {
            *total = last;
        }
    }

    fn place(&self, sender: Digest) -> Result<usize, usize> {
        self.senders.binary_search_by_key(&sender, |(of, _)| *of)
    }

    fn sender(&self, sender: Digest) -> Option<&Sender> {
        self.place(sender).ok().and_then(|place| self.senders.get(place)).map(|(_, known)| known)
    }

    fn sender_mut(&mut self, sender: Digest) -> Option<&mut Sender> {
        self.place(sender).ok().and_then(|place| self.senders.get_mut(place)).map(|(_, known)| known)
    }

    fn put(&mut self, sender: Digest, said: Sender) {
        self.senders_bytes += said.bytes();
        if let Some(known) = self.sender_mut(sender) {
            let before = std::mem::replace(known, said);
            self.senders_bytes -= before.bytes();
            return;
        }
        let Err(place) = self.place(sender) else { return };
        self.senders.insert(place, (sender, said));
        let number_of = self.senders.len();
        if number_of > SENDERS_MAX {
            self.forget_older_half();
        } else if number_of.is_power_of_two() {
            self.forget_before(self.newest.saturating_sub(KEPT_MAX));
        }
    }

    fn forget(&mut self, sender: Digest) {
        if let Ok(place) = self.place(sender) {
            let (_, known) = self.senders.remove(place);
            self.let_go(sender, known);
        }
    }

    /// Forgets senders last heard from before a time.
    fn forget_before(&mut self, time: u64) {
        if self.senders.iter().any(|(_, known)| known.last < time) {
            self.forget_all_of(|_, known| known.last < time);
        }
    }

    /// Forgets the half heard from least recently; ties are broken arbitrarily.
    fn forget_older_half(&mut self) {
        let mut by_age: Vec<(u64, Digest)> = self.senders.iter().map(|(of, known)| (known.last, *of)).collect();
        let half = by_age.len() / 2;
        let (_, youngest_of_old, _) = by_age.select_nth_unstable(half);
        let bound = *youngest_of_old;
        self.forget_all_of(|of, known| (known.last, of) < bound);
    }

    fn forget_all_of(&mut self, is_old: impl Fn(Digest, &Sender) -> bool) {
        let senders = std::mem::take(&mut self.senders);
        let (old, kept): (Vec<_>, Vec<_>) = senders.into_iter().partition(|(of, known)| is_old(*of, known));
        self.senders = kept;
        old.into_iter().for_each(|(sender, known)| self.let_go(sender, known));
    }

    /// Forgets senders until the series uses at most `bytes_max`.
    pub(super) fn keep_within(&mut self, bytes_max: usize) {
        while self.bytes() > bytes_max && self.senders.len() > 1 {
            self.forget_older_half();
        }
    }

    /// Returns true if it is a sum over senders.
    pub(super) const fn is_sum(&self) -> bool {
        matches!(self.held, Held::Sum { .. })
    }

    fn let_go(&mut self, sender: Digest, known: Sender) {
        self.senders_bytes -= known.bytes();
        self.forgotten.push(sender);
        let Some(own) = known.total else { return };
        if !self.may_go_down {
            // A start later than its own time is invalid.
            self.told_before = self.told_before.max(known.start.min(known.last).saturating_add(1));
        } else if let Held::Sum { total: Some(total), .. } = &mut self.held
            && let Some(left) = total.change(&own)
        {
            *total = left;
        }
    }

    /// Forgets all of its senders; returns the time before which their counts may have begun.
    pub(super) fn forget_all(&mut self) -> u64 {
        self.forget_before(u64::MAX);
        self.told_before
    }

    #[cfg(test)]
    pub(super) fn senders(&self) -> usize {
        self.senders.len()
    }

    pub(super) fn knows(&self, sender: Digest) -> bool {
        self.sender(sender).is_some()
    }

    pub(super) fn bytes(&self) -> usize {
        let of_total = if let Held::Sum { total: Some(total), .. } = &self.held { 8 * total.weight() } else { 0 };
        SERIES_BYTES + self.senders_bytes + of_total
    }
}

/// Returns the start of a restarted sum: the start of its first point, but not before the last point sent for its series. It is
/// a millisecond after that, so that a target that inserts a zero at the start has room for it, and recognizes a new sum even
/// if its value is greater.
pub(super) fn fresh_start(start: u64, told_upto: Option<u64>, time: u64) -> u64 {
    let Some(told_upto) = told_upto else { return start };
    let behind = told_upto.saturating_add(MS);
    start.max(if behind < time { behind } else { told_upto })
}

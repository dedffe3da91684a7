//! What targets do, and what must come of it.

/// A way in which a target behaves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Case {
    /// It takes everything.
    Success,
    /// It refuses one item, and so the request that it stands in, for good.
    Refusal,
    /// It asks to come again later.
    TooMany,
    /// It answers 503 for a while.
    Unavailable,
    /// It does not answer in time.
    TimeOut,
    /// Nobody is there at first.
    Nobody,
    /// It breaks connections off half way.
    Reset,
    /// Something that is not the target answers 200 with a page.
    Garbage,
    /// It lets nobody in by the key that it is shown, until its operator has made it known.
    Denied,
    /// It takes a request but for one item.
    Partial,
    /// It takes its time.
    Slow,
    /// It takes small requests alone, and one item is too large for it.
    Oversized,
    /// The sender is killed and starts again.
    Restart,
}

pub(crate) const ALL: [Case; 13] = [
    Case::Success,
    Case::Refusal,
    Case::TooMany,
    Case::Unavailable,
    Case::TimeOut,
    Case::Nobody,
    Case::Reset,
    Case::Garbage,
    Case::Denied,
    Case::Partial,
    Case::Slow,
    Case::Oversized,
    Case::Restart,
];

impl Case {
    pub(crate) const fn title(self) -> &'static str {
        match self {
            Case::Success => "success",
            Case::Refusal => "refused",
            Case::TooMany => "429",
            Case::Unavailable => "503",
            Case::TimeOut => "timeout",
            Case::Nobody => "nobody",
            Case::Reset => "reset",
            Case::Garbage => "garbage",
            Case::Denied => "denied",
            Case::Partial => "partial",
            Case::Slow => "slow",
            Case::Oversized => "oversized",
            Case::Restart => "restart",
        }
    }

    /// What the log says, by one of these, while a target takes nothing whose operator has to know the cause.
    pub(crate) const fn told(self) -> &'static [&'static str] {
        match self {
            Case::Garbage => &["HTML", "what answers is no gRPC"],
            Case::Denied => &["right?", "is `api.key` a key"],
            _ => &[],
        }
    }

    /// How many items may arrive twice, where so many are under way at once: those of which the sender cannot know that the
    /// target took them.
    pub(crate) const fn twice_max(self, under_way: u64) -> u64 {
        match self {
            // A sender that is killed sends again what was under way, and what was taken since its cursor was saved: that is
            // once a second, and a request of this case takes half a second.
            Case::Restart => 2 * under_way,
            // What times out or is cut off has not been taken; every other answer says what has.
            _ => 0,
        }
    }
}

//! The cases of the contract: how a target behaves, and what may result.

/// How a target behaves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Case {
    /// Accepts everything.
    Success,
    /// Permanently rejects the request that contains one particular item.
    Refusal,
    /// Asks for a later retry with 429.
    TooMany,
    /// Answers 503 for a while.
    Unavailable,
    /// Does not answer before the timeout.
    TimeOut,
    /// Does not listen at first.
    Nobody,
    /// Resets connections in the middle of a request.
    Reset,
    /// A host other than the target answers 200 with an HTML page.
    Garbage,
    /// Rejects the API key until the operator has registered it.
    Denied,
    /// Accepts a request except for one item.
    Partial,
    /// Answers slowly.
    Slow,
    /// Accepts small requests only; one item exceeds its limit.
    Oversized,
    /// The sender is killed and restarted.
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

    /// Returns fragments of which the log must contain one while the operator has a cause to fix; empty for other cases.
    pub(crate) const fn told(self) -> &'static [&'static str] {
        match self {
            Case::Garbage => &["HTML", "what answers is no gRPC"],
            Case::Denied => &["right?", "is `api.key` a key"],
            _ => &[],
        }
    }

    /// Returns how many items may arrive twice with `under_way` items in flight: those for which the sender cannot know whether
    /// the target accepted them.
    pub(crate) const fn twice_max(self, under_way: u64) -> u64 {
        match self {
            // After a kill, the sender resends what was in flight and what was accepted since it last saved its cursor. It
            // saves the cursor once a second, and a request of this case takes half a second.
            Case::Restart => 2 * under_way,
            // A request that times out or is cut off was not accepted; every other answer states what was accepted.
            _ => 0,
        }
    }
}

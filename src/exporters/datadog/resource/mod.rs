//! What Datadog's products read off a resource: where it runs, and its tags.

mod host;
mod tags;

pub(super) use host::{Place, place, text};
pub(super) use tags::tags;

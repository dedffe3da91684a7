//! Properties of a resource for all Datadog products: where it runs, and its tags.

mod host;
mod tags;

pub(super) use host::{Place, place, text};
pub(super) use tags::tags;

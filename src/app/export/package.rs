//! `spanwise export containerfile` and `spanwise export systemd-unit`.

/// Containerfile that builds and runs Spanwise.
pub(in crate::app) const CONTAINERFILE: &str = include_str!("../package/Containerfile");
/// The systemd unit of the Debian package.
pub(in crate::app) const SYSTEMD_UNIT: &str = include_str!("../package/spanwise.service");

//! `spanwise export containerfile` and `spanwise export systemd-unit`.

/// Builds and runs Spanwise in a container.
pub(in crate::app) const CONTAINERFILE: &str = include_str!("../package/Containerfile");
/// The service of the Debian package.
pub(in crate::app) const SYSTEMD_UNIT: &str = include_str!("../package/spanwise.service");

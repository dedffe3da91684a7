//! `spanwise export`: files for configuring other programs.

pub(super) mod index_template;
pub(super) mod package;

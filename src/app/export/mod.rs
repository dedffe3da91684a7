//! What other programs are set up with, printed.

pub(super) mod index_template;
pub(super) mod package;

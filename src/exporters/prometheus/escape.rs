//! Escaping schemes of Prometheus' content negotiation, for clients that do not support UTF-8 names.

use std::borrow::Cow;
use std::fmt::Write as _;

/// A value of `escaping=`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum Escaping {
    /// `allow-utf-8`: no escaping; names that need it are quoted.
    AllowUtf8,
    /// `underscores`: each invalid character becomes an underscore.
    #[default]
    Underscores,
    /// `dots`: a dot becomes `_dot_`, an underscore two.
    Dots,
    /// `values`: characters become their code points, with the prefix `U__`.
    Values,
}

impl Escaping {
    pub(super) const ALL: [Escaping; 4] =
        [Escaping::AllowUtf8, Escaping::Underscores, Escaping::Dots, Escaping::Values];

    /// Its name in the negotiation.
    pub(super) const fn word(self) -> &'static str {
        match self {
            Escaping::AllowUtf8 => "allow-utf-8",
            Escaping::Underscores => "underscores",
            Escaping::Dots => "dots",
            Escaping::Values => "values",
        }
    }

    /// Escapes the name of a metric.
    pub(super) fn metric(self, name: &str) -> Cow<'_, str> {
        if is_plain_metric(name) { Cow::Borrowed(name) } else { self.escaped(name, true) }
    }

    /// Escapes the name of a label.
    pub(super) fn label(self, name: Cow<'_, str>) -> Cow<'_, str> {
        if is_plain_label(&name) { name } else { Cow::Owned(self.escaped(&name, false).into_owned()) }
    }

    fn escaped(self, name: &str, with_colons: bool) -> Cow<'_, str> {
        if self == Escaping::AllowUtf8 {
            return Cow::Borrowed(name);
        }
        let mut out = String::with_capacity(name.len() + 8);
        if self == Escaping::Values {
            out.push_str("U__");
        }
        for (at, c) in name.char_indices() {
            let is_plain = c.is_ascii_alphabetic() || c.is_ascii_digit() && at > 0 || c == ':' && with_colons;
            match self {
                _ if is_plain => out.push(c),
                Escaping::Dots if c == '.' => out.push_str("_dot_"),
                Escaping::Dots => out.push_str("__"),
                Escaping::Values if c == '_' => out.push_str("__"),
                Escaping::Values => {
                    let _to_a_string = write!(out, "_{:x}_", u32::from(c));
                }
                _ => out.push('_'),
            }
        }
        Cow::Owned(out)
    }
}

/// Returns true if a metric's name needs no quotes: `[a-zA-Z_:][a-zA-Z0-9_:]*`.
pub(super) fn is_plain_metric(name: &str) -> bool {
    is_plain(name, |c| c == b':')
}

/// Returns true if a label's name needs no quotes: `[a-zA-Z_][a-zA-Z0-9_]*`.
pub(super) fn is_plain_label(name: &str) -> bool {
    is_plain(name, |_| false)
}

fn is_plain(name: &str, also: impl Fn(u8) -> bool) -> bool {
    !name.is_empty()
        && !name.as_bytes()[0].is_ascii_digit()
        && name.bytes().all(|c| c.is_ascii_alphanumeric() || c == b'_' || also(c))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Expected values: `model.EscapeName` of the Go module `prometheus/common`, from its own tests and documentation.
    #[test]
    fn names_are_escaped_as_prometheus_does() {
        for (name, underscores, dots, values) in [
            (
                "mysystem_prod_west_cpu_load",
                "mysystem_prod_west_cpu_load",
                "mysystem_prod_west_cpu_load",
                "mysystem_prod_west_cpu_load",
            ),
            (
                "mysystem.prod.west.cpu.load",
                "mysystem_prod_west_cpu_load",
                "mysystem_dot_prod_dot_west_dot_cpu_dot_load",
                "U__mysystem_2e_prod_2e_west_2e_cpu_2e_load",
            ),
            (
                "mysystem.prod.west.cpu.load_total",
                "mysystem_prod_west_cpu_load_total",
                "mysystem_dot_prod_dot_west_dot_cpu_dot_load__total",
                "U__mysystem_2e_prod_2e_west_2e_cpu_2e_load__total",
            ),
            ("http.status:sum", "http_status:sum", "http_dot_status:sum", "U__http_2e_status:sum"),
            ("label with 😱", "label_with__", "label__with____", "U__label_20_with_20__1f631_"),
            ("0days", "_days", "__days", "U___30_days"),
        ] {
            assert_eq!(Escaping::Underscores.metric(name), underscores);
            assert_eq!(Escaping::Dots.metric(name), dots);
            assert_eq!(Escaping::Values.metric(name), values);
            assert_eq!(Escaping::AllowUtf8.metric(name), name);
        }
        assert_eq!(Escaping::Underscores.label("a:b".into()), "a_b");
        assert_eq!(Escaping::Dots.label("host.name".into()), "host_dot_name");
    }
}

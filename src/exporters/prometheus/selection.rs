//! Selects the resource attributes that become labels of each series: `resource_constant_labels`.

/// Name patterns, in which `*` matches any text and `?` one character.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Selection {
    included: Vec<String>,
    excluded: Vec<String>,
}

impl Selection {
    /// Selects names that match `included` and not `excluded`. An empty `included` matches any name, unless `excluded` is empty
    /// too.
    #[must_use]
    pub fn new(included: &[impl AsRef<str>], excluded: &[impl AsRef<str>]) -> Selection {
        let owned = |pattern: &dyn AsRef<str>| pattern.as_ref().to_owned();
        Selection {
            included: included.iter().map(|pattern| owned(pattern)).collect(),
            excluded: excluded.iter().map(|pattern| owned(pattern)).collect(),
        }
    }

    pub(in crate::exporters) fn is_empty(&self) -> bool {
        self.included.is_empty() && self.excluded.is_empty()
    }

    pub(in crate::exporters) fn takes(&self, name: &str) -> bool {
        let fits = |patterns: &[String]| patterns.iter().any(|pattern| fits(pattern.as_bytes(), name.as_bytes()));
        !self.is_empty() && (self.included.is_empty() || fits(&self.included)) && !fits(&self.excluded)
    }
}

/// Returns true if a name matches a pattern. Backtracks to the last `*` only.
fn fits(pattern: &[u8], name: &[u8]) -> bool {
    let (mut p, mut n) = (0, 0);
    let mut star: Option<(usize, usize)> = None;
    while n < name.len() {
        match pattern.get(p) {
            Some(b'*') => {
                star = Some((p, n));
                p += 1;
            }
            Some(b'?') => {
                p += 1;
                n += 1;
                // One character, however many bytes it has.
                while name.get(n).is_some_and(|byte| byte & 0xC0 == 0x80) {
                    n += 1;
                }
            }
            Some(byte) if *byte == name[n] => {
                p += 1;
                n += 1;
            }
            _ => {
                let Some((at, from)) = star else { return false };
                star = Some((at, from + 1));
                p = at + 1;
                n = from + 1;
            }
        }
    }
    pattern[p..].iter().all(|byte| *byte == b'*')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_know_stars_and_question_marks() {
        for (pattern, name, expected) in [
            ("*", "", true),
            ("service*", "service.name", true),
            ("service*", "my.service", false),
            ("*.pod.*", "k8s.pod.name", true),
            ("k8s.?od.name", "k8s.pod.name", true),
            ("k?", "kö", true),
            ("a*b*c", "a.bb.c.bc", true),
            ("a*b*c", "a.bb.c.b", false),
            ("", "a", false),
            ("a[bc]", "ab", false),
        ] {
            assert_eq!(fits(pattern.as_bytes(), name.as_bytes()), expected, "{pattern} {name}");
        }
        let nothing: [&str; 0] = [];
        assert!(!Selection::new(&nothing, &nothing).takes("host.name"));
    }
}

//! Translates OpenTelemetry names to Prometheus, in the four translation strategies of the OpenTelemetry compatibility
//! specification. The reference is the Go module `prometheus/otlptranslator`.

use crate::model::scrape::FamilyKind;
use std::borrow::Cow;

/// How names are translated: `translation_strategy`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Translation {
    /// `UnderscoreEscapingWithSuffixes`: letters, digits, `_` and `:`; with unit and type suffixes.
    #[default]
    UnderscoreEscapingWithSuffixes,
    /// `UnderscoreEscapingWithoutSuffixes`: escaped likewise, without suffixes.
    UnderscoreEscapingWithoutSuffixes,
    /// `NoUTF8EscapingWithSuffixes`: any character; with unit and type suffixes.
    NoUtf8EscapingWithSuffixes,
    /// `NoTranslation`: names unchanged.
    NoTranslation,
}

impl Translation {
    /// Names of the strategies in the configuration.
    pub const WORDS: [(&'static str, Translation); 4] = [
        ("UnderscoreEscapingWithSuffixes", Translation::UnderscoreEscapingWithSuffixes),
        ("UnderscoreEscapingWithoutSuffixes", Translation::UnderscoreEscapingWithoutSuffixes),
        ("NoUTF8EscapingWithSuffixes", Translation::NoUtf8EscapingWithSuffixes),
        ("NoTranslation", Translation::NoTranslation),
    ];

    /// Returns true if names are reduced to letters, digits, underscores and colons.
    pub(super) const fn escapes(self) -> bool {
        matches!(self, Translation::UnderscoreEscapingWithSuffixes | Translation::UnderscoreEscapingWithoutSuffixes)
    }

    /// Returns the configured namespace as a valid name prefix.
    pub(in crate::exporters) fn namespace(self, text: &str) -> String {
        if self.escapes() { namespace(text) } else { text.to_owned() }
    }

    /// Returns the name of a family; `None` if nothing of it is left. `namespace` is the result of [`Translation::namespace`].
    pub(in crate::exporters) fn family(
        self,
        namespace: &str,
        name: &str,
        unit: &str,
        kind: FamilyKind,
    ) -> Option<FamilyName> {
        let full = match self {
            Translation::UnderscoreEscapingWithSuffixes => return family_name(namespace, name, unit, kind),
            Translation::UnderscoreEscapingWithoutSuffixes => escaped_name(namespace, name)?,
            Translation::NoUtf8EscapingWithSuffixes => with_suffixes(after(namespace, name), unit, kind),
            Translation::NoTranslation => after(namespace, name),
        };
        (!full.is_empty()).then(|| FamilyName::of(full, unit_of(unit, self.escapes()), kind))
    }

    /// Returns the name of a label; `None` if only underscores are left.
    pub(in crate::exporters) fn label(self, name: &str) -> Option<Cow<'_, str>> {
        if self.escapes() {
            return label_name(name).map(Cow::Owned);
        }
        name.contains(|c| c != '_').then_some(Cow::Borrowed(name))
    }
}

/// Units with a word of their own. Any other unit is used as it is, escaped.
const UNIT_WORDS: [(&str, &str); 25] = [
    ("d", "days"),
    ("h", "hours"),
    ("min", "minutes"),
    ("s", "seconds"),
    ("ms", "milliseconds"),
    ("us", "microseconds"),
    ("ns", "nanoseconds"),
    ("By", "bytes"),
    ("KiBy", "kibibytes"),
    ("MiBy", "mebibytes"),
    ("GiBy", "gibibytes"),
    ("TiBy", "tibibytes"),
    ("KBy", "kilobytes"),
    ("MBy", "megabytes"),
    ("GBy", "gigabytes"),
    ("TBy", "terabytes"),
    ("m", "meters"),
    ("V", "volts"),
    ("A", "amperes"),
    ("J", "joules"),
    ("W", "watts"),
    ("g", "grams"),
    ("Cel", "celsius"),
    ("Hz", "hertz"),
    ("%", "percent"),
];

/// Units after a slash, in singular form.
const PER_WORDS: [(&str, &str); 7] =
    [("s", "second"), ("m", "minute"), ("h", "hour"), ("d", "day"), ("w", "week"), ("mo", "month"), ("y", "year")];

/// A family's names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::exporters) struct FamilyName {
    /// With all suffixes, as printed for a single number.
    pub(in crate::exporters) full: String,
    /// Unit words, if the name ends in them (before `_total`): printed by `OpenMetrics` as `# UNIT`.
    pub(super) unit: Option<String>,
    /// Unit words, wherever they are in the name; empty if it has none.
    pub(in crate::exporters) words: String,
}

impl FamilyName {
    fn of(full: String, words: String, kind: FamilyKind) -> FamilyName {
        let before = base_name(&full, kind).strip_suffix(words.as_str());
        let is_last = !words.is_empty() && before.is_some_and(|before| before.ends_with('_'));
        FamilyName { unit: is_last.then(|| words.clone()), words, full }
    }
}

/// Returns the configured namespace as a valid name prefix.
pub(super) fn namespace(text: &str) -> String {
    tokens(text).collect::<Vec<_>>().join("_")
}

/// Returns the name of a family in the default strategy, [`Translation::UnderscoreEscapingWithSuffixes`]; `None` if nothing of
/// it is left.
pub(super) fn family_name(namespace: &str, name: &str, unit: &str, kind: FamilyKind) -> Option<FamilyName> {
    let mut tokens: Vec<Cow<'_, str>> = tokens(name).map(Cow::Borrowed).collect();
    add_unit(&mut tokens, unit);
    match kind {
        FamilyKind::Counter => move_last(&mut tokens, "total"),
        FamilyKind::Gauge if unit == "1" => move_last(&mut tokens, "ratio"),
        _ => {}
    }
    if !namespace.is_empty() {
        tokens.insert(0, Cow::Borrowed(namespace));
    }
    let full = not_a_digit_first(tokens.join("_"));
    full.contains(|c| c != '_').then(|| FamilyName::of(full, unit_of(unit, true), kind))
}

/// Returns the family's `OpenMetrics` name: only the samples of a counter have the `_total` suffix.
pub(super) fn base_name(full: &str, kind: FamilyKind) -> &str {
    if kind == FamilyKind::Counter { full.strip_suffix("_total").unwrap_or(full) } else { full }
}

/// Returns the name of a label; `None` if only underscores are left.
pub(super) fn label_name(name: &str) -> Option<String> {
    let reserved = name.len() >= 4 && name.starts_with("__") && name.ends_with("__");
    let inner = if reserved { &name[2..name.len() - 2] } else { name };
    let mut out = escaped(inner, |c| c.is_ascii_alphanumeric());
    if reserved {
        out = format!("__{out}__");
    }
    if out.starts_with(|c: char| c.is_ascii_digit()) {
        out.insert_str(0, "key_");
    }
    out.contains(|c| c != '_').then_some(out)
}

/// Returns a name in [`Translation::UnderscoreEscapingWithoutSuffixes`]: runs of underscores are kept.
fn escaped_name(namespace: &str, name: &str) -> Option<String> {
    let kept = |c: char| is_name_char(c) || c == '_';
    let parts: Vec<&str> = name.split(|c| !kept(c)).filter(|part| !part.is_empty()).collect();
    let own = parts.join("_");
    let full = if namespace.is_empty() { own } else { format!("{namespace}_{own}") };
    let full = not_a_digit_first(full);
    (full == name || full.contains(|c| c != '_')).then_some(full)
}

fn after(namespace: &str, name: &str) -> String {
    if namespace.is_empty() { name.to_owned() } else { format!("{namespace}_{name}") }
}

/// Returns a name in [`Translation::NoUtf8EscapingWithSuffixes`]: an existing suffix is moved to its place.
fn with_suffixes(mut name: String, unit: &str, kind: FamilyKind) -> String {
    let last = match kind {
        FamilyKind::Counter => "total",
        FamilyKind::Gauge if unit == "1" => "ratio",
        _ => "",
    };
    let (main, per) = unit_words(unit);
    let per = if per.is_empty() { String::new() } else { format!("per_{per}") };
    for suffix in [last, per.as_str()] {
        cut(&mut name, suffix);
    }
    if !name.ends_with(main) {
        name.push('_');
        name.push_str(main);
    }
    for suffix in [per.as_str(), last] {
        if !suffix.is_empty() {
            name.push('_');
            name.push_str(suffix);
        }
    }
    name
}

/// Removes a suffix and the character before it, unless nothing else would be left.
fn cut(name: &mut String, suffix: &str) {
    if suffix.is_empty() || !name.ends_with(suffix) {
        return;
    }
    let rest = name.len() - suffix.len();
    if let Some(sign) = name[..rest].chars().next_back().filter(|sign| sign.len_utf8() < rest) {
        name.truncate(rest - sign.len_utf8());
    }
}

/// A name must not begin with a digit.
fn not_a_digit_first(mut name: String) -> String {
    if name.starts_with(|c: char| c.is_ascii_digit()) {
        name.insert(0, '_');
    }
    name
}

/// Adds the words of a unit that the name does not contain yet.
fn add_unit(tokens: &mut Vec<Cow<'_, str>>, unit: &str) {
    let (main, per) = unit_words(unit);
    let has = |tokens: &[Cow<'_, str>], word: &str| tokens.iter().any(|token| token == word);
    let mut main = clean(main);
    if has(tokens, &main) {
        main.clear();
    }
    let mut per = if per.is_empty() { String::new() } else { clean(&format!("per_{per}")) };
    per.truncate(per.trim_end_matches('_').len());
    if per == "per" || has(tokens, &per) {
        per.clear();
    }
    if !per.is_empty() {
        main.truncate(main.trim_end_matches('_').len());
    }
    tokens.extend([main, per].into_iter().filter(|word| !word.is_empty()).map(Cow::Owned));
}

/// Returns all words of a unit, `meters_per_second`; empty if it has none.
fn unit_of(unit: &str, is_escaped: bool) -> String {
    let (main, per) = unit_words(unit);
    let per = if per.is_empty() { String::new() } else { format!("per_{per}") };
    let words = [Cow::Borrowed(main), Cow::Owned(per)];
    let words = words.map(|word| if is_escaped { Cow::Owned(clean(&word)) } else { word });
    let words: Vec<&str> = words.iter().filter(|word| !word.is_empty()).map(AsRef::as_ref).collect();
    let words = words.join("_");
    let words = words.strip_prefix('_').unwrap_or(&words);
    words.strip_suffix('_').unwrap_or(words).to_owned()
}

/// Returns the words of a unit and of the part after its slash; either may be empty.
fn unit_words(unit: &str) -> (&str, &str) {
    let (main, per) = unit.split_once('/').unwrap_or((unit, ""));
    let main = match main.trim() {
        "1" => "",
        word => unit_word(word, &UNIT_WORDS),
    };
    (main, unit_word(per.trim(), &PER_WORDS))
}

fn unit_word<'a>(unit: &'a str, words: &[(&str, &'static str)]) -> &'a str {
    if unit.contains(['{', '}']) {
        return "";
    }
    words.iter().find(|(code, _)| *code == unit).map_or(unit, |(_, word)| word)
}

/// Cleans a word of a unit for use in an escaped name.
fn clean(word: &str) -> String {
    let mut word = escaped(word, is_name_char);
    if word.starts_with('_') {
        word.remove(0);
    }
    word
}

fn tokens(name: &str) -> impl Iterator<Item = &str> {
    name.split(|c| !is_name_char(c)).filter(|token| !token.is_empty())
}

const fn is_name_char(c: char) -> bool {
    c.is_ascii_alphanumeric() || c == ':'
}

/// Replaces every run of other characters with one underscore.
fn escaped(text: &str, is_good: impl Fn(char) -> bool) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        if is_good(c) {
            out.push(c);
        } else if !out.ends_with('_') {
            out.push('_');
        }
    }
    out
}

fn move_last(tokens: &mut Vec<Cow<'_, str>>, word: &'static str) {
    tokens.retain(|token| token != word);
    tokens.push(Cow::Borrowed(word));
}

#[cfg(test)]
mod tests;

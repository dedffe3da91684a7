//! Answers of a target as they may be logged: error pages like to repeat the path, which holds the secret.

use super::settings::ChannelSettings;
use reqwest::Url;

/// What is shorter is no secret, and masking it would garble the text.
const PART_BYTES_MIN: usize = 4;
/// How much of an answer is shown.
const SHOWN_CHARS_MAX: usize = 300;

/// What must not be shown.
pub(super) struct Mask(Vec<String>);

impl Mask {
    pub(super) fn new(settings: &ChannelSettings, url: &Url) -> Mask {
        let mut parts: Vec<&str> =
            vec![settings.url.reveal(), url.as_str(), url.path().trim_matches('/'), url.username()];
        parts.extend(url.path().split('/'));
        parts.extend(url.query().into_iter().flat_map(|query| query.split(['&', '='])));
        parts.extend(url.password());
        for (_, value) in &settings.headers {
            parts.push(value.reveal());
            parts.extend(value.reveal().split_whitespace());
        }
        let long = |part: &&str| part.len() >= PART_BYTES_MIN;
        let mut parts: Vec<String> = parts.into_iter().filter(long).map(str::to_owned).collect();
        // The longest first, so that no rest of one is left.
        parts.sort_by_key(|part| std::cmp::Reverse(part.len()));
        Mask(parts)
    }

    /// One line without secrets.
    pub(super) fn over(&self, text: &str) -> String {
        let masked = self.0.iter().fold(text.to_owned(), |text, part| text.replace(part, "[masked]"));
        let line = masked.split_whitespace().collect::<Vec<_>>().join(" ");
        line.chars().take(SHOWN_CHARS_MAX).collect()
    }
}

//! Masks secrets in a target's responses before they are logged: error pages often repeat the path, which contains the secret.

use super::settings::ChannelSettings;
use reqwest::Url;

/// Shorter parts are no secrets, and masking them would garble the text.
const PART_BYTES_MIN: usize = 4;
/// Maximum characters of a response that are shown.
const SHOWN_CHARS_MAX: usize = 300;

/// Texts to mask.
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
        // Longest first, so that no remainder of a longer one is left.
        parts.sort_by_key(|part| std::cmp::Reverse(part.len()));
        Mask(parts)
    }

    /// Returns the text on one line, with secrets masked.
    pub(super) fn over(&self, text: &str) -> String {
        let masked = self.0.iter().fold(text.to_owned(), |text, part| text.replace(part, "[masked]"));
        let line = masked.split_whitespace().collect::<Vec<_>>().join(" ");
        line.chars().take(SHOWN_CHARS_MAX).collect()
    }
}

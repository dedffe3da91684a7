//! Payment card numbers.

/// Returns true if a text looks like a card number: 12 to 16 digits, with spaces and dashes between them, and an issuer's
/// prefix.
pub(super) fn is_card(text: &str) -> bool {
    let mut digits: Vec<u32> = Vec::with_capacity(16);
    for letter in text.chars() {
        match (letter, letter.to_digit(10)) {
            (' ' | '-', _) => {}
            (_, Some(digit)) if digits.len() < 16 => digits.push(digit),
            _ => return false,
        }
    }
    digits.len() >= 12 && issued(&digits)
}

/// Returns true if the digits have an issuer's prefix.
fn issued(digits: &[u32]) -> bool {
    let beginning = |length: usize| digits[..length].iter().fold(0, |number, digit| number * 10 + digit);
    matches!(beginning(1), 1 | 4)
        || matches!(beginning(2), 34..=39 | 51..=55 | 62 | 65)
        || matches!(beginning(3), 300..=305 | 309 | 636 | 644..=649)
        || matches!(beginning(4), 3528..=3589 | 5019 | 6011)
        || matches!(beginning(6), 222_100..=272_099 | 500_000..=509_999 | 560_000..=589_999 | 600_000..=699_999)
}

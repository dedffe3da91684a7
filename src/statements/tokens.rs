//! Tokens of a statement: preparation for the parser, and folding of what it cannot parse.

use datafusion::sql::sqlparser::dialect::Dialect;
use datafusion::sql::sqlparser::tokenizer::{Token, Tokenizer, Whitespace};

/// Returns the tokens and whether they are the whole statement: an unclosed quote ends them.
pub(super) fn read(dialect: &dyn Dialect, query: &str) -> (Vec<Token>, bool) {
    let mut located = Vec::new();
    let read = Tokenizer::new(dialect, query).tokenize_with_location_into_buf(&mut located);
    let without_comments = |token| match token {
        Token::Whitespace(_) => Token::Whitespace(Whitespace::Space),
        token => token,
    };
    (located.into_iter().map(|located| without_comments(located.token)).collect(), read.is_ok())
}

pub(super) fn is_space(token: &Token) -> bool {
    matches!(token, Token::Whitespace(_) | Token::EOF)
}

fn is_word(token: &Token, words: &[&str]) -> bool {
    matches!(token, Token::Word(word) if word.quote_style.is_none()
        && words.iter().any(|known| word.value.eq_ignore_ascii_case(known)))
}

/// Returns the first token from `at` on that is no space.
pub(super) fn next(tokens: &[Token], at: usize) -> Option<usize> {
    let skipped = tokens.get(at..)?.iter().position(|token| !is_space(token))?;
    Some(at + skipped)
}

/// Replaces `TOP 10` by `TOP (10)`, because the parser keeps the number of the former.
pub(super) fn spell_out_top(tokens: &mut Vec<Token>) {
    let mut at = 0;
    while at < tokens.len() {
        if is_word(&tokens[at], &["TOP"])
            && let Some(number) = next(tokens, at + 1).filter(|number| matches!(tokens[*number], Token::Number(..)))
        {
            tokens.insert(number + 1, Token::RParen);
            tokens.insert(number, Token::LParen);
        }
        at += 1;
    }
}

/// Treats `"x"` as a string if it is the operand of a comparison or in a list of values.
pub(super) fn mask_doubtful_quotes(tokens: &mut [Token]) {
    const BEFORE_VALUES: [&str; 9] = ["LIKE", "ILIKE", "GLOB", "MATCH", "REGEXP", "BETWEEN", "THEN", "ELSE", "ESCAPE"];
    let mut lists: Vec<bool> = Vec::new();
    let (mut before, mut closed_row, mut between) = (Token::EOF, false, false);
    for at in 0..tokens.len() {
        if is_space(&tokens[at]) {
            continue;
        }
        let in_list = lists.last().copied().unwrap_or(false) && matches!(before, Token::LParen | Token::Comma);
        let compared = matches!(
            before,
            Token::Eq | Token::DoubleEq | Token::Neq | Token::Lt | Token::Gt | Token::LtEq | Token::GtEq
        );
        let is_bound = between && is_word(&before, &["AND"]);
        let named = next(tokens, at + 1).is_some_and(|next| matches!(tokens[next], Token::Period | Token::LParen));
        let doubtful = matches!(&tokens[at], Token::Word(word) if word.quote_style == Some('"'));
        match &tokens[at] {
            Token::LParen => {
                let row = closed_row && before == Token::Comma;
                lists.push(row || in_list || is_word(&before, &["IN", "VALUES"]));
            }
            Token::RParen => closed_row = lists.pop().unwrap_or(false),
            Token::Comma => {}
            _ => closed_row = false,
        }
        between = is_word(&tokens[at], &["BETWEEN"]) || (between && !is_bound);
        if doubtful && !named && (in_list || compared || is_bound || is_word(&before, &BEFORE_VALUES)) {
            tokens[at] = Token::SingleQuotedString(String::new());
        }
        before = tokens[at].clone();
    }
}

/// Keeps one row of `VALUES` and one item of an `IN` of literals, so that a long insert costs no more than a short one.
/// Returns whether the result is whole: truncated rows do not matter.
pub(super) fn shorten(tokens: &[Token], whole: bool) -> (Vec<Token>, bool) {
    let mut whole = whole;
    let mut out = Vec::with_capacity(tokens.len().min(4096));
    let mut at = 0;
    while at < tokens.len() {
        let opens = next(tokens, at + 1).filter(|opens| tokens[*opens] == Token::LParen);
        let skipped = match opens {
            Some(opens) if is_word(&tokens[at], &["VALUES"]) => rows(tokens, opens),
            Some(opens) if is_word(&tokens[at], &["IN"]) => items(tokens, opens),
            _ => None,
        };
        let (kept, goes_on) = skipped.unwrap_or((at + 1, at + 1));
        whole |= kept < goes_on && goes_on == tokens.len();
        out.extend_from_slice(&tokens[at..kept]);
        at = goes_on;
    }
    (out, whole)
}

/// Returns the end of the first row and of the last row.
fn rows(tokens: &[Token], opens: usize) -> Option<(usize, usize)> {
    let first = closing(tokens, opens)? + 1;
    let mut last = first;
    while let Some(comma) = next(tokens, last).filter(|comma| tokens[*comma] == Token::Comma)
        && let Some(opens) = next(tokens, comma + 1).filter(|opens| tokens[*opens] == Token::LParen)
    {
        // A row that is truncated is only another row.
        last = closing(tokens, opens).map_or(tokens.len(), |closes| closes + 1);
    }
    Some((first, last))
}

/// Returns the end of the first item and of the list.
fn items(tokens: &[Token], opens: usize) -> Option<(usize, usize)> {
    let closes = opens + 1 + tokens[opens + 1..].iter().position(|token| *token == Token::RParen)?;
    let inner = &tokens[opens + 1..closes];
    let first = opens + 1 + inner.iter().position(|token| *token == Token::Comma)?;
    let is_plain = |token: &Token| is_space(token) || *token == Token::Comma || is_literal(token);
    inner.iter().all(is_plain).then_some((first, closes))
}

fn closing(tokens: &[Token], opens: usize) -> Option<usize> {
    let mut depth = 0_usize;
    for (at, token) in tokens.iter().enumerate().skip(opens) {
        match token {
            Token::LParen => depth += 1,
            Token::RParen if depth == 1 => return Some(at),
            Token::RParen => depth -= 1,
            _ => {}
        }
    }
    None
}

pub(super) fn is_literal(token: &Token) -> bool {
    matches!(token, Token::Number(..) | Token::Placeholder(_)) || is_text(token)
}

/// Returns whether a token is a quoted string of any kind, judged by how it is printed.
fn is_text(token: &Token) -> bool {
    if matches!(token, Token::Word(_)) {
        return false;
    }
    let text = token.to_string();
    text.len() > 1 && (text.contains('\'') || text.starts_with('"') || text.starts_with('$'))
}

/// Keywords before a name that a session invented.
const SESSION: [&str; 7] = ["SAVEPOINT", "RELEASE", "DECLARE", "FETCH", "CLOSE", "DEALLOCATE", "PREPARE"];

/// Joins words, numbers and signs by spaces; literals become `?`, and runs of literals and equal groups in a row appear once.
pub(super) fn folded(tokens: &[Token], whole: bool) -> String {
    let mut words: Vec<String> = Vec::new();
    let mut open: Vec<usize> = Vec::new();
    let (mut before, mut glued) = (Token::EOF, false);
    for token in tokens {
        if is_space(token) {
            glued = false;
            continue;
        }
        // The unit of `5m`, or the rest of a word that only begins like a number.
        let is_tail = glued && matches!((&before, token), (Token::Number(..), Token::Word(_)));
        if !is_tail && let Some(word) = word(token, &before, &words) {
            push(&mut words, &mut open, word);
        }
        before = token.clone();
        glued = true;
    }
    if !whole && words.last().is_none_or(|word| word != "?") {
        words.push("?".to_owned());
    }
    words.join(" ")
}

/// Returns the text of a token; `None` if it is omitted.
fn word(token: &Token, before: &Token, words: &[String]) -> Option<String> {
    let literal = Some("?".to_owned());
    let is_item = matches!(before, Token::LParen | Token::Comma);
    match token {
        Token::Word(word) => {
            let is_name =
                words.last().is_some_and(|before| SESSION.iter().any(|name| before.eq_ignore_ascii_case(name)));
            let is_constant = (is_item && is_word(token, &["NULL", "TRUE", "FALSE"]))
                || (*before == Token::Eq && is_word(token, &["TRUE", "FALSE"]));
            if is_constant || (is_name && !is_word(token, &SESSION)) { literal } else { Some(word.to_string()) }
        }
        Token::Comma if words.last().is_some_and(|word| word == "?") => None,
        // The sign of a number.
        Token::Minus | Token::Plus if is_item || matches!(before, Token::Eq | Token::Lt | Token::Gt | Token::Colon) => {
            None
        }
        token if is_literal(token) => literal,
        token => Some(token.to_string()),
    }
}

fn push(words: &mut Vec<String>, open: &mut Vec<usize>, word: String) {
    if word == "?" && words.last().is_some_and(|before| before == "?") {
        return;
    }
    let (opens, closes) = (matches!(&*word, "(" | "[" | "{"), matches!(&*word, ")" | "]" | "}"));
    if opens {
        open.push(words.len());
    }
    words.push(word);
    if closes && let Some(start) = open.pop() {
        let length = words.len() - start;
        let first = start.checked_sub(length + 1);
        if let Some(first) = first.filter(|_| words[start - 1] == ",")
            && words[first..first + length] == words[start..]
        {
            words.truncate(start - 1);
        }
    }
}

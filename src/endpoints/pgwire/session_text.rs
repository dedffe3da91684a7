//! Parses texts that contain only session statements: `BEGIN`, `COMMIT`, `SET`, `SHOW`, `FETCH`, … They need no query worker,
//! so that a client can end its transaction, or read from its cursor, while all workers are busy.
//!
//! All other texts are parsed in a worker, because a long or nested text can take the parser arbitrary time. For the same
//! reason only short statements of few words are parsed here.

use super::cursors;
use super::session_command::Said;
use super::syntax;
use datafusion::sql::sqlparser::ast::Statement;

/// Maximum length of a text in bytes.
const TEXT_BYTES_MAX: usize = 1024;
/// Maximum number of words of a statement, which limits the parser's work.
const WORDS_MAX: usize = 16;
/// First words of such statements.
const FIRST_WORDS: [&str; 17] = [
    "ABORT",
    "BEGIN",
    "CLOSE",
    "COMMIT",
    "DEALLOCATE",
    "DISCARD",
    "END",
    "FETCH",
    "MOVE",
    "RELEASE",
    "RESET",
    "ROLLBACK",
    "SAVEPOINT",
    "SET",
    "SHOW",
    "START",
    "UNLISTEN",
];

/// Parses the statements of a text; `None` if a worker has to parse it.
pub(super) fn read(sql: &str) -> Option<Vec<Said>> {
    if sql.len() > TEXT_BYTES_MAX {
        return None;
    }
    let is_short = |words: &[String]| {
        let first = words.first().map(|word| word.to_ascii_uppercase());
        words.len() <= WORDS_MAX && first.is_some_and(|first| FIRST_WORDS.contains(&first.as_str()))
    };
    let statements = syntax::parse_if(sql, is_short).ok()??;
    statements.iter().map(said).collect()
}

fn said(statement: &Statement) -> Option<Said> {
    match statement {
        Statement::Fetch { .. } => cursors::read(statement).ok().map(Said::from),
        other => Said::of(other),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn statements_of_the_session_are_read_without_a_worker() {
        assert_eq!(read(" begin ;"), Some(vec![Said::Begin]));
        let set = Said::Set("timezone".to_owned(), Some("Europe/Berlin".to_owned()));
        assert_eq!(read("SET timezone = 'Europe/Berlin'; COMMIT"), Some(vec![set, Said::Commit]));
        assert_eq!(read("ROLLBACK TO SAVEPOINT \"A\""), Some(vec![Said::RollbackTo("A".to_owned())]));
        assert!(matches!(read("FETCH FORWARD 10 FROM c").as_deref(), Some([Said::Fetch(_)])));
        assert_eq!(read("-- nothing\n ;"), Some(Vec::new()));
    }

    #[test]
    fn all_else_is_read_by_a_worker() {
        for sql in ["SELECT 1", "BEGIN; SELECT 1", "SHOW TABLES", "SET x =", "EXPLAIN SELECT 1", "COPY t TO STDOUT"] {
            assert_eq!(read(sql), None, "{sql}");
        }
        // Each CASE doubles the work of the parser.
        assert_eq!(read(&format!("SET x = {}1", "CASE WHEN 1 THEN ".repeat(20))), None);
        assert_eq!(read(&format!("SET x = {}1{}", "(".repeat(20), ")".repeat(20))), None);
        assert_eq!(read(&format!("SET x = '{}'", "y".repeat(TEXT_BYTES_MAX))), None);
    }
}

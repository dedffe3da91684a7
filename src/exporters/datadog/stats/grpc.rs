//! gRPC status codes in all spellings.

/// Names and their numbers, including alternative spellings.
const CODES: [(&str, u8); 27] = [
    ("OK", 0),
    ("CANCELLED", 1),
    ("CANCELED", 1),
    ("UNKNOWN", 2),
    ("INVALID_ARGUMENT", 3),
    ("INVALIDARGUMENT", 3),
    ("DEADLINE_EXCEEDED", 4),
    ("DEADLINEEXCEEDED", 4),
    ("NOT_FOUND", 5),
    ("NOTFOUND", 5),
    ("ALREADY_EXISTS", 6),
    ("ALREADYEXISTS", 6),
    ("PERMISSION_DENIED", 7),
    ("PERMISSIONDENIED", 7),
    ("RESOURCE_EXHAUSTED", 8),
    ("RESOURCEEXHAUSTED", 8),
    ("FAILED_PRECONDITION", 9),
    ("FAILEDPRECONDITION", 9),
    ("ABORTED", 10),
    ("OUT_OF_RANGE", 11),
    ("OUTOFRANGE", 11),
    ("UNIMPLEMENTED", 12),
    ("INTERNAL", 13),
    ("UNAVAILABLE", 14),
    ("DATA_LOSS", 15),
    ("DATALOSS", 15),
    ("UNAUTHENTICATED", 16),
];

/// Returns a status code as its number; empty if it is invalid.
pub(super) fn code(text: &str) -> String {
    if !text.is_empty()
        && text.bytes().all(|byte| byte.is_ascii_digit())
        && let Ok(number) = text.parse::<u32>()
    {
        return number.to_string();
    }
    let name = text.strip_prefix("StatusCode.").unwrap_or(text).to_uppercase();
    let found = CODES.iter().find(|(known, _)| *known == name);
    found.map(|(_, number)| number.to_string()).unwrap_or_default()
}

//! Converts UCUM units, as used in OTLP, to Datadog's names.

/// Annotations (`{request}`) that are Datadog units.
const ANNOTATIONS: [&str; 116] = [
    "alert",
    "apdex",
    "assertion",
    "attempt",
    "block",
    "buffer",
    "build",
    "cent",
    "check",
    "collection",
    "column",
    "command",
    "commit",
    "connection",
    "container",
    "core",
    "cpu",
    "cursor",
    "datagram",
    "day",
    "decibel-milliwatt",
    "device",
    "document",
    "dollar",
    "email",
    "entity",
    "entry",
    "error",
    "euro",
    "event",
    "eviction",
    "exception",
    "execution",
    "fault",
    "fetch",
    "file",
    "flush",
    "fraction",
    "frame",
    "get",
    "heap",
    "hit",
    "hop",
    "host",
    "index",
    "inode",
    "instance",
    "invocation",
    "item",
    "job",
    "key",
    "location",
    "lock",
    "merge",
    "message",
    "method",
    "minute",
    "miss",
    "monitor",
    "node",
    "object",
    "occurrence",
    "offset",
    "operation",
    "packet",
    "page",
    "payload",
    "penny",
    "permille",
    "pound",
    "prediction",
    "process",
    "query",
    "question",
    "read",
    "record",
    "refresh",
    "request",
    "resource",
    "response",
    "route",
    "row",
    "run",
    "sample",
    "scan",
    "sector",
    "segment",
    "service",
    "session",
    "set",
    "shard",
    "span",
    "split",
    "stage",
    "step",
    "success",
    "table",
    "task",
    "thread",
    "throttle",
    "ticket",
    "time",
    "timeout",
    "token",
    "transaction",
    "unit",
    "update",
    "user",
    "vector",
    "view",
    "volume",
    "wait",
    "watt-hour",
    "week",
    "worker",
    "write",
];

const DECIMAL: &[&str] = &["k", "M", "G", "T", "P", "E"];
const BINARY: &[&str] = &["Ki", "Mi", "Gi", "Ti", "Pi", "Ei", "k", "M", "G", "T", "P", "E"];

/// Units, their names, and the prefixes that Datadog supports for them.
const BASES: [(&str, &str, &[&str]); 11] = [
    ("By", "byte", BINARY),
    ("bit", "bit", DECIMAL),
    ("s", "second", &["m", "u", "n"]),
    ("h", "hour", &[]),
    ("Hz", "hertz", &["k", "M", "G"]),
    ("W", "watt", &["d", "m", "u", "n", "k", "M", "G", "T"]),
    ("V", "volt", &["m"]),
    ("J", "joule", &["n", "m", "k", "M"]),
    ("A", "ampere", &["m"]),
    ("Cel", "degree celsius", &["d"]),
    ("%", "percent", &[]),
];

/// Names of prefixes; longer ones first, so that `Mi` is not read as `M`.
const PREFIXES: [(&str, &str); 16] = [
    ("Ki", "kibi"),
    ("Mi", "mebi"),
    ("Gi", "gibi"),
    ("Ti", "tebi"),
    ("Pi", "pebi"),
    ("Ei", "exbi"),
    ("d", "deci"),
    ("m", "milli"),
    ("u", "micro"),
    ("n", "nano"),
    ("k", "kilo"),
    ("M", "mega"),
    ("G", "giga"),
    ("T", "tera"),
    ("P", "peta"),
    ("E", "exa"),
];

/// Returns Datadog's name of a unit; `None` if it has none.
pub(super) fn unit(ucum: &str) -> Option<String> {
    if ucum.is_empty() || ucum == "1" {
        return None;
    }
    match ucum.split('/').collect::<Vec<_>>().as_slice() {
        [whole] => part(whole),
        [above, below] => Some(format!("{}/{}", part(above)?, part(below)?)),
        _ => None,
    }
}

fn part(part: &str) -> Option<String> {
    if let Some(annotation) = part.strip_prefix('{').and_then(|rest| rest.strip_suffix('}')) {
        return match annotation {
            "datapoint" => Some("item".to_owned()),
            known if ANNOTATIONS.contains(&known) => Some(known.to_owned()),
            _ => None,
        };
    }
    let base = |symbol: &str| BASES.iter().find(|(known, ..)| *known == symbol);
    if let Some((_, name, _)) = base(part) {
        return Some((*name).to_owned());
    }
    PREFIXES.iter().find_map(|(symbol, prefix)| {
        let (_, name, prefixes) = base(part.strip_prefix(symbol)?)?;
        prefixes.contains(symbol).then(|| format!("{prefix}{name}"))
    })
}

//! `connectors.performance.budgets`: the user's service level targets.

use super::alerting::check_order;
use crate::catalog::values::Values as _;
use crate::catalog::yaml::{Entry, MapReader, Node, Value};
use crate::model::budget::{Budget, BudgetKind, CRITICAL_MULTIPLE, critical_limit};
use crate::model::pipeline::Direction;
use crate::model::units::{DURATION, SHARE, SIZE, duration_ms, share_percent, size_bytes};
use globset::GlobBuilder;

/// The three names of `api` with a default pattern.
pub const API_PATTERNS: [(&str, &str); 3] = [
    ("search", "GET *[sS][eE][aA][rR][cC][hH]*"),
    // Routes that end in an id, in the notations of frameworks: /products/{id}, /products/:id, /products/<int:id>,
    // /products/[id], /products/$id, with or without a trailing slash.
    ("detail", "GET {*/[{]*[}],*/[{]*[}]/,*/:*,*/<*>,*/<*>/,*/[[]*[]],*/[[]*[]]/,*/$*}"),
    ("mutation", "{POST,PUT,PATCH,DELETE} *"),
];

const API_PERCENTILE: f64 = 95.0;
const PAGE_PERCENTILE: f64 = 75.0;
const EVERYTHING: &str = "*";
/// Expected form of `criticalMultiple`, for messages.
const MULTIPLE: &str = "a number of times the limit, at least 1, such as 2";
/// Limit on the length of a pattern: longer ones are not written by hand, and cost time for each operation.
const PATTERN_BYTES_MAX: usize = 1000;

/// Reads the budgets of a file; `is_default` is true for the embedded file.
pub(super) fn read(map: MapReader<'_>, is_default: bool) -> Vec<Budget> {
    let mut budgets = Vec::new();
    let multiple = map.parsed("criticalMultiple", MULTIPLE, |text| {
        text.strip_suffix('x')
            .unwrap_or(text)
            .trim()
            .parse()
            .ok()
            .filter(|multiple: &f64| *multiple >= 1.0 && multiple.is_finite())
    });
    if let Some(map) = map.map("pageLoad") {
        for name in ["firstContentfulPaint", "timeToInteractive", "fullyLoaded"] {
            let limit = above_zero(&map, name, DURATION, duration_ms);
            budgets.extend(limit.map(|limit| Budget {
                percentile: Some(PAGE_PERCENTILE),
                ..of_everything(BudgetKind::PageLoad, name, limit, "ms")
            }));
        }
        map.finish();
    }
    if let Some(map) = map.map("api") {
        budgets.extend(map.entries().iter().filter_map(|entry| api(&map, entry)));
    }
    if let Some(map) = map.map("bundle") {
        for name in ["javascript", "css", "images"] {
            let limit = above_zero(&map, name, SIZE, size_bytes);
            budgets.extend(limit.map(|limit| of_everything(BudgetKind::Bundle, name, limit, "By")));
        }
        map.finish();
    }
    if let Some(map) = map.map("metrics") {
        metrics(&map, &mut budgets);
        map.finish();
    }
    map.finish();
    for budget in &mut budgets {
        budget.is_default = is_default;
        if budget.critical.is_nan() {
            let multiple = multiple.unwrap_or(CRITICAL_MULTIPLE);
            budget.critical = critical_limit(budget.limit, multiple, &budget.unit, budget.below);
        }
    }
    budgets
}

/// Reads a share in percent. A bare number of 1 or more is ambiguous.
fn share(map: &MapReader<'_>, key: &str) -> Option<f64> {
    let bare = map.get(key).and_then(Node::scalar).and_then(|text| text.trim().parse::<f64>().ok());
    if let Some(number) = bare.filter(|number| *number >= 1.0 && number.is_finite()) {
        // Rounds off floating-point noise of the product.
        let share = (number * 1e8).round() / 1e6;
        let write = if number > 1.0 { format!("write {number}%") } else { "write one of them".to_owned() };
        map.fault(key, format!("expected {SHARE}, found {number}, which could be {share}% or {number}%; {write}"));
        return None;
    }
    map.parsed(key, SHARE, share_percent)
}

fn metrics(map: &MapReader<'_>, budgets: &mut Vec<Budget>) {
    let kind = BudgetKind::Metrics;
    if let Some(percent) = share(map, "errorRate") {
        budgets.push(of_everything(kind, "errorRate", percent, "%"));
    }
    if let Some(percent) = share(map, "availability") {
        budgets.push(Budget { below: true, ..of_everything(kind, "availability", percent, "%") });
    }
    let apdex = |text: &str| text.parse().ok().filter(|apdex| (0.0..=1.0).contains(apdex));
    if let Some(apdex) = map.parsed("apdex", "a number from 0 to 1, such as 0.9", apdex) {
        budgets.push(Budget { below: true, ..of_everything(kind, "apdex", apdex, "1") });
    }
}

/// Reads an entry of `api`: a duration, or a map with pattern and limit.
fn api(map: &MapReader<'_>, entry: &Entry) -> Option<Budget> {
    let name = entry.key.as_str();
    let own_pattern = API_PATTERNS.iter().find(|(known, _)| *known == name).map(|(_, pattern)| *pattern);
    let budget = |limit, pattern: String| Budget {
        percentile: Some(API_PERCENTILE),
        operation_match: pattern,
        ..of_everything(BudgetKind::Api, name, limit, "ms")
    };
    if entry.node.value == Value::Faulty {
        return None;
    }
    if name.trim().is_empty() {
        map.fault(name, "expected the budget's name, which findings show, found empty text");
        return None;
    }
    if !matches!(entry.node.value, Value::Map(_)) {
        let Some(pattern) = own_pattern else {
            let known = API_PATTERNS.map(|(name, _)| name);
            let hint = crate::model::fault::hint(name, known);
            let message = format!(
                "expected {{match: \"GET /products/*\", limit: 200ms}}, found {}: only {} have their own pattern{hint}",
                entry.node.describe(),
                known.join(", ")
            );
            map.fault(name, message);
            return None;
        };
        if !map.given(name) {
            map.fault(name, format!("expected {DURATION}, found nothing"));
        }
        return Some(budget(above_zero(map, name, DURATION, duration_ms)?, pattern.to_owned()));
    }
    let entry = map.map(name)?;
    let pattern = glob(&entry, "match");
    let service = glob(&entry, "service");
    let percentile = entry.float("p");
    if let Some(percentile) = percentile.filter(|percentile| !(0.0..100.0).contains(percentile) || *percentile == 0.0) {
        entry.fault("p", format!("expected a percentile between 0 and 100, such as 95, found {percentile}"));
    }
    let limit = if entry.need("limit") { above_zero(&entry, "limit", DURATION, duration_ms) } else { None };
    let critical = above_zero(&entry, "critical", DURATION, duration_ms);
    check_order(&entry, limit, critical, Direction::Above);
    let neither = own_pattern.is_none() && !entry.has("match") && !entry.has("service");
    if neither && !entry.has_unknown() {
        entry.fault("match", "expected match, service or both, found neither");
    }
    entry.finish();
    let mut budget =
        budget(limit?, pattern.or(own_pattern.map(str::to_owned)).unwrap_or_else(|| EVERYTHING.to_owned()));
    budget.service_match = service.unwrap_or_else(|| EVERYTHING.to_owned());
    budget.percentile = percentile.or(budget.percentile);
    budget.critical = critical.unwrap_or(budget.critical);
    Some(budget)
}

fn of_everything(kind: BudgetKind, name: &str, limit: f64, unit: &str) -> Budget {
    Budget {
        kind,
        name: name.to_owned(),
        operation_match: EVERYTHING.to_owned(),
        service_match: EVERYTHING.to_owned(),
        percentile: None,
        limit,
        // Computed from the multiple once the whole map is read.
        critical: f64::NAN,
        is_default: false,
        unit: unit.to_owned(),
        below: false,
    }
}

fn above_zero(map: &MapReader<'_>, key: &str, expected: &str, parse: fn(&str) -> Option<f64>) -> Option<f64> {
    map.parsed(key, &format!("{expected}, greater than zero"), |text| {
        parse(text).filter(|limit| limit.is_finite() && *limit > 0.0)
    })
}

fn glob(map: &MapReader<'_>, key: &str) -> Option<String> {
    let text = map.text(key)?;
    if text.len() > PATTERN_BYTES_MAX {
        map.fault(key, format!("expected a pattern of at most {PATTERN_BYTES_MAX} bytes, found {}", text.len()));
        return None;
    }
    let pattern = with_placeholders(&text);
    // Built as in the SQL function: a pattern that it rejects would fail every budget.
    match GlobBuilder::new(&pattern).build() {
        Ok(_) if !text.is_empty() => Some(pattern),
        Ok(_) => {
            map.fault(key, "expected a pattern such as \"GET /products/*\", found empty text");
            None
        }
        Err(error) => {
            map.fault(key, format!("expected a pattern such as \"GET /products/*\", found {text:?}: {}", error.kind()));
            None
        }
    }
}

/// Escapes every `{name}` without a comma in a pattern: it is the placeholder of a route (`GET /products/{id}`), while
/// `{a,b}` means a or b.
fn with_placeholders(text: &str) -> String {
    let Some(open) = text.find('{') else { return text.to_owned() };
    let (before, inner) = (&text[..open], &text[open + 1..]);
    let mut depth = 0;
    let mut alternatives = false;
    for (at, letter) in inner.char_indices() {
        match letter {
            '{' => depth += 1,
            '}' if depth > 0 => depth -= 1,
            '}' => {
                let (within, behind) = (with_placeholders(&inner[..at]), with_placeholders(&inner[at + 1..]));
                return if alternatives {
                    format!("{before}{{{within}}}{behind}")
                } else {
                    format!("{before}[{{]{within}[}}]{behind}")
                };
            }
            ',' if depth == 0 => alternatives = true,
            _ => {}
        }
    }
    text.to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fits(pattern: &str, text: &str) -> bool {
        GlobBuilder::new(pattern).build().expect("a pattern").compile_matcher().is_match(text)
    }

    #[test]
    fn placeholders_of_routes_stand_for_themselves() {
        assert_eq!(with_placeholders("GET /a/*"), "GET /a/*");
        assert_eq!(with_placeholders("GET /a/{id}"), "GET /a/[{]id[}]");
        assert_eq!(with_placeholders("{GET,PUT} /a/{id}"), "{GET,PUT} /a/[{]id[}]");
        assert_eq!(with_placeholders("{GET /a/{id},PUT *}"), "{GET /a/[{]id[}],PUT *}");
        assert_eq!(with_placeholders("open {"), "open {");
        assert!(fits(&with_placeholders("{GET /a/{id},PUT *}"), "GET /a/{id}"));
    }

    #[test]
    fn the_patterns_of_the_three_names_fit_the_routes_of_frameworks() {
        let pattern = |name| API_PATTERNS.iter().find(|(known, _)| *known == name).map(|(_, p)| *p).expect("known");
        for route in ["GET /products/search", "GET /search", "GET /Search", "GET /productSearch", "GET /SEARCH/all"] {
            assert!(fits(pattern("search"), route), "{route}");
        }
        assert!(!fits(pattern("search"), "POST /search") && !fits(pattern("search"), "GET /products"));
        for route in [
            "GET /products/{id}",
            "GET /products/{id}/",
            "GET /products/:id",
            "GET /products/:id/",
            "GET /products/<int:id>",
            "GET /products/<int:id>/",
            "GET /products/[id]",
            "GET /products/[...slug]/",
            "GET /products/$id",
            "GET /a/{a}/b/{b}",
        ] {
            assert!(fits(pattern("detail"), route), "{route}");
        }
        for route in
            ["GET /products", "GET /products/", "POST /products/{id}", "GET /a/{id}/lines", "GET /a/[id]/lines"]
        {
            assert!(!fits(pattern("detail"), route), "{route}");
        }
        for method in ["POST", "PUT", "PATCH", "DELETE"] {
            assert!(fits(pattern("mutation"), &format!("{method} /orders")));
        }
        assert!(!fits(pattern("mutation"), "GET /orders") && !fits(pattern("mutation"), "POSTS /x"));
    }
}

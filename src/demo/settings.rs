//! Settings of the demo shop, and the faults to inject.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::str::FromStr;

/// A fault that can be injected, by its name on the command line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Fault {
    /// The search runs without its index.
    MissingIndex,
    /// The order page runs one query per order line.
    NPlusOne,
    /// The entries of the product cache expire almost at once.
    ShortTtl,
    /// The order database has a pool of one connection.
    SmallPool,
    /// The recommendations wait for a slow partner.
    SlowRoute,
    /// The checkout begins to fail.
    Errors,
}

impl Fault {
    /// All faults: name, description, and the pipeline that must fire.
    pub const ALL: [(Fault, &'static str, &'static str, &'static str); 6] = [
        (Fault::MissingIndex, "missing_index", "a search without its index", "slow_statement"),
        (Fault::NPlusOne, "n_plus_one", "a query for each order line", "n_plus_one"),
        (Fault::ShortTtl, "short_ttl", "a cache that forgets too soon", "cache_hit_rate"),
        (Fault::SmallPool, "small_pool", "too few connections", "pool_wait"),
        (Fault::SlowRoute, "slow_route", "a route over its budget", "api_budget"),
        (Fault::Errors, "errors", "a route that begins to fail", "error_rate"),
    ];
}

impl FromStr for Fault {
    type Err = String;

    fn from_str(word: &str) -> Result<Fault, String> {
        Fault::ALL.iter().find(|(_, known, ..)| *known == word).map(|(fault, ..)| *fault).ok_or_else(|| {
            let known: Vec<&str> = Fault::ALL.iter().map(|(_, known, ..)| *known).collect();
            format!("unknown fault {word:?}: expected `all`, `none` or some of {}", known.join(", "))
        })
    }
}

/// Settings of the demo shop.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Faults to inject.
    pub faults: BTreeSet<Fault>,
    /// The OTLP gRPC address to send to: `http://127.0.0.1:4317`.
    pub otlp_endpoint: String,
    /// Folder for the databases, created and removed by the caller.
    pub folder: PathBuf,
}

impl Settings {
    pub(super) fn has(&self, fault: Fault) -> bool {
        self.faults.contains(&fault)
    }
}

//! The service `catalog`: products by id from a cache, and by search from the database.

use super::cache::Cache;
use super::database::Database;
use super::settings::{Fault, Settings};
use super::telemetry::Telemetry;
use super::web::{Answer, Call, Failure, Service, traced};
use axum::Router;
use axum::http::{Method, StatusCode};
use sqlx::{Arguments as _, Row as _, sqlite::SqliteArguments};
use std::time::{Duration, Instant};
use tokio_util::sync::CancellationToken;

/// How long a search without its index should take on an idle machine: well above the 100 ms of a slow statement even if the
/// machine was half as fast while the table grew, and still within its own budget on a machine a quarter as fast.
const SCAN: Duration = Duration::from_millis(200);
/// Number of scans, of which the fastest counts: other load makes some of them slower, and none faster.
const SCANS: u32 = 5;
/// Initial rows, and the most the table may have.
const ROWS_AT_FIRST: u64 = 50_000;
const ROWS_MAX: u64 = 64 * ROWS_AT_FIRST;

const SEARCH: &str = "SELECT id, name, price_cents FROM products WHERE sku = ?";
const DETAIL: &str = "SELECT name, price_cents FROM products WHERE id = ?";

/// What the customers in `load.rs` look at.
const POPULAR: &str = "SELECT id, name, price_cents FROM products WHERE id <= 40";

pub(super) async fn open(settings: &Settings, cancel: CancellationToken) -> anyhow::Result<Service> {
    let telemetry = Telemetry::start("catalog", &settings.otlp_endpoint)?;
    let database = Database::open(&settings.folder, "catalog", 8, &telemetry).await?;
    fill(&database, !settings.has(Fault::MissingIndex)).await?;
    let time_to_live = if settings.has(Fault::ShortTtl) { Duration::from_millis(20) } else { Duration::from_hours(1) };
    let cache = Cache::new("products", time_to_live, &telemetry);
    warm(&database, &cache).await?;
    let router = Router::new()
        .route("/products/search", {
            let database = database.clone();
            traced(&telemetry, Method::GET, "/products/search", move |call| search(database.clone(), call))
        })
        .route("/products/{id}", {
            traced(&telemetry, Method::GET, "/products/{id}", move |call| detail(database.clone(), cache.clone(), call))
        });
    Service::serve(router, telemetry, cancel).await
}

/// Fills the cache before the shop opens: a cold cache would miss for a while, which is not a fault.
async fn warm(database: &Database, cache: &Cache) -> anyhow::Result<()> {
    for row in database.read(POPULAR).await? {
        cache.fill(row.get(0), product(row.get(0), &row.get::<String, _>(1), row.get(2))).await;
    }
    Ok(())
}

fn product(id: i64, name: &str, price_cents: i64) -> serde_json::Value {
    serde_json::json!({"id": id, "name": name, "price_cents": price_cents})
}

/// Fills the table. Without the index it grows until a search takes [`SCAN`] on this machine.
async fn fill(database: &Database, index: bool) -> anyhow::Result<()> {
    database
        .set_up(&[
            "CREATE TABLE products (id INTEGER PRIMARY KEY, sku TEXT, name TEXT, price_cents INTEGER)",
            "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 50000) \
             INSERT INTO products SELECT i, 'sku-' || i, 'Product number ' || i || ' of the shop', i % 9900 FROM n",
        ])
        .await?;
    if index {
        return database.set_up(&["CREATE INDEX products_sku ON products (sku)"]).await;
    }
    let mut rows = ROWS_AT_FIRST;
    loop {
        let takes = scan_time(database).await?;
        if takes >= SCAN || rows >= ROWS_MAX {
            return Ok(());
        }
        // Small steps near the goal, so as not to overshoot it.
        let (more, grow) = if takes * 2 < SCAN {
            (rows, "INSERT INTO products (sku, name, price_cents) SELECT sku || 'x', name, price_cents FROM products")
        } else {
            (
                rows / 8,
                "INSERT INTO products (sku, name, price_cents) \
                 SELECT sku || 'x', name, price_cents FROM products WHERE id % 8 = 0",
            )
        };
        database.set_up(&[grow]).await?;
        rows += more;
    }
}

/// Fastest of several scans. The first one below [`SCAN`] is enough to know that the table is too small.
async fn scan_time(database: &Database) -> anyhow::Result<Duration> {
    let mut least = Duration::MAX;
    for _ in 0..SCANS {
        let began = Instant::now();
        database.set_up(&["SELECT id, name, price_cents FROM products WHERE sku = 'none'"]).await?;
        least = least.min(began.elapsed());
        if least < SCAN {
            break;
        }
    }
    Ok(least)
}

async fn search(database: Database, call: Call) -> Answer {
    let rows = database.query(&call.context, SEARCH, arguments(call.search().to_owned())?).await?;
    let products: Vec<_> = rows
        .iter()
        .map(|row| serde_json::json!({"id": row.get::<i64, _>(0), "name": row.get::<String, _>(1), "price_cents": row.get::<i64, _>(2)}))
        .collect();
    Ok(serde_json::json!({"products": products}))
}

async fn detail(database: Database, cache: Cache, call: Call) -> Answer {
    let id = call.id()?;
    let load = async {
        let rows = database.query(&call.context, DETAIL, arguments(id)?).await?;
        let row = rows.first().ok_or_else(|| Failure::new(StatusCode::NOT_FOUND, format!("no product {id}")))?;
        Ok(product(id, &row.get::<String, _>(0), row.get(1)))
    };
    cache.get_or(id, load).await
}

/// Binds one value.
pub(super) fn arguments<'q, T>(value: T) -> Result<SqliteArguments, Failure>
where
    T: sqlx::Encode<'q, sqlx::Sqlite> + sqlx::Type<sqlx::Sqlite> + 'q,
{
    let mut arguments = SqliteArguments::default();
    arguments.add(value).map_err(|error| Failure::new(StatusCode::INTERNAL_SERVER_ERROR, error.to_string()))?;
    Ok(arguments)
}

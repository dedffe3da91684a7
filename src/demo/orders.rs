//! The service `orders`: orders with their lines and stock.

use super::catalog::arguments;
use super::database::Database;
use super::settings::{Fault, Settings};
use super::telemetry::Telemetry;
use super::web::{Answer, Call, Service, traced};
use axum::Router;
use axum::http::Method;
use sqlx::Row as _;
use tokio_util::sync::CancellationToken;

const LINES: &str = "SELECT product_id, quantity FROM order_lines WHERE order_id = ?";
const STOCK_OF_ONE: &str = "SELECT quantity FROM stock WHERE product_id = ?";
const STOCK_OF_ALL: &str = "SELECT s.product_id, s.quantity FROM stock s JOIN order_lines l ON l.product_id = s.product_id WHERE l.order_id = ?";
const PLACE: &str = "INSERT INTO placed_orders (customer) VALUES (?)";

pub(super) async fn open(settings: &Settings, cancel: CancellationToken) -> anyhow::Result<Service> {
    let telemetry = Telemetry::start("orders", &settings.otlp_endpoint)?;
    let connections_max = if settings.has(Fault::SmallPool) { 1 } else { 12 };
    let database = Database::open(&settings.folder, "orders", connections_max, &telemetry).await?;
    database
        .set_up(&[
            "PRAGMA journal_mode = WAL",
            "CREATE TABLE order_lines (order_id INTEGER, product_id INTEGER, quantity INTEGER)",
            "CREATE TABLE stock (product_id INTEGER PRIMARY KEY, quantity INTEGER)",
            "CREATE TABLE placed_orders (id INTEGER PRIMARY KEY, customer INTEGER)",
            "WITH RECURSIVE n(i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i < 11999) \
             INSERT INTO order_lines SELECT i / 12 + 1, i % 500 + 1, i % 3 + 1 FROM n",
            "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 500) \
             INSERT INTO stock SELECT i, i % 40 FROM n",
            "CREATE INDEX order_lines_order ON order_lines (order_id)",
        ])
        .await?;
    let line_by_line = settings.has(Fault::NPlusOne);
    let router = Router::new()
        .route("/orders/{id}", {
            let database = database.clone();
            traced(&telemetry, Method::GET, "/orders/{id}", move |call| order(database.clone(), line_by_line, call))
        })
        .route("/orders", traced(&telemetry, Method::POST, "/orders", move |call| place(database.clone(), call)));
    Service::serve(router, telemetry, cancel).await
}

async fn order(database: Database, line_by_line: bool, call: Call) -> Answer {
    let id = call.id()?;
    let lines = database.query(&call.context, LINES, arguments(id)?).await?;
    let mut stock = 0;
    if line_by_line {
        for line in &lines {
            let rows = database.query(&call.context, STOCK_OF_ONE, arguments(line.get::<i64, _>(0))?).await?;
            stock += rows.iter().map(|row| row.get::<i64, _>(0)).sum::<i64>();
        }
    } else {
        let rows = database.query(&call.context, STOCK_OF_ALL, arguments(id)?).await?;
        stock = rows.iter().map(|row| row.get::<i64, _>(1)).sum();
    }
    Ok(serde_json::json!({"id": id, "lines": lines.len(), "stock": stock}))
}

async fn place(database: Database, call: Call) -> Answer {
    database.query(&call.context, PLACE, arguments(7_i64)?).await?;
    Ok(serde_json::json!({"placed": true}))
}

//! Spanwise as others see it: the built program, real SDKs, a real Collector, Prometheus, PostgreSQL and Redis.
//! `tests/run` brings all of them; a test whose peer is missing fails.
#![allow(missing_docs, clippy::unwrap_used, clippy::pedantic)]

mod support;

mod alerts;
mod bad_input;
mod check;
mod collector;
mod demo;
mod durability;
mod forward;
mod layers;
mod prometheus;
mod sdks;
mod sql;

//! Layer 4: where people and programs ask: SQL over Postgres wire and HTTP, findings, health. It does not know storage layout.

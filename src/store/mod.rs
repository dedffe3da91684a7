//! Layer 2: hot tables in memory and the state database. It does not know analyses or exporters.

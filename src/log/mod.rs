//! Layer 1: the durable log and its readers. It does not know what the bytes mean.

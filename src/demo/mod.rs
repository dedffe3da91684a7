//! Layer 4: a small shop, instrumented as any application would be, with faults to plant.

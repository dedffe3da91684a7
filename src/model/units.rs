//! Numbers with units: read as people write them, shown in human sizes.

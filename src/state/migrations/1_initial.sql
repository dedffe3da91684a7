-- Databases of versions before numbered migrations already have these tables.
CREATE TABLE IF NOT EXISTS cursors (name TEXT PRIMARY KEY, position INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS entries (kind TEXT, key TEXT, value BLOB NOT NULL, PRIMARY KEY (kind, key)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS rollup_parts (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  rollup TEXT NOT NULL,
  resolution_s INTEGER NOT NULL,
  batch BLOB NOT NULL
);

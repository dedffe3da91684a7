-- Dead letters, sent notifications and the starts of readers were JSON in `entries`.
CREATE TABLE dead_letters (
  exporter TEXT NOT NULL,
  signal TEXT NOT NULL,
  -- Unique per exporter and signal; also the order of eviction.
  key TEXT NOT NULL,
  -- Position of the frame in the log.
  position INTEGER,
  items INTEGER NOT NULL,
  reason TEXT NOT NULL,
  time_us INTEGER NOT NULL,
  PRIMARY KEY (exporter, signal, key)
) WITHOUT ROWID;

CREATE TABLE notifications (
  channel TEXT NOT NULL,
  finding_id TEXT NOT NULL,
  firing_since_us INTEGER NOT NULL,
  sent_at_us INTEGER NOT NULL,
  severity TEXT,
  -- The finding as it was sent, as JSON.
  finding TEXT NOT NULL,
  PRIMARY KEY (channel, finding_id)
) WITHOUT ROWID;

CREATE TABLE reader_starts (reader TEXT PRIMARY KEY, began_unix_nano INTEGER NOT NULL) WITHOUT ROWID;

-- SQLite reads JSON from text; a BLOB would be its binary form.
CREATE TEMP TABLE moved AS
  SELECT kind, key, CAST(value AS TEXT) AS value FROM entries
  WHERE kind IN ('dead_letter', 'reader_began') OR kind LIKE 'alert:%';

INSERT OR IGNORE INTO dead_letters
  SELECT
    value ->> 'sink',
    value ->> 'signal',
    substr(key, length(value ->> 'sink') + length(value ->> 'signal') + 3),
    value ->> 'position',
    value ->> 'items',
    value ->> 'reason',
    value ->> 'time'
  FROM moved
  WHERE kind = 'dead_letter' AND json_valid(value);

INSERT OR IGNORE INTO notifications
  SELECT
    value ->> 'channel',
    value ->> 'finding_id',
    value ->> 'firing_since',
    value ->> 'told_at',
    value ->> 'severity',
    value -> 'finding'
  FROM moved
  WHERE kind LIKE 'alert:%' AND json_valid(value);

INSERT OR IGNORE INTO reader_starts SELECT key, CAST(value AS INTEGER) FROM moved WHERE kind = 'reader_began';

DELETE FROM entries WHERE kind IN ('dead_letter', 'reader_began') OR kind LIKE 'alert:%';
DROP TABLE moved;
-- Versions before numbered migrations look here, and reject a newer database.
PRAGMA user_version = 3;

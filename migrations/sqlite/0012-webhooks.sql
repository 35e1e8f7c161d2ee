-- Receivers that are told what happens. `url` and `secret` are encrypted (origins/secret-box.ts): a URL may hold a capability.
CREATE TABLE webhooks (
  id              INTEGER PRIMARY KEY,
  name            TEXT    NOT NULL UNIQUE,
  key             TEXT    NOT NULL UNIQUE, -- random; in the ids of its deliveries, so that these are of no other depot or hook
  host            TEXT    NOT NULL,
  url             TEXT    NOT NULL,
  secret          TEXT    NOT NULL,
  previous_secret TEXT,
  previous_until  INTEGER,
  filter          TEXT    NOT NULL,
  maker_id        INTEGER REFERENCES accounts (id),
  version         INTEGER NOT NULL DEFAULT 1, -- rises with each change that was asked for: what was noted of an older one is late
  created_at      INTEGER NOT NULL,
  -- how far it is: the last entry of the ledger that is done with, and a range that is sent again before the next one
  position        INTEGER NOT NULL,
  replay_next     INTEGER,
  replay_to       INTEGER,
  attempts        INTEGER NOT NULL DEFAULT 0,
  next_attempt_at INTEGER,
  failing_since   INTEGER,
  paused_at       INTEGER,
  paused_why      TEXT CHECK (paused_why IN ('asked', 'failing', 'gone')),
  CHECK ((replay_next IS NULL) = (replay_to IS NULL)),
  CHECK ((paused_at IS NULL) = (paused_why IS NULL))
) STRICT;

-- The last attempts of each.
CREATE TABLE webhook_deliveries (
  id          INTEGER PRIMARY KEY,
  webhook_id  INTEGER NOT NULL REFERENCES webhooks (id) ON DELETE CASCADE,
  sequence    INTEGER NOT NULL,
  attempt     INTEGER NOT NULL,
  at          INTEGER NOT NULL,
  duration_ms INTEGER NOT NULL,
  status      INTEGER,
  error       TEXT,
  excerpt     TEXT    NOT NULL
) STRICT;

CREATE INDEX webhook_deliveries_by_webhook ON webhook_deliveries (webhook_id, id); -- listed, and cut to the newest

-- What has happened: one depot-wide sequence without gaps. `text` is the exact JSON that was hashed:
--   digest = SHA-256 hex of salt, text
--   hash   = SHA-256 hex of the lines: previous hash, sequence, digest
CREATE TABLE ledger (
  sequence   INTEGER PRIMARY KEY,
  at         INTEGER NOT NULL,
  kind       TEXT    NOT NULL,
  account_id INTEGER,
  origin_id  INTEGER,
  view_id    INTEGER REFERENCES views (id),
  revision   INTEGER,
  release_id INTEGER REFERENCES releases (id),
  salt       TEXT    NOT NULL,
  text       TEXT    NOT NULL,
  digest     TEXT    NOT NULL,
  hash       TEXT    NOT NULL
) STRICT;

CREATE UNIQUE INDEX ledger_by_revision ON ledger (view_id, revision) WHERE view_id IS NOT NULL AND revision IS NOT NULL;
-- `release_id` is set for a promotion or demotion of one release that was asked for by itself: what Habitat's clients call an event
CREATE INDEX ledger_events ON ledger (at, sequence) WHERE release_id IS NOT NULL;
CREATE INDEX ledger_by_origin ON ledger (origin_id, sequence) WHERE origin_id IS NOT NULL;

-- A promotion retried with its key is answered as it was the first time.
CREATE TABLE idempotency_keys (
  account_id   INTEGER NOT NULL REFERENCES accounts (id),
  key          TEXT    NOT NULL,
  request_hash TEXT    NOT NULL,
  outcome      TEXT    NOT NULL,
  created_at   INTEGER NOT NULL,
  PRIMARY KEY (account_id, key)
) STRICT, WITHOUT ROWID;

CREATE INDEX idempotency_keys_by_age ON idempotency_keys (created_at); -- forgetting the old

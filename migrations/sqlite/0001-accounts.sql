-- Who is asking. Times are epoch milliseconds everywhere.

CREATE TABLE accounts (
  id               INTEGER PRIMARY KEY,
  name             TEXT    NOT NULL UNIQUE,
  email            TEXT,
  is_administrator INTEGER NOT NULL DEFAULT 0 CHECK (is_administrator IN (0, 1)),
  created_at       INTEGER NOT NULL,
  updated_at       INTEGER NOT NULL
) STRICT;

-- A token is shown once; only its SHA-256 is kept. `scope` is JSON, NULL for everything its account may.
CREATE TABLE tokens (
  id         INTEGER PRIMARY KEY,
  account_id INTEGER NOT NULL REFERENCES accounts (id),
  hash       TEXT    NOT NULL UNIQUE,
  label      TEXT    NOT NULL,
  scope      TEXT,
  created_at INTEGER NOT NULL,
  expires_at INTEGER,
  revoked_at INTEGER,
  is_profile INTEGER NOT NULL DEFAULT 0 CHECK (is_profile IN (0, 1))
) STRICT;

CREATE INDEX tokens_by_account ON tokens (account_id); -- a person's tokens, listed

-- the one token of an account that Builder's profile page makes and replaces
CREATE UNIQUE INDEX tokens_of_profiles ON tokens (account_id) WHERE is_profile = 1 AND revoked_at IS NULL;

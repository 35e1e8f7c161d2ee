-- Which ID tokens of CI systems are exchanged for tokens of this depot (signin/exchange-rule.ts). `claims` is JSON: the allowed whole
-- values of each claim. `scope` is like that of tokens.
CREATE TABLE exchange_rules (
  name        TEXT    PRIMARY KEY,
  provider    TEXT    NOT NULL,
  issuer      TEXT    NOT NULL,
  claims      TEXT    NOT NULL,
  account_id  INTEGER NOT NULL REFERENCES accounts (id),
  scope       TEXT    NOT NULL,
  lifetime_ms INTEGER NOT NULL CHECK (lifetime_ms > 0),
  created_at  INTEGER NOT NULL,
  updated_at  INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- ID tokens that were exchanged. Each is accepted once, so that a leaked one is worth nothing. `hash` is of the part that is signed.
-- A request that is repeated with its Idempotency-Key gets a new token in place of `token_id`.
CREATE TABLE spent_tokens (
  hash            TEXT    PRIMARY KEY,
  idempotency_key TEXT,
  token_id        INTEGER NOT NULL,
  expires_at      INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE INDEX spent_tokens_by_expiry ON spent_tokens (expires_at); -- those that have expired are deleted

-- Whether the depot issued the token for a job or a sign-in. Such tokens are many, so they are deleted a month after they expired.
ALTER TABLE tokens ADD COLUMN is_brief INTEGER NOT NULL DEFAULT 0 CHECK (is_brief IN (0, 1));

CREATE INDEX tokens_brief ON tokens (expires_at) WHERE is_brief = 1;

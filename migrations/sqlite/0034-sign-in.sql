-- People of a single sign-on. An account is bound to the issuer and its name for the person, which never changes; mail addresses and
-- names can be given to someone else.
CREATE TABLE identities (
  issuer     TEXT    NOT NULL,
  subject    TEXT    NOT NULL,
  account_id INTEGER NOT NULL REFERENCES accounts (id),
  created_at INTEGER NOT NULL,
  PRIMARY KEY (issuer, subject)
) STRICT, WITHOUT ROWID;

CREATE INDEX identities_by_account ON identities (account_id);

-- The role that people of a group have in an origin.
CREATE TABLE group_roles (
  group_name TEXT    NOT NULL,
  origin_id  INTEGER NOT NULL REFERENCES origins (id),
  role       TEXT    NOT NULL,
  PRIMARY KEY (group_name, origin_id)
) STRICT, WITHOUT ROWID;

CREATE INDEX group_roles_by_origin ON group_roles (origin_id);

-- The groups of the person for whom the token was issued, as JSON; NULL for none. They belong to the token and not to the account, so
-- that they end with it.
ALTER TABLE tokens ADD COLUMN groups TEXT;

-- Whether a rule names the issuer of an ID token is asked before anything else is known of a job.
CREATE INDEX exchange_rules_by_issuer ON exchange_rules (issuer);

-- What an origin keeps besides packages and keys. Values are encrypted (origins/secret-box.ts).

CREATE TABLE invitations (
  id         INTEGER PRIMARY KEY,
  origin_id  INTEGER NOT NULL REFERENCES origins (id),
  account_id INTEGER NOT NULL REFERENCES accounts (id),
  inviter_id INTEGER NOT NULL REFERENCES accounts (id),
  is_ignored INTEGER NOT NULL DEFAULT 0 CHECK (is_ignored IN (0, 1)),
  created_at INTEGER NOT NULL,
  updated_at INTEGER NOT NULL,
  UNIQUE (origin_id, account_id)
) STRICT;

CREATE INDEX invitations_by_account ON invitations (account_id); -- who has invited me

CREATE TABLE origin_secrets (
  id         INTEGER PRIMARY KEY,
  origin_id  INTEGER NOT NULL REFERENCES origins (id),
  name       TEXT    NOT NULL,
  value      TEXT    NOT NULL,
  owner_id   INTEGER NOT NULL REFERENCES accounts (id),
  created_at INTEGER NOT NULL,
  UNIQUE (origin_id, name)
) STRICT;

CREATE TABLE integrations (
  id         INTEGER PRIMARY KEY,
  origin_id  INTEGER NOT NULL REFERENCES origins (id),
  type       TEXT    NOT NULL,
  name       TEXT    NOT NULL,
  body       TEXT    NOT NULL,
  created_at INTEGER NOT NULL,
  UNIQUE (origin_id, type, name)
) STRICT;

-- How the next releases of a package are published; made by its first upload, or before it.
CREATE TABLE package_settings (
  package_id INTEGER PRIMARY KEY REFERENCES packages (id),
  visibility TEXT    NOT NULL CHECK (visibility IN ('public', 'private', 'hidden')),
  owner_id   INTEGER NOT NULL REFERENCES accounts (id),
  created_at INTEGER NOT NULL,
  updated_at INTEGER NOT NULL
) STRICT;

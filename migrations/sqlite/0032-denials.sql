-- Changes and administration that were refused for want of rights, counted over a short time. They are not in the ledger, so that
-- nobody without rights makes it grow.
CREATE TABLE denials (
  id       INTEGER PRIMARY KEY,
  first_at INTEGER NOT NULL,
  last_at  INTEGER NOT NULL,
  requests INTEGER NOT NULL,
  account  TEXT,            -- absent without a valid token
  token_id INTEGER,
  network  TEXT,            -- an IPv4 address or the /64 of an IPv6 address; absent for the rest, if there were too many
  method   TEXT    NOT NULL,
  route    TEXT    NOT NULL,
  path     TEXT    NOT NULL, -- of the last of the requests
  code     TEXT    NOT NULL
) STRICT;

-- Browsers that are signed in to the page. A browser has a cookie, of which only the SHA-256 is kept. The session has the rights of its
-- token and ends with it. `owns_token` tells that the token was made for this session alone and is revoked when the person signs out.
CREATE TABLE page_sessions (
  hash       TEXT    PRIMARY KEY,
  token_id   INTEGER NOT NULL REFERENCES tokens (id) ON DELETE CASCADE,
  owns_token INTEGER NOT NULL CHECK (owns_token IN (0, 1)),
  created_at INTEGER NOT NULL,
  used_at    INTEGER NOT NULL,
  expires_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE INDEX page_sessions_by_token ON page_sessions (token_id, created_at); -- the oldest of a token end when it has too many
CREATE INDEX page_sessions_by_expiry ON page_sessions (expires_at); -- those that have expired are deleted

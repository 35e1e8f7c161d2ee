-- As migrations/sqlite/0036-page-sessions.sql.
CREATE TABLE page_sessions (
  hash       TEXT COLLATE "C" PRIMARY KEY,
  token_id   BIGINT NOT NULL REFERENCES tokens (id) ON DELETE CASCADE,
  owns_token BIGINT NOT NULL CHECK (owns_token IN (0, 1)),
  created_at BIGINT NOT NULL,
  used_at    BIGINT NOT NULL,
  expires_at BIGINT NOT NULL
);

CREATE INDEX page_sessions_by_token ON page_sessions (token_id, created_at);
CREATE INDEX page_sessions_by_expiry ON page_sessions (expires_at);

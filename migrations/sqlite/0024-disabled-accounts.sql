-- A disabled account keeps its roles and tokens, but its tokens are refused until it is enabled again.
ALTER TABLE accounts ADD COLUMN disabled_at INTEGER;

-- About when a token was last used. It is noted in memory and stored minutes later (accounts/token-uses.ts).
ALTER TABLE tokens ADD COLUMN last_used_at INTEGER;

-- As migrations/sqlite/0037-nodes.sql. Rows change twice a second, so a page has room for their next versions.
CREATE TABLE nodes (
  id          TEXT COLLATE "C" PRIMARY KEY,
  name        TEXT COLLATE "C" NOT NULL,
  version     TEXT COLLATE "C" NOT NULL,
  started_at  BIGINT NOT NULL,
  renewal     BIGINT NOT NULL,
  applied     BIGINT NOT NULL,
  lease_until BIGINT NOT NULL
) WITH (fillfactor = 50);

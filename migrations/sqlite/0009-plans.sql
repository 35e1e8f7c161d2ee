-- Rules of views, and changes that are thought out before they are made.

-- A change that was worked out and not made yet. `token` names it to clients. `request` is what was asked, `effect` what it would do,
-- `digest` of the effect and of the revisions that were read. A draft is forgotten when it has expired; a proposal waits for a second
-- person and stays, with its end, as what was decided.
CREATE TABLE plans (
  id         INTEGER PRIMARY KEY,
  token      TEXT    NOT NULL UNIQUE,
  kind       TEXT    NOT NULL CHECK (kind IN ('draft', 'proposal')),
  view_id    INTEGER NOT NULL REFERENCES views (id),
  account_id INTEGER REFERENCES accounts (id),
  digest     TEXT    NOT NULL,
  created_at INTEGER NOT NULL,
  expires_at INTEGER NOT NULL,
  ended_at   INTEGER,
  ending     TEXT    CHECK (ending IN ('applied', 'rejected', 'stale')),
  decider_id INTEGER REFERENCES accounts (id),
  revision   INTEGER,
  request    TEXT    NOT NULL,
  effect     TEXT    NOT NULL
) STRICT;

CREATE INDEX plans_expiring ON plans (expires_at) WHERE kind = 'draft'; -- forgetting the old
CREATE INDEX plans_drafted ON plans (account_id, id) WHERE kind = 'draft';                         -- how many somebody has
CREATE INDEX plans_waiting ON plans (view_id, id) WHERE kind = 'proposal' AND ended_at IS NULL; -- what waits for whom
CREATE INDEX plans_proposed ON plans (view_id, id) WHERE kind = 'proposal'; -- and what was decided

-- `gates` and `freeze` are JSON (views/gates.ts). A preview is a view of its own: that of `base_id` with what `plan_id` would do.
ALTER TABLE views ADD COLUMN gates TEXT NOT NULL DEFAULT '{}';
ALTER TABLE views ADD COLUMN freeze TEXT;
ALTER TABLE views ADD COLUMN base_id INTEGER REFERENCES views (id);
ALTER TABLE views ADD COLUMN plan_id INTEGER REFERENCES plans (id);

CREATE INDEX views_previewing ON views (base_id) WHERE base_id IS NOT NULL AND closed_at IS NULL; -- what moves with a view
CREATE INDEX views_showing ON views (plan_id) WHERE plan_id IS NOT NULL AND closed_at IS NULL;   -- what goes with a plan

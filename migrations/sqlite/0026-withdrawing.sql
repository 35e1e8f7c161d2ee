-- What maintainers say of a release, as JSON: {"reason": "it loses data", "by": "alice", "since": 1767225600000}. Its bytes stay
-- what they are, and it still downloads.
ALTER TABLE releases ADD COLUMN yanked TEXT;     -- `latest` does not answer it under the rule `highest`, and nobody promotes it
ALTER TABLE releases ADD COLUMN deprecated TEXT; -- whoever uses it should move on
ALTER TABLE releases ADD COLUMN held TEXT;       -- it is not deleted

-- Few releases have a mark. Lists of packages count them.
CREATE INDEX releases_marked ON releases (package_id)
  WHERE deleted_at IS NULL AND (yanked IS NOT NULL OR deprecated IS NOT NULL OR held IS NOT NULL);

-- Whether `latest` skips the member: 1 if its release was yanked and the rule was `highest` when it joined. A yank, and its end, let
-- the release join again, so every revision keeps the `latest` that it had.
ALTER TABLE members ADD COLUMN is_skipped INTEGER NOT NULL DEFAULT 0 CHECK (is_skipped IN (0, 1));

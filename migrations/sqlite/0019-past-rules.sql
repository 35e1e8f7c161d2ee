-- The rules that a view had before the one it has, oldest first, as JSON: [{"rule": "highest", "until": 12}], where `until` is the first
-- revision of the next rule. Reads of past revisions need the rule of that time.
ALTER TABLE views ADD COLUMN past_rules TEXT NOT NULL DEFAULT '[]';

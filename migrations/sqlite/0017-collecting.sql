-- Whether files are collected is told by `orphans_kept_since` in `depot_state` alone.
ALTER TABLE upkeep DROP COLUMN is_collecting;

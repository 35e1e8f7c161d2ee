-- How the bytes fare. A row of `blobs` is never deleted, because rows of deleted releases refer to it.
ALTER TABLE blobs ADD COLUMN removed_at INTEGER; -- when the bytes that nothing needed were taken away
ALTER TABLE blobs ADD COLUMN damage     TEXT;    -- what is wrong with the bytes, as far as it is known
ALTER TABLE blobs ADD COLUMN damaged_at INTEGER; -- when that was found

DROP INDEX blobs_unneeded;
CREATE INDEX blobs_unneeded ON blobs (unreferenced_since, checksum) WHERE unreferenced_since IS NOT NULL AND removed_at IS NULL; -- whose bytes are still to be taken away
CREATE INDEX blobs_damaged ON blobs (checksum) WHERE damage IS NOT NULL;                                                         -- how many are damaged, and which

-- How much is stored: summing it up at each look would read every row.
CREATE TABLE stored (
  id    INTEGER PRIMARY KEY CHECK (id = 1),
  blobs INTEGER NOT NULL,
  bytes INTEGER NOT NULL
) STRICT;

INSERT INTO stored SELECT 1, count(*), COALESCE(sum(size_bytes), 0) FROM blobs;

CREATE TRIGGER blobs_stored AFTER INSERT ON blobs WHEN NEW.removed_at IS NULL BEGIN
  UPDATE stored SET blobs = blobs + 1, bytes = bytes + NEW.size_bytes WHERE id = 1;
END;

CREATE TRIGGER blobs_removed AFTER UPDATE OF removed_at ON blobs WHEN (OLD.removed_at IS NULL) <> (NEW.removed_at IS NULL) BEGIN
  UPDATE stored
  SET blobs = blobs + iif(NEW.removed_at IS NULL, 1, -1), bytes = bytes + iif(NEW.removed_at IS NULL, NEW.size_bytes, -NEW.size_bytes)
  WHERE id = 1;
END;

-- What the depot does with its files by itself. `is_collecting`: files without a row, and those of rows that nothing needs, are taken
-- away. `scrubbed_to`: the last checksum that the pass under way has read; empty between passes.
CREATE TABLE upkeep (
  id             INTEGER PRIMARY KEY CHECK (id = 1),
  is_collecting  INTEGER NOT NULL CHECK (is_collecting IN (0, 1)),
  scrubbed_to    TEXT    NOT NULL,
  scrub_begun_at INTEGER,
  scrub_ended_at INTEGER
) STRICT;

INSERT INTO upkeep VALUES (1, 1, '', NULL, NULL);

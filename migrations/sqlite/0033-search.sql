-- Finding packages by any part of `origin/name`, in lower case. There is a row for each place in that text where a part may begin, with
-- the text from there on, at most 32 characters. So a part is the beginning of some rows, which stand together.
-- place 0: the beginning of the text or of the name; 1: the beginning of another word; 2: within a word.
CREATE TABLE package_suffixes (
  place      INTEGER NOT NULL CHECK (place IN (0, 1, 2)),
  suffix     TEXT    NOT NULL,
  package_id INTEGER NOT NULL REFERENCES packages (id),
  PRIMARY KEY (place, suffix, package_id)
) STRICT, WITHOUT ROWID;

INSERT OR IGNORE INTO package_suffixes
WITH RECURSIVE
  texts AS (
    SELECT packages.id, lower(origins.name || '/' || packages.name) AS text, length(origins.name) + 2 AS name_at
    FROM packages
    JOIN origins ON origins.id = packages.origin_id
    WHERE EXISTS (SELECT 1 FROM package_words WHERE package_words.package_id = packages.id)
  ),
  places (id, text, name_at, at) AS (
    SELECT id, text, name_at, 1 FROM texts
    UNION ALL
    SELECT id, text, name_at, at + 1 FROM places WHERE at < length(text)
  )
SELECT
  CASE WHEN at IN (1, name_at) THEN 0 WHEN substr(text, at - 1, 1) IN ('-', '_') THEN 1 ELSE 2 END,
  substr(text, at, 32),
  id
FROM places;

-- What a search looks at in the releases of a package.
CREATE INDEX releases_searched ON releases (package_id, version, signer, target, visibility) WHERE deleted_at IS NULL;

-- How many bytes an origin, or all of them, may have. NULL is no limit. The depot's own quota is in `depot_state`. An origin that is
-- deleted and created again keeps its quota.
ALTER TABLE origins ADD COLUMN quota_bytes INTEGER;
CREATE INDEX origins_with_quotas ON origins (id) WHERE quota_bytes IS NOT NULL; -- what metrics show

-- The releases of a package, of an origin (package_id 0) and of the depot (both 0) that are not deleted, and their bytes, by the month in
-- which the depot received the bytes. Bytes that releases share count once in each of these totals. Announced releases, whose bytes are
-- not here, do not count.
CREATE TABLE storage (
  package_id INTEGER NOT NULL,
  origin_id  INTEGER NOT NULL,
  month      TEXT    NOT NULL, -- 2026-01, in UTC
  releases   INTEGER NOT NULL,
  bytes      INTEGER NOT NULL,
  PRIMARY KEY (package_id, origin_id, month)
) STRICT, WITHOUT ROWID;

-- The totals in which each package counts.
CREATE VIEW storage_totals AS
SELECT id AS counted_id, id AS package_id, origin_id FROM packages
UNION ALL
SELECT id, 0, origin_id FROM packages
UNION ALL
SELECT id, 0, 0 FROM packages;

-- The blobs that releases need, with the month in which they came.
CREATE VIEW needed_blobs AS
SELECT checksum, size_bytes, strftime('%Y-%m', created_at / 1000, 'unixepoch') AS month
FROM blobs
WHERE unreferenced_since IS NULL;

INSERT INTO storage
SELECT package_id, origin_id, month, sum(releases), sum(size_bytes)
FROM (
  SELECT
    totals.package_id,
    totals.origin_id,
    blobs.month,
    count(*) AS releases,
    blobs.size_bytes
  FROM releases
  JOIN storage_totals AS totals ON totals.counted_id = releases.package_id
  JOIN needed_blobs AS blobs ON blobs.checksum = releases.checksum
  WHERE releases.deleted_at IS NULL
  GROUP BY totals.package_id, totals.origin_id, blobs.checksum
)
GROUP BY package_id, origin_id, month;

-- Triggers keep the totals, so that no command can forget to, and an upload reads a few rows, however much is stored. In each total, a
-- release adds its bytes unless another release (a `twin`) has them.
CREATE TRIGGER storage_published AFTER INSERT ON releases WHEN NEW.deleted_at IS NULL BEGIN
  INSERT INTO storage
  SELECT
    totals.package_id,
    totals.origin_id,
    blobs.month,
    1,
    iif(
      EXISTS (
        SELECT 1
        FROM releases AS twins INDEXED BY releases_by_checksum
        JOIN storage_totals AS theirs ON theirs.counted_id = twins.package_id
        WHERE twins.checksum = NEW.checksum AND twins.id <> NEW.id AND twins.deleted_at IS NULL
          AND theirs.package_id = totals.package_id AND theirs.origin_id = totals.origin_id
      ),
      0,
      blobs.size_bytes
    )
  FROM storage_totals AS totals
  JOIN needed_blobs AS blobs ON blobs.checksum = NEW.checksum
  WHERE totals.counted_id = NEW.package_id
  ON CONFLICT DO UPDATE SET releases = releases + excluded.releases, bytes = bytes + excluded.bytes;
END;

-- The rows exist, so this subtracts.
CREATE TRIGGER storage_deleted AFTER UPDATE OF deleted_at ON releases
WHEN OLD.deleted_at IS NULL AND NEW.deleted_at IS NOT NULL BEGIN
  INSERT INTO storage
  SELECT
    totals.package_id,
    totals.origin_id,
    blobs.month,
    1,
    iif(
      EXISTS (
        SELECT 1
        FROM releases AS twins INDEXED BY releases_by_checksum
        JOIN storage_totals AS theirs ON theirs.counted_id = twins.package_id
        WHERE twins.checksum = NEW.checksum AND twins.id <> NEW.id AND twins.deleted_at IS NULL
          AND theirs.package_id = totals.package_id AND theirs.origin_id = totals.origin_id
      ),
      0,
      blobs.size_bytes
    )
  FROM storage_totals AS totals
  JOIN needed_blobs AS blobs ON blobs.checksum = NEW.checksum
  WHERE totals.counted_id = NEW.package_id
  ON CONFLICT DO UPDATE SET releases = releases - excluded.releases, bytes = bytes - excluded.bytes;
END;

-- The bytes of an announced release arrive. The totals of other releases count before this, and after their blobs become unneeded.
CREATE TRIGGER storage_received AFTER UPDATE OF unreferenced_since ON blobs
WHEN OLD.unreferenced_since IS NOT NULL AND NEW.unreferenced_since IS NULL BEGIN
  INSERT INTO storage
  SELECT totals.package_id, totals.origin_id, blobs.month, count(*), blobs.size_bytes
  FROM releases INDEXED BY releases_by_checksum
  JOIN storage_totals AS totals ON totals.counted_id = releases.package_id
  JOIN needed_blobs AS blobs ON blobs.checksum = releases.checksum
  WHERE releases.checksum = NEW.checksum AND releases.deleted_at IS NULL
  GROUP BY totals.package_id, totals.origin_id
  ON CONFLICT DO UPDATE SET releases = releases + excluded.releases, bytes = bytes + excluded.bytes;
END;

-- Which releases need which releases: the TDEPS of every release that is not deleted, the other way round. `dependency` is the origin/name
-- of the needed release and `ident` all of it, in the depot or not; `package_id` is the package of the release that needs it. In this order
-- one index answers which packages need a package, and which releases of them need one of its releases.
CREATE TABLE release_dependencies (
  dependency TEXT    NOT NULL,
  target     TEXT    NOT NULL,
  package_id INTEGER NOT NULL REFERENCES packages (id),
  ident      TEXT    NOT NULL,
  release_id INTEGER NOT NULL REFERENCES releases (id),
  PRIMARY KEY (dependency, target, package_id, ident, release_id)
) STRICT, WITHOUT ROWID;

INSERT OR IGNORE INTO release_dependencies
SELECT
  substr(tdep.value, 1, instr(tdep.value, '/') + instr(substr(tdep.value, instr(tdep.value, '/') + 1), '/') - 1) AS dependency,
  releases.target,
  releases.package_id,
  tdep.value,
  releases.id
FROM releases
JOIN json_each(releases.tdeps) AS tdep
WHERE releases.deleted_at IS NULL
ORDER BY 1, 2, 3, 4, 5;

DROP TABLE dependents;

-- What Builder's lists, search and polls below a view's URL read.

-- Origins a view does not govern, as JSON: below its URL they answer from the channel asked for. The Supervisor's own binaries live there.
ALTER TABLE views ADD COLUMN ungoverned TEXT NOT NULL DEFAULT '["core","chef"]';

-- Lists read nothing but an index: rows are fat with manifests.
CREATE INDEX releases_listed ON releases (ident, visibility, package_id, target) WHERE deleted_at IS NULL;            -- idents by text
CREATE INDEX releases_of_package ON releases (package_id, target, visibility, version, ident) WHERE deleted_at IS NULL; -- versions, platforms
CREATE INDEX releases_not_public ON releases (package_id, target, ident) WHERE deleted_at IS NULL AND visibility <> 'public'; -- what polls must not betray
CREATE INDEX blobs_unneeded ON blobs (unreferenced_since) WHERE unreferenced_since IS NOT NULL;                       -- whose bytes may still be there

-- What was published before search and dependents were kept.
INSERT INTO package_words (rowid, words)
SELECT packages.id, origins.name || ' ' || packages.name FROM packages JOIN origins ON origins.id = packages.origin_id;

INSERT OR IGNORE INTO dependents (dependency, target, package_id)
SELECT substr(dep.value, 1, instr(dep.value, '/') + instr(substr(dep.value, instr(dep.value, '/') + 1), '/') - 1), releases.target, releases.package_id
FROM releases, json_each(releases.tdeps) AS dep WHERE releases.deleted_at IS NULL;

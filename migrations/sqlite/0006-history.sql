-- What makes reading a view's past as cheap as reading its present.

-- A line is a package for a target; here is every line a view ever pointed into, by name. A page of a view's contents walks along
-- it, with one seek into `pointers` or `members` for each line, however often the line moved. `package` is origin/name.
CREATE TABLE lines (
  view_id    INTEGER NOT NULL REFERENCES views (id),
  package    TEXT    NOT NULL,
  target     TEXT    NOT NULL,
  package_id INTEGER NOT NULL REFERENCES packages (id),
  PRIMARY KEY (view_id, package, target)
) STRICT, WITHOUT ROWID;

-- which revision a view was at, at a time
CREATE INDEX ledger_by_time ON ledger (view_id, at, revision) WHERE view_id IS NOT NULL AND revision IS NOT NULL;

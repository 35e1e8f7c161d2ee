-- What makes pages of lists as cheap as what they hold, however many releases there are.

-- The number of idents of each package in a view, or, with view_id 0, in the depot. An ident counts once, however many targets it was
-- published for, and it is public if it is public for one of them. Totals of lists are sums of these rows.
CREATE TABLE ident_counts (
  package_id    INTEGER NOT NULL REFERENCES packages (id),
  view_id       INTEGER NOT NULL,
  idents        INTEGER NOT NULL,
  public_idents INTEGER NOT NULL,
  PRIMARY KEY (package_id, view_id)
) STRICT, WITHOUT ROWID;

INSERT INTO ident_counts
SELECT package_id, 0, count(DISTINCT ident), count(DISTINCT iif(visibility = 'public', ident, NULL))
FROM releases
WHERE deleted_at IS NULL
GROUP BY package_id;

INSERT INTO ident_counts
SELECT package_id, view_id, count(DISTINCT ident), count(DISTINCT iif(visibility = 'public', ident, NULL))
FROM (
  SELECT members.package_id, members.view_id, releases.ident, releases.visibility
  FROM members
  JOIN releases ON releases.id = members.release_id
  WHERE members.to_revision IS NULL AND releases.deleted_at IS NULL
)
GROUP BY package_id, view_id;

-- Packages in the order of their idents: `a-b/1` comes before `a/1`.
CREATE INDEX packages_in_order ON packages (origin_id, name || '/');

-- Triggers keep the counts, so that no command that changes `releases` or `members` can forget to. Each one looks for the other targets
-- (`twins`) of the ident, which are few.
CREATE TRIGGER count_published AFTER INSERT ON releases WHEN NEW.deleted_at IS NULL BEGIN
  INSERT INTO ident_counts
  SELECT NEW.package_id, 0, count(*) = 0, NEW.visibility = 'public' AND count(*) FILTER (WHERE twins.visibility = 'public') = 0
  FROM releases AS twins INDEXED BY releases_listed
  WHERE twins.ident = NEW.ident AND twins.id <> NEW.id AND twins.deleted_at IS NULL
  ON CONFLICT DO UPDATE SET idents = idents + excluded.idents, public_idents = public_idents + excluded.public_idents;
END;

CREATE TRIGGER count_joined AFTER INSERT ON members WHEN NEW.to_revision IS NULL BEGIN
  INSERT INTO ident_counts
  SELECT
    NEW.package_id,
    NEW.view_id,
    count(its.release_id) = 0,
    releases.visibility = 'public' AND count(its.release_id) FILTER (WHERE twins.visibility = 'public') = 0
  FROM releases
  LEFT JOIN releases AS twins INDEXED BY releases_listed
    ON twins.ident = releases.ident AND twins.id <> releases.id AND twins.deleted_at IS NULL
  LEFT JOIN members AS its INDEXED BY members_by_release
    ON its.release_id = twins.id AND its.view_id = NEW.view_id AND its.to_revision IS NULL
  WHERE releases.id = NEW.release_id AND releases.deleted_at IS NULL
  GROUP BY releases.id
  ON CONFLICT DO UPDATE SET idents = idents + excluded.idents, public_idents = public_idents + excluded.public_idents;
END;

-- The row exists, so this subtracts.
CREATE TRIGGER count_left AFTER UPDATE OF to_revision ON members WHEN OLD.to_revision IS NULL AND NEW.to_revision IS NOT NULL BEGIN
  INSERT INTO ident_counts
  SELECT
    NEW.package_id,
    NEW.view_id,
    count(its.release_id) = 0,
    releases.visibility = 'public' AND count(its.release_id) FILTER (WHERE twins.visibility = 'public') = 0
  FROM releases
  LEFT JOIN releases AS twins INDEXED BY releases_listed
    ON twins.ident = releases.ident AND twins.id <> releases.id AND twins.deleted_at IS NULL
  LEFT JOIN members AS its INDEXED BY members_by_release
    ON its.release_id = twins.id AND its.view_id = NEW.view_id AND its.to_revision IS NULL
  WHERE releases.id = NEW.release_id AND releases.deleted_at IS NULL
  GROUP BY releases.id
  ON CONFLICT DO UPDATE SET idents = idents - excluded.idents, public_idents = public_idents - excluded.public_idents;
END;

-- In the depot and in every view that has the release. A closed view may have one that is deleted.
CREATE TRIGGER count_changed AFTER UPDATE OF visibility, deleted_at ON releases WHEN OLD.deleted_at IS NULL BEGIN
  UPDATE ident_counts
  SET
    idents = idents - (NEW.deleted_at IS NOT NULL AND twins = 0),
    public_idents = public_idents
      + iif(public_twins = 0, (NEW.deleted_at IS NULL AND NEW.visibility = 'public') - (OLD.visibility = 'public'), 0)
  FROM (
    SELECT
      places.view_id,
      count(twins.id) AS twins,
      count(twins.id) FILTER (WHERE twins.visibility = 'public') AS public_twins
    FROM (
      SELECT 0 AS view_id
      UNION ALL
      SELECT view_id FROM members INDEXED BY members_by_release WHERE release_id = NEW.id AND to_revision IS NULL
    ) AS places
    LEFT JOIN releases AS twins INDEXED BY releases_listed
      ON twins.ident = NEW.ident AND twins.id <> NEW.id AND twins.deleted_at IS NULL
      AND (places.view_id = 0 OR EXISTS (
        SELECT 1
        FROM members AS its INDEXED BY members_by_release
        WHERE its.release_id = twins.id AND its.view_id = places.view_id AND its.to_revision IS NULL
      ))
    GROUP BY places.view_id
  ) AS changed
  WHERE ident_counts.package_id = NEW.package_id AND ident_counts.view_id = changed.view_id;
END;

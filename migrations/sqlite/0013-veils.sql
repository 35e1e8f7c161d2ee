-- What was not public when it was deleted must not be betrayed by when `latest` moved: polls ask for that, too.
DROP INDEX releases_not_public;
CREATE INDEX releases_not_public ON releases (package_id, target, ident) WHERE visibility <> 'public'; -- what polls must not betray

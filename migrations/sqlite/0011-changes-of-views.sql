-- What makes reading the changes of a view as cheap as what changed, however much the view holds.

-- what joined and what left between two revisions: without these, a view's whole past is read for it
CREATE INDEX members_joined ON members (view_id, from_revision);
CREATE INDEX members_left ON members (view_id, to_revision) WHERE to_revision IS NOT NULL;

-- where a release was; members_by_release has where it is
CREATE INDEX members_before ON members (release_id, view_id, from_revision) WHERE to_revision IS NOT NULL;

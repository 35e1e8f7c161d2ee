-- Releases and keys of an upstream origin come from the upstream depot, and nobody else may add any.
ALTER TABLE origins ADD COLUMN is_upstream INTEGER NOT NULL DEFAULT 0 CHECK (is_upstream IN (0, 1));

-- The URL of the upstream depot from which the release was fetched; NULL for an upload.
ALTER TABLE releases ADD COLUMN source TEXT;

-- Settings of packages that were published before there were any, as their first upload would have made them.
INSERT INTO package_settings (package_id, visibility, owner_id, created_at, updated_at)
SELECT packages.id, origins.default_visibility, first.publisher_id, first.created_at, first.created_at
FROM packages
JOIN origins ON origins.id = packages.origin_id
JOIN releases AS first ON first.id = (SELECT min(id) FROM releases WHERE package_id = packages.id AND deleted_at IS NULL)
WHERE NOT EXISTS (SELECT 1 FROM package_settings WHERE package_id = packages.id);

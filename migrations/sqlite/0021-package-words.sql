-- The words of packages' names in a plain table, which every engine has. A search takes its last word as the beginning of one.
DROP TABLE package_words;

CREATE TABLE package_words (
  word       TEXT    NOT NULL,
  package_id INTEGER NOT NULL REFERENCES packages (id),
  PRIMARY KEY (word, package_id)
) STRICT, WITHOUT ROWID;

-- Words end at `-`. Names consist of letters, digits, `_` and `-`, so they need no escapes in JSON.
INSERT OR IGNORE INTO package_words
SELECT words.value, packages.id
FROM packages
JOIN origins ON origins.id = packages.origin_id
JOIN json_each('["' || replace(lower(origins.name || '-' || packages.name), '-', '","') || '"]') AS words
WHERE words.value <> ''
ORDER BY words.value, packages.id;

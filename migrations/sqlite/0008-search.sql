-- Finding packages by the words of their names, and by what depends on them.

-- One document per package, under its id: the words of origin and name. Only the words are indexed; releases are looked up by id.
CREATE VIRTUAL TABLE package_words USING fts5 (words, content = '', contentless_delete = 1, tokenize = "unicode61 tokenchars '_'");

-- Which packages' releases have which package among their TDEPS, for a target: dependents are told by name.
CREATE TABLE dependents (
  dependency TEXT    NOT NULL, -- origin/name
  target     TEXT    NOT NULL,
  package_id INTEGER NOT NULL REFERENCES packages (id),
  PRIMARY KEY (dependency, target, package_id)
) STRICT, WITHOUT ROWID;

CREATE INDEX dependents_of_package ON dependents (package_id, target); -- made anew when a release is deleted

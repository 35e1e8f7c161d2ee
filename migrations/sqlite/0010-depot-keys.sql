-- What lockfiles are signed with (lockfiles/depot-key.ts). `id` follows from the key; `public_key` is its 32 bytes in base64.

-- The depot's own. The one made last signs; those before it stay, because what they signed is still to be verified.
-- `sealed` is the private half (origins/secret-box.ts).
CREATE TABLE depot_keys (
  id         TEXT    PRIMARY KEY,
  public_key TEXT    NOT NULL,
  sealed     TEXT    NOT NULL,
  created_at INTEGER NOT NULL
) STRICT;

-- Keys of other depots, under names of this depot's own.
CREATE TABLE trusted_keys (
  name       TEXT    PRIMARY KEY,
  id         TEXT    NOT NULL,
  public_key TEXT    NOT NULL,
  created_at INTEGER NOT NULL
) STRICT;

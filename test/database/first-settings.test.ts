import BetterSqlite3 from 'better-sqlite3'
import { test } from 'tap'
import { migrate, readMigrations } from '../../src/database/migrate.ts'

const FOLDER = new URL('../../migrations/sqlite', import.meta.url).pathname

test('packages that were published before there were settings have those of their first upload', async (t) => {
  const migrations = readMigrations(FOLDER)
  const connection = new BetterSqlite3(':memory:')
  t.teardown(async () => void connection.close())
  migrate(connection, migrations.slice(0, 10), 1_000)
  const release = (id: number, packageId: number, publisher: number, deletedAt: number | null) =>
    connection
      .prepare(`INSERT INTO releases VALUES (${id}, ${packageId}, 'i${id}', 't', 'v', 'k', 'public', 'c', 1, 's', 1, ${publisher}, 'standard', NULL, NULL, ${id}, ${id}, ?, '', '', '[]', '', '', '', '')`)
      .run(deletedAt)
  connection.exec(`
    INSERT INTO accounts VALUES (1, 'admin', NULL, 1, 0, 0), (2, 'bob', NULL, 0, 0, 0);
    INSERT INTO origins (id, name, owner_id, default_visibility, created_at, updated_at) VALUES (1, 'acme', 1, 'private', 0, 0);
    INSERT INTO packages VALUES (1, 1, 'app'), (2, 1, 'set'), (3, 1, 'gone');
    INSERT INTO package_settings VALUES (2, 'public', 1, 7, 7);
    INSERT INTO blobs VALUES ('c', 1, 0, NULL)`)
  release(11, 1, 1, 99)
  release(12, 1, 2, null)
  release(13, 1, 1, null)
  release(14, 2, 2, null)
  release(15, 3, 2, 99)
  migrate(connection, migrations, 2_000)
  t.strictSame(connection.prepare('SELECT * FROM package_settings ORDER BY package_id').raw().all(), [[1, 'private', 2, 12, 12], [2, 'public', 1, 7, 7]])
})

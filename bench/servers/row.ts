import { createServer } from 'node:http'
import BetterSqlite3 from 'better-sqlite3'

// The yardstick of starts: node:http that answers every request with the release of one pointer, by
// better-sqlite3. `row.ts FILE PORT`.

const [file = '', port] = process.argv.slice(2)
const db = new BetterSqlite3(file, { readonly: true })
const find = db.prepare(
  `SELECT r.ident FROM lines l JOIN pointers p ON p.view_id = l.view_id AND p.package_id = l.package_id AND p.target = l.target
   JOIN releases r ON r.id = p.release_id WHERE l.view_id = 1 AND l.package = ? AND p.to_revision IS NULL`,
)
createServer((_request, response) => response.end(JSON.stringify(find.get('acme/lib00001')))).listen(
  Number(port),
  '127.0.0.1',
)
process.once('SIGTERM', () => process.exit())

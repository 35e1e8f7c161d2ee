import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import BetterSqlite3 from 'better-sqlite3'
import { serve } from './process.ts'

// The yardstick of pages: node:http with prepared statements, for the one origin and the one target that the
// depot has. `pages-by-hand.ts DATABASE ORIGIN TARGET` answers GET /channel, /latest, /search and /list with
// the bodies of the depot's first pages. Everything happens in one thread, and nobody's rights are checked.

const [file = '', origin = '', target = ''] = process.argv.slice(2)
const PAGE = 50
const db = new BetterSqlite3(file, { readonly: true })
const { id: unstable } = db
  .prepare<[], { id: number }>("SELECT id FROM views WHERE name = 'unstable'")
  .get() ?? { id: 0 }
const idents = { from: `${origin}/`, to: `${origin}0` }

interface IdentRow {
  readonly ident: string
}

const total = db.prepare<[string, number], { total: number }>(
  `SELECT sum(public_idents) AS total FROM origins CROSS JOIN packages CROSS JOIN ident_counts
   WHERE origins.name = ? AND packages.origin_id = origins.id AND ident_counts.package_id = packages.id AND ident_counts.view_id = ?`,
)
const channel = db.prepare<{ from: string; to: string }, IdentRow>(
  `SELECT ident FROM releases INDEXED BY releases_listed CROSS JOIN members INDEXED BY members_by_release
   WHERE ident > $from AND ident < $to AND deleted_at IS NULL AND visibility = 'public'
   AND members.release_id = releases.id AND members.view_id = ${unstable} AND members.to_revision IS NULL
   ORDER BY ident LIMIT ${PAGE}`,
)
const latest = db.prepare<{ from: string; to: string; target: string }, IdentRow>(
  `SELECT ident FROM lines CROSS JOIN pointers INDEXED BY pointers_current CROSS JOIN releases
   WHERE lines.view_id = ${unstable} AND lines.package > $from AND lines.package < $to AND lines.target = $target
   AND pointers.view_id = ${unstable} AND pointers.package_id = lines.package_id AND pointers.target = lines.target
   AND pointers.to_revision IS NULL AND releases.id = pointers.release_id AND releases.visibility = 'public'
   ORDER BY lines.package`,
)
const FOUND = "SELECT package_id FROM package_words WHERE word >= $origin AND word < $origin || '~'"
const totalFound = db.prepare<{ origin: string }, { total: number }>(
  `SELECT sum(public_idents) AS total FROM ident_counts WHERE package_id IN (${FOUND}) AND view_id = 0`,
)
const search = db.prepare<{ origin: string }, IdentRow>(
  `SELECT ident FROM releases INDEXED BY releases_listed
   WHERE deleted_at IS NULL AND visibility = 'public' AND package_id IN (${FOUND}) ORDER BY ident LIMIT ${PAGE}`,
)
const list = db.prepare<{ from: string; to: string }, IdentRow>(
  `SELECT ident FROM releases INDEXED BY releases_listed
   WHERE ident > $from AND ident < $to AND deleted_at IS NULL AND visibility = 'public' ORDER BY ident DESC LIMIT ${PAGE}`,
)
const places = db.prepare<[string], { target: string; view: string }>(
  `SELECT releases.target, views.name AS view FROM releases
   JOIN members ON members.release_id = releases.id AND members.to_revision IS NULL JOIN views ON views.id = members.view_id
   WHERE releases.ident = ? AND releases.deleted_at IS NULL ORDER BY views.name`,
)

const pages: Readonly<Record<string, () => object>> = {
  '/channel': () => page(channel.all(idents).map(wire), total.get(origin, unstable)?.total),
  '/latest': () => ({ channel: 'unstable', target, data: latest.all({ ...idents, target }).map(wire) }),
  '/search': () => page(search.all({ origin }).map(wire), totalFound.get({ origin })?.total),
  '/list': () => page(list.all(idents).map(describe), total.get(origin, 0)?.total),
}

function wire({ ident }: IdentRow) {
  const [of, name, version, release] = ident.split('/')
  return { origin: of, name, version, release }
}

function describe(row: IdentRow) {
  const its = places.all(row.ident)
  return {
    ...wire(row),
    channels: its.map(({ view }) => view),
    platforms: [...new Set(its.map((place) => place.target))],
  }
}

function page(data: readonly object[], count = 0): object {
  return { range_start: 0, range_end: data.length - 1, total_count: count, data }
}

const server = createServer((request, response) => {
  const body = Buffer.from(JSON.stringify(pages[request.url ?? '']?.()))
  response.writeHead(200, { 'content-type': 'application/json', 'content-length': body.length }).end(body)
})

server.listen(0, '127.0.0.1', () => {
  serve((server.address() as AddressInfo).port, async () => {
    server.close()
    server.closeAllConnections()
  })
})

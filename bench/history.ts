import { createHash } from 'node:crypto'
import { join } from 'node:path'
import BetterSqlite3 from 'better-sqlite3'
import { UNRESTRICTED_AUDIENCE } from '../src/access/access.ts'
import { SqliteEngine } from '../src/database/sqlite/engine.ts'
import type { Db } from '../src/database/database.ts'
import { verifyDepot } from '../src/audit/verify.ts'
import { listPointersAt } from '../src/revisions/content-store.ts'
import { listDifferences } from '../src/revisions/diff-store.ts'
import { getView } from '../src/revisions/view-store.ts'
import type { View } from '../src/views/view.ts'
import { byTurns, formatResults, spreadOf } from './results.ts'
import type { Measurement, Results } from './results.ts'
import { fillWithHistory, REVISIONS, TARGET } from './fillings/filling.ts'
import { openScratch } from './scratch.ts'

// Measures reads of the past: a view of 10,000 pointers and 10,000 revisions is read at past revisions and
// compared with the present. The yardstick is handwritten statements that read the same rows. Also measures
// verifying a ledger, against hashing its texts.

const PAGE = 100
const READ_ROUNDS = 15
const VERIFY_ROUNDS = 7

export async function measureHistory(): Promise<Results> {
  await using scratch = await openScratch()
  const file = join(scratch.path, 'depot.sqlite')
  await fillWithHistory(file)
  const snapshot = await new SqliteEngine(file).openSnapshot()
  using bare = { db: new BetterSqlite3(file, { readonly: true }), [Symbol.dispose]: () => bare.db.close() }
  try {
    const view = await getView(snapshot.reader, 'delivered')
    const reads = historyReads(snapshot.reader, bare.db, view)
    const measurements: Measurement[] = []
    for (const read of reads) measurements.push(await measureRead(read))
    measurements.push(await measureVerify(file, bare.db))
    return { measurements, limits: [], missing: [] }
  } finally {
    await snapshot.close()
  }
}

interface Read {
  readonly name: string
  readonly depot: () => Promise<{ length: number }>
  readonly yardstick: () => { length: number }
  readonly repeats: number
}

function historyReads(db: Db, bare: BetterSqlite3.Database, view: View): Read[] {
  const page = bare.prepare(
    `SELECT l.package, l.target, r.ident, p.from_revision, e.at FROM lines l CROSS JOIN pointers p JOIN releases r ON r.id = p.release_id
     JOIN ledger e ON e.view_id = p.view_id AND e.revision = p.from_revision
     WHERE l.view_id = ? AND p.view_id = l.view_id AND p.package_id = l.package_id AND p.target = l.target AND l.package > ?
     AND p.from_revision <= ? AND (p.to_revision IS NULL OR p.to_revision > ?) ORDER BY l.package, l.target LIMIT ?`,
  )
  const different = (narrowed: string) =>
    bare.prepare(
      `SELECT p.package_id, a.ident, b.ident AS other FROM pointers p JOIN releases a ON a.id = p.release_id
       LEFT JOIN pointers q ON q.view_id = p.view_id AND q.package_id = p.package_id AND q.target = p.target AND q.to_revision IS NULL
       LEFT JOIN releases b ON b.id = q.release_id
       WHERE p.view_id = $view AND p.from_revision <= $revision AND (p.to_revision IS NULL OR p.to_revision > $revision) AND b.ident IS NOT a.ident
       ${narrowed} LIMIT $limit`,
    )
  const all = different('')
  const changed = different(
    'AND p.package_id IN (SELECT package_id FROM members WHERE view_id = $view AND from_revision > $revision)',
  )
  const asked = (revision: number, limit: number) => ({ view: view.id, revision, limit })
  const middle = REVISIONS / 2
  const now = { view, revision: view.revision }
  const diffFrom = (revision: number, limit: number) =>
    listDifferences(db, { from: { view, revision }, to: now }, { limit }, UNRESTRICTED_AUDIENCE)
  const after = 'acme/lib05000'
  return [
    {
      name: `content at a revision, a page of ${PAGE}`,
      depot: () =>
        listPointersAt(db, view, middle, { limit: PAGE, after: [after, TARGET] }, UNRESTRICTED_AUDIENCE),
      yardstick: () => page.all(view.id, after, middle, middle, PAGE),
      repeats: 50,
    },
    {
      name: 'diff since 50 revisions ago',
      depot: () => diffFrom(view.revision - 50, 1_000),
      yardstick: () => changed.all(asked(view.revision - 50, 1_000)),
      repeats: 10,
    },
    {
      name: `diff since ${middle} revisions ago, a page of ${PAGE}`,
      depot: () => diffFrom(middle, PAGE),
      yardstick: () => all.all(asked(middle, PAGE)),
      repeats: 10,
    },
    {
      name: 'diff in which few of 10,000 differ after 2,000 revisions',
      depot: () => diffFrom(view.revision - 2_000, 1_000),
      yardstick: () => all.all(asked(view.revision - 2_000, 1_000)),
      repeats: 2,
    },
  ]
}

async function measureRead({ name, depot, yardstick, repeats }: Read): Promise<Measurement> {
  const timed = async (read: () => unknown) => {
    const begun = performance.now()
    for (let repeat = 0; repeat < repeats; repeat += 1) await read()
    return (performance.now() - begun) / repeats
  }
  const found = { depot: (await depot()).length, yardstick: yardstick().length }
  if (found.depot !== found.yardstick)
    throw new Error(`${name}: the depot finds ${found.depot} and the yardstick ${found.yardstick}`)
  const samples = await byTurns(READ_ROUNDS, { depot: () => timed(depot), yardstick: () => timed(yardstick) })
  return {
    name,
    unit: 'ms',
    depot: spreadOf(samples.depot),
    yardstick: { name: 'a prepared statement', ...spreadOf(samples.yardstick) },
  }
}

async function measureVerify(file: string, bare: BetterSqlite3.Database): Promise<Measurement> {
  const count = Number(bare.prepare('SELECT count(*) FROM ledger').pluck().get())
  const per10000 = (begun: number) => ((performance.now() - begun) / count) * 10_000
  const samples = await byTurns(VERIFY_ROUNDS, {
    depot: async () => {
      const begun = performance.now()
      const snapshot = await new SqliteEngine(file).openSnapshot()
      const { findingCount } = await verifyDepot(snapshot.reader)
      await snapshot.close()
      if (findingCount > 0) throw new Error(`verify found ${findingCount} differences in what the bench made`)
      return per10000(begun)
    },
    yardstick: async () => {
      const begun = performance.now()
      let hash = ''
      for (const { salt, text } of bare
        .prepare<[], { salt: string; text: string }>('SELECT salt, text FROM ledger ORDER BY sequence')
        .iterate()) {
        hash = createHash('sha256')
          .update(
            hash +
              createHash('sha256')
                .update(salt + text)
                .digest('hex'),
          )
          .digest('hex')
      }
      return per10000(begun)
    },
  })
  return {
    name: 'verify, 10,000 entries',
    unit: 'ms',
    depot: spreadOf(samples.depot),
    yardstick: { name: 'sha256 of the texts', ...spreadOf(samples.yardstick) },
  }
}

if (process.argv[1] === import.meta.filename) console.log(formatResults(await measureHistory()))

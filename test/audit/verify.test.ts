import { copyFile, mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import BetterSqlite3 from 'better-sqlite3'
import tap, { test } from 'tap'
import { sqliteFileOf } from '../../src/config/database.ts'
import { SqliteEngine } from '../../src/database/sqlite/engine.ts'
import { link } from '../../src/ledger/chain.ts'
import { findHead } from '../../src/ledger/ledger-store.ts'
import { MAX_FINDINGS, verifyDepot } from '../../src/audit/verify.ts'
import type { Verification } from '../../src/audit/verify.ts'
import { makeManyReleases, moveAtRandom } from '../support/views/random-moves.ts'
import { announce, makeReleases, move } from '../support/release-rows.ts'
import { START, startDepot } from '../support/start-depot.ts'

// A depot after a random run that is the same each time, and copies of its database that were tampered with.

const folder = await mkdtemp(join(tmpdir(), 'hart-depot-verify-'))
tap.teardown(() => rm(folder, { recursive: true, force: true }))
const started = await startDepot(tap)
const actor = { client: 'tests', door: 'cli' } as const
const { releases } = await makeManyReleases(started)
for (const [seed, rule] of (['promoted', 'highest'] as const).entries())
  await moveAtRandom(started, rule, { rule, releases, moves: 25, seed: seed + 1 })
await moveAtRandom(started, 'both', { rule: 'highest', setsRules: true, releases, moves: 25, seed: 3 })
const libraries = await Promise.all(
  Array.from({ length: 150 }, (_, index) => makeReleases(started, `acme/lib${index}/1.0.0/20260101000000`)),
)
await move(started, 'promote', 'delivered', libraries.flat())
await makeReleases(started, 'acme/lib1/1.0.1/20260101000000')
await started.depot.writer.submit({
  kind: 'adoptOrigin',
  input: { origin: 'core', upstream: 'https://bldr.example' },
  actor,
})
await announce(started, 'core', { ident: 'core/glibc/2.40/20260101000000', checksum: 'ab'.repeat(32) })
for (const life of [1, 2]) {
  await started.depot.writer.submit({
    kind: 'declareChannel',
    input: { origin: 'acme', name: 'gone', ownerId: 1 },
    actor,
  })
  await move(started, 'promote', 'gone', await makeReleases(started, `acme/mayfly/${life}/20260101000000`))
  await started.depot.writer.submit({ kind: 'removeChannel', input: { origin: 'acme', name: 'gone' }, actor })
}
await started.depot.writer.submit({ kind: 'setView', input: { view: 'union', ungoverned: ['core'] }, actor })
await started.depot.writer.submit({
  kind: 'setGates',
  input: { view: 'rehearsal', gates: { downgrade: 'refuse', requires: [{ view: 'union', as: 'member' }] } },
  actor,
})
for (const view of ['union', 'rehearsal'])
  await started.depot.writer.submit({ kind: 'freeze', input: { view, reason: 'the day of the fair' }, actor })
for (const only of [{ origin: 'acme', name: 'lib7' }, { origin: 'other' }, { name: 'lib7' }]) {
  await started.depot.writer.submit({
    kind: 'freeze',
    input: { view: 'delivered', ...only, reason: 'a part', until: START + 1e12 },
    actor,
  })
  await started.depot.writer.submit({ kind: 'freezeAll', input: { ...only, reason: 'a part of all' }, actor })
}
await started.depot.writer.submit({ kind: 'thaw', input: { view: 'delivered', origin: 'other' }, actor })
await started.depot.writer.submit({ kind: 'thawAll', input: { name: 'lib7' }, actor })
await started.depot.writer.submit({ kind: 'thaw', input: { view: 'union' }, actor })
// a release that was deleted and published again has two rows of one name
await started.depot.writer.submit({
  kind: 'deleteRelease',
  input: { ident: 'acme/mayfly/2/20260101000000', target: 'x86_64-linux' },
  actor,
})
await makeReleases(started, 'acme/mayfly/2/20260101000000')
for (const mark of ['yanked', 'deprecated', 'held'] as const)
  await started.depot.writer.submit({
    kind: 'markRelease',
    input: { ident: 'acme/lib9/1.0.0/20260101000000', target: 'x86_64-linux', mark, reason: 'it loses data' },
    actor,
  })
await started.depot.writer.submit({
  kind: 'unmarkRelease',
  input: { ident: 'acme/lib9/1.0.0/20260101000000', target: 'x86_64-linux', mark: 'deprecated' },
  actor,
})
for (const scope of [
  { of: 'depot' },
  { of: 'origin', origin: 'acme' },
  { of: 'package', package: 'acme/lib1' },
  { of: 'view', view: 'union' },
] as const)
  await started.depot.writer.submit({
    kind: 'setRetention',
    input: { scope, rule: { keepLast: 3 } },
    actor,
  })
await started.depot.writer.submit({
  kind: 'setRetention',
  input: { scope: { of: 'depot' }, rule: undefined },
  actor,
})
for (const revision of [1, 2])
  await started.depot.writer.submit({
    kind: 'pinRevision',
    input: { view: 'promoted', revision, reason: 'the fair' },
    actor,
  })
await started.depot.writer.submit({ kind: 'unpinRevision', input: { view: 'promoted', revision: 2 }, actor })
const locked = await started.depot.db
  .selectFrom('releases')
  .select(['ident', 'target', 'checksum'])
  .where('ident', 'like', 'acme/lib1%')
  .where('deleted_at', 'is', null)
  .orderBy('ident', 'desc')
  .execute()
for (const name of ['fair', 'gone'])
  await started.depot.writer.submit({
    kind: 'registerLockfile',
    input: { name, digest: '00', view: 'union', revision: 1, releases: locked },
    actor,
  })
await started.depot.writer.submit({ kind: 'unregisterLockfile', input: { name: 'gone' }, actor })
const { publicId } = await started.depot.writer.submit({
  kind: 'recordChange',
  input: { project: 'acme/lib1', change: 'c1', commit: 'c1', branch: 'main', targets: ['x86_64-linux'] },
  actor,
})
for (const [ident, isRebuild] of [
  ['acme/lib1/1.0.0/20260101000000', false],
  ['acme/lib1/1.0.1/20260101000000', true],
] as const) {
  await started.depot.writer.submit({
    kind: 'addChangeRelease',
    input: { change: publicId, ident, isRebuild },
    actor,
  })
  for (const status of ['running', 'passed'] as const)
    await started.depot.writer.submit({
      kind: 'reportPhase',
      input: { change: publicId, phase: 'smoke', view: 'delivered', status, message: ident },
      actor,
    })
}
await started.depot.writer.submit({
  kind: 'reportPhase',
  input: { change: publicId, phase: 'unit', status: 'skipped' },
  actor,
})
const head = await findHead(started.depot.db)
const original = join(folder, 'original.sqlite')
new BetterSqlite3(sqliteFileOf(started.depot.config)).exec(`VACUUM INTO '${original}'`).close()

async function verify(file: string): Promise<Verification> {
  const snapshot = await new SqliteEngine(file).openSnapshot()
  try {
    return await verifyDepot(snapshot.reader)
  } finally {
    await snapshot.close()
  }
}

/** Returns the findings in a copy after `tamper` has changed it. */
async function findingsAfter(tamper: (db: BetterSqlite3.Database) => unknown): Promise<string[]> {
  const file = join(folder, 'tampered.sqlite')
  await copyFile(original, file)
  const db = new BetterSqlite3(file)
  db.pragma('foreign_keys = OFF')
  tamper(db)
  db.close()
  return (await verify(file)).findings.map(({ place, detail }) => `${place}: ${detail}`)
}

const someEntry = (db: BetterSqlite3.Database, kind = 'promotion') =>
  Number(
    db
      .prepare('SELECT sequence FROM ledger WHERE kind = ? ORDER BY sequence DESC LIMIT 1 OFFSET 3')
      .pluck()
      .get(kind),
  )
/** Returns a row of the history of the view `promoted`. */
const past = (table: string) =>
  `WHERE (view_id, package_id, from_revision) = (SELECT view_id, package_id, from_revision FROM ${table}
   WHERE to_revision > from_revision + 1 AND view_id = (SELECT id FROM views WHERE name = 'promoted') LIMIT 1)`
const number = (db: BetterSqlite3.Database, query: string) => Number(db.prepare(query).pluck().get())

test('after random changes, a depot agrees with its ledger at every revision', async (t) => {
  const {
    entries,
    promotions,
    views,
    members,
    pointers,
    findings,
    findingCount,
    head: end,
  } = await verify(original)
  t.strictSame(findings, [])
  t.equal(findingCount, 0)
  t.strictSame(end, head)
  t.equal(entries, head.sequence)
  t.equal(views, 11)
  const db = new BetterSqlite3(original, { readonly: true })
  t.strictSame(
    { promotions, members, pointers },
    {
      promotions: number(db, "SELECT count(*) FROM ledger WHERE kind = 'promotion'"),
      members: number(db, 'SELECT count(*) FROM members'),
      pointers: number(db, 'SELECT count(*) FROM pointers'),
    },
  )
  db.close()
})

test('an empty database agrees with its ledger', async (t) => {
  t.strictSame(
    await findingsAfter((db) => {
      db.exec('UPDATE origins SET is_upstream = 0')
      return [
        'pointers',
        'lines',
        'members',
        'pins',
        'registered_releases',
        'registered_lockfiles',
        'retention_rules',
        'ident_counts',
        'storage',
        'change_phases',
        'change_releases',
        'changes',
        'releases',
        'ledger',
        'views',
        'depot_state',
      ].map((table) => db.exec(`DELETE FROM ${table}`))
    }),
    [],
  )
})

test('every manipulation of the ledger is reported at its entry', async (t) => {
  const ways: Record<string, [change: (db: BetterSqlite3.Database) => unknown, ...expected: RegExp[]]> = {
    'a text': [
      (db) => db.exec(`UPDATE ledger SET text = replace(text, 'acme', 'evil') WHERE sequence = 12`),
      /^entry 12: its digest does not match its salt and text/,
    ],
    'a salt': [
      (db) => db.exec(`UPDATE ledger SET salt = upper(salt) || '0' WHERE sequence = 12`),
      /^entry 12: its digest does not match/,
    ],
    'a digest': [
      (db) =>
        db.exec(`UPDATE ledger SET digest = replace(digest, substr(digest, 1, 1), 'z') WHERE sequence = 12`),
      /^entry 12: its digest does not match/,
    ],
    'a hash': [
      (db) => db.exec(`UPDATE ledger SET hash = '${'0'.repeat(64)}' WHERE sequence = 12`),
      /^entry 12: its hash does not follow/,
      /^entry 13: its hash does not follow/,
    ],
    'a text, with a digest and a hash that fit': [
      (db) => {
        const hash = String(db.prepare('SELECT hash FROM ledger WHERE sequence = 11').pluck().get())
        const text = String(db.prepare('SELECT text FROM ledger WHERE sequence = 12').pluck().get()).replace(
          '"client":"tests"',
          '"client":"nobody"',
        )
        const made = link({ sequence: 11, hash, at: 0 }, text)
        db.prepare('UPDATE ledger SET text = ?, salt = ?, digest = ?, hash = ? WHERE sequence = 12').run(
          text,
          made.salt,
          made.digest,
          made.hash,
        )
      },
      /^entry 13: its hash does not follow from its digest and the previous hash$/,
    ],
    'an entry that is gone': [
      (db) => db.exec('DELETE FROM ledger WHERE sequence = 12'),
      /^entry 13: entry 12 is missing$/,
    ],
    'several that are gone': [
      (db) => db.exec('DELETE FROM ledger WHERE sequence IN (12, 13)'),
      /^entry 14: entries 12 to 13 are missing$/,
    ],
    'one that is gone, and the rest renumbered': [
      (db) =>
        db.exec(
          'DELETE FROM ledger WHERE sequence = 12; UPDATE ledger SET sequence = -sequence WHERE sequence > 12; UPDATE ledger SET sequence = -sequence - 1 WHERE sequence < 0',
        ),
      /^entry 12: its hash does not follow/,
    ],
    'two that changed places': [
      (db) =>
        db.exec(
          'UPDATE ledger SET sequence = -12 WHERE sequence = 12; UPDATE ledger SET sequence = 12 WHERE sequence = 13; UPDATE ledger SET sequence = 13 WHERE sequence = -12',
        ),
      /^entry 12: its hash does not follow/,
      /^entry 13: its hash does not follow/,
    ],
    'a text that is no JSON': [
      (db) => db.exec(`UPDATE ledger SET text = '{' WHERE sequence = 12`),
      /^entry 12: its digest/,
      /^entry 12: its text is not a ledger entry$/,
    ],
    'a promotion that lists nothing': [
      (db) =>
        db.exec(`UPDATE ledger SET text = json_remove(text, '$.joined') WHERE sequence = ${someEntry(db)}`),
      /^entry \d+: its text is not a ledger entry$/,
    ],
    'a time': [
      (db) => db.exec('UPDATE ledger SET at = 5 WHERE sequence = 12'),
      /^entry 12: it is earlier than the previous entry$/,
      /^entry 12: its column at differs/,
    ],
    'the last entries, which are gone': [
      (db) =>
        db.exec(
          "DELETE FROM ledger WHERE sequence >= (SELECT max(sequence) FROM ledger WHERE kind = 'promotion')",
        ),
      /^unstable: its row has revision (\d+), but the ledger has \d+$/,
    ],
  }
  for (const [way, [change, ...expected]] of Object.entries(ways)) {
    const findings = await findingsAfter(change)
    for (const pattern of expected)
      t.ok(
        findings.some((finding) => pattern.test(finding)),
        `${way}: ${String(pattern)} among ${findings.slice(0, 5).join(' | ')}`,
      )
  }
})

test('a column that differs from its text is reported by name', async (t) => {
  const columns: Record<string, (db: BetterSqlite3.Database) => unknown> = {
    kind: (db) => db.exec(`UPDATE ledger SET kind = 'view-created' WHERE sequence = ${someEntry(db)}`),
    at: (db) => db.exec(`UPDATE ledger SET at = at + 1 WHERE sequence = ${someEntry(db)}`),
    account_id: (db) => db.exec(`UPDATE ledger SET account_id = 1 WHERE sequence = ${someEntry(db)}`),
    view_id: (db) => db.exec(`UPDATE ledger SET view_id = NULL WHERE sequence = ${someEntry(db)}`),
    revision: (db) => db.exec(`UPDATE ledger SET revision = 999 WHERE sequence = ${someEntry(db)}`),
    origin_id: (db) =>
      db.exec(`UPDATE ledger SET origin_id = 99 WHERE sequence = ${someEntry(db, 'release-published')}`),
    release_id: (db) =>
      db.exec(
        `UPDATE ledger SET release_id = (SELECT max(id) - 5 FROM releases) WHERE sequence = ${someEntry(db)}`,
      ),
  }
  for (const [column, change] of Object.entries(columns)) {
    const findings = await findingsAfter(change)
    t.match(
      findings.find((finding) => finding.includes('column')),
      new RegExp(`^entry \\d+: its column ${column} differs from its text$`),
      column,
    )
  }
})

test('every manipulation of rows of views is reported by view', async (t) => {
  const ways: Record<string, [change: string, ...expected: RegExp[]]> = {
    'where a pointer was': [
      `UPDATE pointers SET release_id = (SELECT max(id) FROM releases) ${past('pointers')}`,
      /^promoted: only the ledger has latest of acme\/\S+ x86\S+ at acme\/\S+ x86\S+, from revision \d+ until \d+$/,
      /^promoted: only the rows have latest of acme\/\S+ x86\S+ at acme\/mayfly\/\S+ x86\S+, from revision/,
    ],
    'the rules that it had': [
      "UPDATE views SET past_rules = '[]' WHERE name = 'both'",
      /^both: its row has past_rules \[\], but the ledger has \[\{"rule":"highest","until":\d+\}/,
    ],
    'a release whose bytes never came': [
      "UPDATE releases SET is_announced = 1 WHERE ident = 'acme/lib9/1.0.0/20260101000000'",
      /^the depot: only the rows have acme\/lib9\/1.0.0\/20260101000000 \(x86_64-linux\) as announced$/,
    ],
    'a release that upstream announced': [
      "UPDATE releases SET is_announced = 0 WHERE ident LIKE 'core/%'",
      /^the depot: only the ledger has core\/glibc\/2.40\/20260101000000 \(x86_64-linux\) as announced$/,
    ],
    'the origins that it does not govern': [
      `UPDATE views SET ungoverned = '["core","chef"]' WHERE name = 'union'`,
      /^union: its row has ungoverned \["core","chef"\], but the ledger has \["core"\]$/,
    ],
    'an origin that would accept no uploads': [
      "UPDATE origins SET is_upstream = 1 WHERE name = 'acme'",
      /^the depot: only the rows have acme as an upstream origin$/,
    ],
    'when a pointer moved': [
      `UPDATE pointers SET to_revision = to_revision - 1 ${past('pointers')}`,
      /^promoted: only the ledger has latest of/,
      /^promoted: only the rows have latest of/,
    ],
    'a pointer that is gone': [
      `DELETE FROM pointers ${past('pointers')}`,
      /^promoted: only the ledger has latest of/,
    ],
    'a pointer of another package': [
      `UPDATE pointers SET package_id = (SELECT max(id) FROM packages) ${past('pointers')}`,
      /^promoted: only the rows have latest of acme\/mayfly/,
    ],
    'a place among the members': [
      `UPDATE members SET position = 77 ${past('members')}`,
      /^promoted: only the rows have the member acme\/\S+ x86\S+ of acme\/\S+, from revision \d+ until \d+, in place 77$/,
    ],
    'when a member left': [
      `UPDATE members SET to_revision = to_revision - 1 ${past('members')}`,
      /^promoted: only the rows have the member/,
      /^promoted: only the ledger has the member/,
    ],
    'a member that is gone': [
      `DELETE FROM members ${past('members')}`,
      /^promoted: only the ledger has the member/,
    ],
    'a member that nobody promoted': [
      `INSERT INTO members SELECT (SELECT id FROM views WHERE name = 'base'), package_id, id, 1, 0, NULL, 0 FROM releases WHERE ident = 'acme/lib7/1.0.0/20260101000000'`,
      /^base: only the rows have the member acme\/lib7\/1\.0\.0\/\S+ x86_64-linux of acme\/lib7, from revision 1 on, in place 0$/,
    ],
    'a line': [
      `DELETE FROM lines WHERE package = 'acme/lib7' AND view_id = (SELECT id FROM views WHERE name = 'delivered')`,
      /^delivered: only the ledger has the line acme\/lib7 x86_64-linux$/,
    ],
    'the package of a line': [
      `UPDATE lines SET package_id = (SELECT max(id) FROM packages) WHERE package = 'acme/lib7'`,
      /^delivered: only the rows have the line acme\/lib7 x86_64-linux, whose row refers to the package acme\/mayfly$/,
    ],
    'a yanked member that latest skips': [
      `UPDATE members SET is_skipped = 0 WHERE is_skipped = 1 AND to_revision IS NULL AND view_id = (SELECT id FROM views WHERE name = 'unstable')`,
      /^unstable: only the ledger has the member acme\/lib9\/\S+ x86_64-linux of acme\/lib9, from revision \d+ on, in place 0, skipped by latest$/,
      /^unstable: only the rows have the member acme\/lib9\/\S+ x86_64-linux of acme\/lib9, from revision \d+ on, in place 0$/,
    ],
    'the reason of a yank': [
      `UPDATE releases SET yanked = replace(yanked, 'loses', 'keeps') WHERE ident LIKE 'acme/lib9/%'`,
      /^the depot: only the ledger has acme\/lib9\/\S+ .*x86_64-linux.* as yanked since \S+: it loses data$/,
      /^the depot: only the rows have acme\/lib9\/\S+ .*x86_64-linux.* as yanked since \S+: it keeps data$/,
    ],
    'a hold': [
      `UPDATE releases SET held = NULL WHERE ident LIKE 'acme/lib9/%'`,
      /^the depot: only the ledger has acme\/lib9\/\S+ .*as held since/,
    ],
    'a retention rule': [
      `UPDATE retention_rules SET rule = '{"keepLast":1}' WHERE scope = 'package acme/lib1'`,
      /^the depot: only the ledger has the retention rule of package acme\/lib1 since \S+: \{"keepLast":3\}$/,
      /^the depot: only the rows have the retention rule of package acme\/lib1 since \S+: \{"keepLast":1\}$/,
    ],
    'a pin': [
      `DELETE FROM pins`,
      /^the depot: only the ledger has the pinned revision promoted@1 since \S+: the fair$/,
    ],
    'a release of a registered lockfile': [
      `DELETE FROM registered_releases WHERE release_id = (SELECT max(release_id) FROM registered_releases)`,
      /^the depot: only the ledger has the registered lockfile fair since/,
      /^the depot: only the rows have the registered lockfile fair since/,
    ],
    "a view's revision": [
      `UPDATE views SET revision = 7 WHERE name = 'promoted'`,
      /^promoted: its row has revision 7, but the ledger has \d+$/,
    ],
    "a view's rule": [
      `UPDATE views SET rule = 'highest' WHERE name = 'promoted'`,
      /^promoted: its row has rule highest, but the ledger has promoted$/,
    ],
    "a view's maker": [
      `UPDATE views SET maker = 'client' WHERE name = 'promoted'`,
      /^promoted: its row has maker client, but the ledger has operator$/,
    ],
    "a view's gates": [
      `UPDATE views SET gates = '{}' WHERE name = 'rehearsal'`,
      /^rehearsal: its row has gates \{\}, but the ledger has \{"downgrade":"refuse"/,
    ],
    'a view that was frozen': [
      `UPDATE views SET freeze = NULL WHERE name = 'rehearsal'`,
      /^rehearsal: its row has freeze empty, but the ledger has \[\{"reason":"the day of the fair"/,
    ],
    'a freeze of some packages': [
      `UPDATE views SET freeze = replace(freeze, 'lib7', 'lib8') WHERE name = 'delivered'`,
      /^delivered: its row has freeze \[\{"origin":"acme","name":"lib8",.* but the ledger has \[\{"origin":"acme","name":"lib7"/,
    ],
    'the freezes of every view': [
      `DELETE FROM depot_state WHERE name = 'freezes'`,
      /^every view: the rows have the freezes empty, but the ledger has \[\{"origin":"acme","name":"lib7","reason":"a part of all"/,
    ],
    'how many idents a list has': [
      `UPDATE ident_counts SET public_idents = 3 WHERE package_id = (SELECT id FROM packages WHERE name = 'lib7')`,
      /^delivered: the stored count is 1 ident of acme\/lib7, 3 of them public, which is wrong$/,
      /^the depot: there is 1 ident of acme\/lib7, 1 of them public, but the stored count differs$/,
    ],
    'how much a package takes': [
      `UPDATE storage SET bytes = 7 WHERE package_id = (SELECT id FROM packages WHERE name = 'lib7')`,
      /^the depot: the stored size is 1 release of acme\/lib7 with 7 bytes of 2026-01, which is wrong$/,
      /^the depot: there is 1 release of acme\/lib7 with 1 byte of 2026-01, but the stored size differs$/,
    ],
    'a view that shows another': [
      `UPDATE views SET base_id = 1 WHERE name = 'rehearsal'`,
      /^rehearsal: its row has base unstable, but the ledger has empty$/,
    ],
    'a view that was opened': [
      `UPDATE views SET closed_at = NULL WHERE name = 'gone'`,
      /^gone: its row has closed_at empty, but the ledger has \d+$/,
    ],
    'a view that nobody made': [
      `UPDATE views SET name = 'forged' WHERE name = 'base'`,
      /^forged: this view has a row, but no entry creates it$/,
      /^base: the ledger creates this view, but it has no row$/,
    ],
    'a release of the same name': [
      `UPDATE members SET release_id = (SELECT max(id) FROM releases WHERE ident LIKE 'acme/mayfly/2/%')
       WHERE release_id = (SELECT min(id) FROM releases WHERE ident LIKE 'acme/mayfly/2/%') AND view_id = (SELECT id FROM views WHERE name = 'gone')`,
      /^gone: the row of acme\/mayfly\/2\/20260101000000 that begins at revision 3 refers to a release that was not a member then, for example a deleted one with the same ident$/,
    ],
  }
  for (const [way, [change, ...expected]] of Object.entries(ways)) {
    const findings = await findingsAfter((db) => db.exec(change))
    for (const pattern of expected)
      t.ok(
        findings.some((finding) => pattern.test(finding)),
        `${way}: ${String(pattern)} among ${findings.slice(0, 5).join(' | ')}`,
      )
    t.notOk(
      findings.some((finding) => /^entry .*(hash|digest|missing)/.test(finding)),
      `${way}: the ledger is whole`,
    )
  }
})

/** Rewrites the history with a valid chain. */
function rewriteAll(db: BetterSqlite3.Database): void {
  let last = { sequence: 0, hash: '0'.repeat(64), at: 0 }
  const rows = db
    .prepare<[], { sequence: number; at: number; text: string; salt: string }>(
      'SELECT sequence, at, text, salt FROM ledger ORDER BY sequence',
    )
    .all()
  const update = db.prepare('UPDATE ledger SET text = ?, digest = ?, hash = ? WHERE sequence = ?')
  for (const { sequence, at, text, salt } of rows) {
    const changed = text.replaceAll('acme/lib7/1.0.0', 'acme/lib7/6.6.6')
    const made = link(last, changed, salt)
    update.run(changed, made.digest, made.hash, sequence)
    last = { sequence, hash: made.hash, at }
  }
}

test('a rewritten chain contradicts the rows, and the head that was noted before', async (t) => {
  const findings = await findingsAfter(rewriteAll)
  t.notOk(
    findings.some((finding) => finding.includes('hash')),
    'the chain itself is sound',
  )
  t.ok(
    findings.some((finding) =>
      finding.startsWith('delivered: only the ledger has the member acme/lib7/6.6.6/'),
    ),
  )
  const { head: end } = await verify(join(folder, 'tampered.sqlite'))
  t.equal(end.sequence, head.sequence)
  t.not(end.hash, head.hash)
})

test('pointers that contradict the rule of their view are reported, even where rows and ledger agree', async (t) => {
  const findings = await findingsAfter((db) => {
    db.exec(
      `UPDATE ledger SET text = json_set(text, '$.rule', 'highest') WHERE kind = 'view-created' AND text LIKE '%"view":"promoted"%'`,
    )
    db.exec(`UPDATE views SET rule = 'highest' WHERE name = 'promoted'`)
  })
  t.ok(
    findings.some((finding) =>
      /^promoted: latest of acme\/\S+ \S+ is \S+ but should be acme\/\S+, because the view's rule is highest$/.test(
        finding,
      ),
    ),
    findings.join(' | '),
  )
})

test('of very many differences the first are listed and the others are counted', async (t) => {
  await findingsAfter((db) => db.exec(`UPDATE members SET position = position + 500`))
  const { findings, findingCount } = await verify(join(folder, 'tampered.sqlite'))
  t.equal(findings.length, MAX_FINDINGS)
  t.ok(findingCount > MAX_FINDINGS, `${findingCount}`)
})

test('every manipulation of a change record is reported at the change', async (t) => {
  const ways: Record<string, [sql: string, ...expected: RegExp[]]> = {
    'another commit': [
      "UPDATE changes SET commit_id = 'evil'",
      /only the ledger has the change .*"commit_id":"c1"/,
      /only the rows have the change .*"commit_id":"evil"/,
    ],
    'another origin': [
      'UPDATE changes SET origin_id = origin_id + 1',
      /only the ledger has the change/,
      /only the rows have the change/,
    ],
    'a release that is gone': [
      'DELETE FROM change_releases WHERE position = 1',
      /only the ledger has the release .*lib1\/1.0.0/,
    ],
    'a release that was not replaced': [
      'UPDATE change_releases SET replaced_by = NULL',
      /only the ledger has the release .*"replaced_by":2/,
      /only the rows have the release .*"replaced_by":null/,
    ],
    'a phase that passed': [
      "UPDATE change_phases SET status = 'passed' WHERE phase = 'unit'",
      /only the ledger has the report .*"skipped"/,
      /only the rows have the report .*"passed"/,
    ],
    'a report about more releases': [
      "UPDATE change_phases SET releases = 5 WHERE phase = 'smoke'",
      /only the ledger has the report .*"releases":2/,
      /only the rows have the report .*"releases":5/,
    ],
    'a state': [
      "UPDATE changes SET state = 'failed'",
      /its state is not the one that follows from its phases/,
    ],
  }
  for (const [what, [sql, ...expected]] of Object.entries(ways)) {
    const findings = await findingsAfter((db) => db.exec(sql))
    t.equal(findings.length, expected.length, `${what}: ${findings.join('\n')}`)
    for (const [index, pattern] of expected.entries()) {
      t.match(findings[index], pattern, what)
      t.match(findings[index], new RegExp(`^change ${publicId}: `))
    }
  }
})

import { execFileSync } from 'node:child_process'
import { test } from 'tap'
import { FIRST_HEAD, link } from '../../src/ledger/chain.ts'
import { findHead } from '../../src/ledger/ledger-store.ts'
import { makeReleases, move } from '../support/release-rows.ts'
import { startDepot } from '../support/start-depot.ts'

const sha256sum = (text: string) => execFileSync('sha256sum', { input: text }).toString().slice(0, 64)

test('a hash equals that of sha256sum over the previous hash, sequence, salt and text', async (t) => {
  const first = link(FIRST_HEAD, '{"kind":"öffnen"}', 'ab'.repeat(16))
  t.equal(first.digest, sha256sum(`${'ab'.repeat(16)}{"kind":"öffnen"}`))
  t.equal(first.hash, sha256sum(`${'0'.repeat(64)}\n1\n${first.digest}\n`))
  const second = link({ sequence: 1, hash: first.hash, at: 0 }, '{}', 'cd'.repeat(16))
  t.equal(second.hash, sha256sum(`${first.hash}\n2\n${second.digest}\n`))
})

test('every entry has its own salt, so a digest does not reveal its text', async (t) => {
  const links = [link(FIRST_HEAD, '{}'), link(FIRST_HEAD, '{}')]
  t.not(links[0]?.salt, links[1]?.salt)
  t.not(links[0]?.digest, links[1]?.digest)
  t.match(links[0]?.salt, /^[0-9a-f]{32}$/)
})

test('a ledger has no gaps, rising times, chained hashes, and columns that match its texts', async (t) => {
  const started = await startDepot(t)
  const releases = await makeReleases(
    started,
    'acme/app/1.0.0/20260101000000',
    'acme/web/1.0.0/20260101000000',
  )
  started.setClock(0) // the clock is set back
  await Promise.all([
    move(started, 'promote', 'delivered', releases, { reason: 'naïve “quotes”' }),
    move(started, 'promote', 'union', releases),
  ])
  const rows = await started.depot.db.selectFrom('ledger').selectAll().orderBy('sequence').execute()
  let head = FIRST_HEAD
  for (const row of rows) {
    const made = link(head, row.text, row.salt)
    t.strictSame(
      { digest: row.digest, hash: row.hash, sequence: row.sequence },
      { digest: made.digest, hash: made.hash, sequence: head.sequence + 1 },
    )
    t.ok(row.at >= head.at, 'not before the one before it')
    t.match(JSON.parse(row.text), {
      at: row.at,
      kind: row.kind,
      ...(row.revision !== null && { revision: row.revision }),
    })
    head = { sequence: row.sequence, hash: row.hash, at: row.at }
  }
  t.strictSame(await findHead(started.depot.db), head)
  const revisions = rows.filter((row) => row.revision !== null).map(({ at }) => at)
  t.strictSame(revisions, [...new Set(revisions)], 'no two revisions are of one time')
})

test('an altered entry breaks the chain from there on', async (t) => {
  const first = link(FIRST_HEAD, '{"kind":"promotion"}')
  t.not(link(FIRST_HEAD, '{"kind":"promotion" }', first.salt).hash, first.hash)
})

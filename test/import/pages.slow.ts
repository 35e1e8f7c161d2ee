import { test } from 'tap'
import { ask } from '../support/ask.ts'
import { importInto, latestIn, membersOf } from '../support/copies/import.ts'
import { makeOrigin, publishAll } from '../support/origin.ts'
import { startDepot } from '../support/start-depot.ts'

test('lists of several pages are read to the end, and their members are promoted in one revision', async (t) => {
  const PACKAGES = 51 // a page has 50
  const source = await startDepot(t, { listen: true })
  await makeOrigin(source)
  const stamps = Array.from({ length: PACKAGES }, (_, index) => `acme/app/1.0.${index}/20260101120000`)
  await publishAll(source, ...stamps)
  await source.depot.writer.submit({
    kind: 'promote',
    input: {
      view: 'acceptance',
      releases: stamps.map((ident) => ({ ident, target: 'x86_64-linux' as const })),
    },
    actor: { client: 'tests', door: 'cli' },
  })
  const destination = await startDepot(t, { listen: true })
  const { copied } = await importInto(destination, source.url)
  t.match(copied, { releases: PACKAGES, members: PACKAGES })
  t.equal((await membersOf(destination, 'acceptance')).length, PACKAGES)
  t.strictSame(await latestIn(destination, 'acceptance'), [
    `acme/app/1.0.${PACKAGES - 1}/20260101120000 for x86_64-linux`,
  ])
  const history = JSON.parse((await ask(`${destination.url}/api/v1/views/acceptance/history`)).text) as {
    revisions: { reason: string; joined: unknown[] }[]
  }
  t.match(history.revisions, [{ reason: `imported from ${source.url}/v1`, joined: { length: PACKAGES } }])
})

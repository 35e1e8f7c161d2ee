import { test } from 'tap'
import { formatIdent } from '../../src/package/ident.ts'
import { ask } from '../support/ask.ts'
import { buildHart } from '../support/build-hart.ts'
import type { BuiltHart } from '../support/build-hart.ts'
import { makeOrigin, upload } from '../support/origin.ts'
import { startDepot } from '../support/start-depot.ts'
import type { TestDepot } from '../support/start-depot.ts'
import { traces } from '../support/traces.ts'

const AT_ONCE = 12

async function race(started: TestDepot, harts: readonly BuiltHart[], query = {}): Promise<number[]> {
  const answers = await Promise.all(harts.map((hart) => upload(started, hart, { query })))
  return answers.map((answer) => answer.status)
}

for (const [what, query] of [
  ['with its target named', {}],
  ['with no target named', { target: '' }],
] as const) {
  test(`of simultaneous uploads of one ident exactly one succeeds, ${what}`, async (t) => {
    const started = await startDepot(t, { listen: true })
    await makeOrigin(started)
    for (const [bytes, config] of [
      ['the same bytes', () => 'port = 1'],
      ['other bytes', (n: number) => `port = ${n}`],
    ] as const) {
      await t.test(bytes, async (s) => {
        const ident = `acme/${bytes.replaceAll(' ', '-')}/1.0.0/20260101120000`
        const harts = Array.from({ length: AT_ONCE }, (_, n) => buildHart({ ident, config: config(n) }))
        const statuses = await race(started, harts, query)
        s.same(
          statuses.toSorted((a, b) => a - b),
          [201, ...Array.from({ length: AT_ONCE - 1 }, () => 409)],
        )
        const winner = harts[statuses.indexOf(201)]
        const got = await ask(`${started.url}/v1/depot/pkgs/${ident}/download`)
        s.ok(winner?.bytes.equals(got.body), "the winner's bytes are there")
        const latest = await ask(
          `${started.url}/v1/depot/channels/${ident.split('/', 1)[0] ?? ''}/unstable/pkgs/${ident.split('/')[1] ?? ''}/latest`,
        )
        s.match(JSON.parse(latest.text), { checksum: winner?.checksum, channels: ['unstable'] })
      })
    }
    const { files, rows } = await traces(started.depot)
    t.equal(files.length, 2, 'no other client left anything')
    t.match(rows, { packages: 2, releases: 2, blobs: 2, members: 2 })
  })
}

test('simultaneous forced uploads of the same bytes all succeed and make one release', async (t) => {
  const started = await startDepot(t, { listen: true })
  await makeOrigin(started)
  const hart = buildHart()
  const statuses = await race(
    started,
    Array.from({ length: AT_ONCE }, () => hart),
    { forced: 'true' },
  )
  t.same(new Set(statuses), new Set([201]))
  t.match(await traces(started.depot), {
    files: [`${hart.checksum.slice(0, 2)}/${hart.checksum}`],
    rows: { releases: 1, members: 1 },
  })
})

test('an uploaded release is visible and downloadable at once', async (t) => {
  const started = await startDepot(t, { listen: true })
  await makeOrigin(started)
  for (let version = 1; version <= 10; version += 1) {
    const hart = buildHart({ ident: `acme/app/${version}/20260101120000` })
    t.equal((await upload(started, hart)).status, 201)
    const [latest, exact, download] = await Promise.all(
      [
        'channels/acme/unstable/pkgs/app/latest',
        `channels/acme/unstable/pkgs/app/${version}/20260101120000`,
        `pkgs/${formatIdent(hart.ident)}/download`,
      ].map((path) => ask(`${started.url}/v1/depot/${path}?target=x86_64-linux`)),
    )
    t.match(latest, { status: 200, headers: { etag: `"${hart.checksum}"` } })
    t.match(exact, { status: 200, headers: { etag: `"${hart.checksum}"` } })
    t.ok(download?.body.equals(hart.bytes))
  }
})

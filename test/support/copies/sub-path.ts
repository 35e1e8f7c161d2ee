import type { Test } from 'tap'
import { converse, ask } from '../ask.ts'
import { formatPublicKey } from '../../../src/hart/origin-key.ts'
import { buildHart, makeKeys } from '../build-hart.ts'
import { HabToday, uploadToday } from '../habitat/hab-today.ts'
import { importInto, latestIn } from './import.ts'
import { keyOf } from './locked-releases.ts'
import { bearer, uploadPath } from '../origin.ts'
import { pullFrom, startDestination } from './pull.ts'
import { ADMIN_TOKEN, startDepot } from '../start-depot.ts'
import type { TestDepot } from '../start-depot.ts'

const HARTS = ['1.0.0', '2.0.0', '3.0.0'].map((version) =>
  buildHart({ ident: `acme/app/${version}/20260101120000` }),
)

/** Follows `next` from page to page, and returns the number of pages. */
async function pagesOf(t: Test, url: string, path: string): Promise<number> {
  let pages = 0
  for (let next: string | null = path; next !== null; pages += 1) {
    const answer = await ask(new URL(next, url).href, { headers: bearer() })
    t.equal(answer.status, 200, next)
    next = (JSON.parse(answer.text) as { next: string | null }).next
    t.equal(answer.headers.link, next === null ? undefined : `<${next}>; rel="next"`)
  }
  return pages
}

/**
 * Checks that every link that a new depot sends leads back to the depot. `url` has a path, and no slash at
 * the end.
 */
export async function followLinks(t: Test, depot: TestDepot, url: string): Promise<void> {
  const { pathname } = new URL(url)
  const found = async (location: unknown): Promise<number> =>
    (await ask(new URL(String(location), url).href, { headers: bearer() })).status

  await depot.depot.writer.submit({
    kind: 'createOrigin',
    input: { name: 'acme', ownerId: 1 },
    actor: { client: 'tests', door: 'cli' },
  })
  const hab = new HabToday(`${url}/v1`, { token: ADMIN_TOKEN })
  for (const hart of HARTS.slice(0, 2)) await uploadToday(hab, hart, { channel: 'stable' })
  t.equal(
    (await new HabToday(`${url}/v1`).showPackage('stable', 'acme/app'))?.ident,
    'acme/app/2.0.0/20260101120000',
  )

  // Answers to creations have a Location.
  const [, , third = buildHart()] = HARTS
  const uploaded = await ask(url + uploadPath(third), {
    method: 'POST',
    headers: bearer(),
    body: third.bytes,
  })
  t.match(uploaded, { status: 201, headers: { location: pathname + uploadPath(third) } })
  t.equal(await found(uploaded.headers.location), 200)
  const { publicKey } = makeKeys('acme', '20260202000000')
  const key = await ask(`${url}/v1/depot/origins/acme/keys/20260202000000`, {
    method: 'POST',
    headers: bearer(),
    body: formatPublicKey(publicKey),
  })
  t.match(key, {
    status: 201,
    headers: { location: `${pathname}/v1/depot/origins/acme/keys/20260202000000` },
  })
  t.equal(await found(key.headers.location), 200)
  const post = (path: string, body: object) =>
    ask(`${url}/api/v1${path}`, {
      method: 'POST',
      headers: { ...bearer(), 'content-type': 'application/json' },
      body: JSON.stringify(body),
    })
  const view = await post('/views', { name: 'fleet', rule: 'promoted' })
  t.match(view, { status: 201, headers: { location: `${pathname}/api/v1/views/fleet` } })
  t.equal(await found(view.headers.location), 200)
  const plan = await post('/views/delivered/plans', {
    releases: [{ ident: 'acme/app/3.0.0/20260101120000' }],
  })
  t.match(plan, { status: 201, headers: { location: new RegExp(`^${pathname}/api/v1/plans/`) } })
  t.equal(await found(plan.headers.location), 200)
  const preview = await post('/views/delivered/previews', {
    name: 'soon',
    plan: (JSON.parse(plan.text) as { plan: string }).plan,
  })
  t.match(preview, { status: 201, headers: { location: `${pathname}/api/v1/views/soon` } })
  t.equal(await found(preview.headers.location), 200)

  for (const version of ['1.0.0', '3.0.0'])
    await post('/views/delivered/promotions', { releases: [{ ident: `acme/app/${version}/20260101120000` }] })
  t.equal(await pagesOf(t, url, `${pathname}/api/v1/views/delivered/history?limit=1`), 2)
  t.equal(await pagesOf(t, url, `${pathname}/api/v1/views/delivered/members?limit=1`), 2)
  t.ok((await pagesOf(t, url, `${pathname}/api/v1/events?limit=5`)) > 2)
  t.match(
    (await ask(`${url}/api/v1/views/delivered/members?limit=1&format=text`, { headers: bearer() })).text,
    `more: ${pathname}/api/v1/views/delivered/members?`,
  )

  // A proxy must not buffer the stream.
  const stream = converse(url)
  await stream.say(
    `GET ${pathname}/api/v1/events?kind=promotion HTTP/1.1\r\nHost: depot\r\nAccept: text/event-stream\r\nAuthorization: ${bearer().authorization}\r\n\r\n`,
  )
  await stream.hear(/text\/event-stream[^]*\r\n\r\n/i)
  await post('/views/delivered/promotions', { releases: [{ ident: 'acme/app/2.0.0/20260101120000' }] })
  await stream.hear(/event: promotion/)
  stream.socket.destroy()
}

/** Pulls and imports from and into the depot of {@link followLinks}. */
export async function pullAndImport(t: Test, depot: TestDepot, url: string): Promise<void> {
  for (const place of [`${url}/`, `${url}/v1`]) {
    const destination = await startDestination(t, depot)
    await pullFrom(place, destination)
    t.strictSame(
      await latestIn(destination, 'delivered'),
      ['acme/app/2.0.0/20260101120000 for x86_64-linux'],
      place,
    )
  }
  const mirror = await startDepot(t, { listen: true })
  t.match(await importInto(mirror, url), { copied: { releases: 3 }, failures: [] })
  const other = await startDepot(t, { listen: true })
  await other.depot.writer.submit({
    kind: 'createOrigin',
    input: { name: 'other', ownerId: 1 },
    actor: { client: 'tests', door: 'cli' },
  })
  const ofOther = buildHart({ ident: 'other/tool/1.0.0/20260101120000' })
  await uploadToday(new HabToday(other.url, { token: ADMIN_TOKEN }), ofOther, { channel: 'stable' })
  t.match(await importInto({ url }, other.url, { origins: ['other'] }), {
    copied: { releases: 1 },
    failures: [],
  })
  t.strictSame(
    (await pullFrom(other.url, { url }, { view: 'stable', into: 'delivered', key: await keyOf(other) }))
      .failures,
    [],
  )
}

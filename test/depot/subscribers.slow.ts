import { MessageChannel } from 'node:worker_threads'
import type { MessagePort } from 'node:worker_threads'
import { test } from 'tap'
import type { Test } from 'tap'
import { sqliteFileOf } from '../../src/config/database.ts'
import { UNRESTRICTED_AUDIENCE, PUBLIC_AUDIENCE } from '../../src/access/access.ts'
import { Authenticator } from '../../src/accounts/authenticate.ts'
import { Answers } from '../../src/answers/answers.ts'
import { commandTable } from '../../src/commands/command-table.ts'
import { Webhooks } from '../../src/delivery/webhooks.ts'
import { SUBSCRIBERS } from '../../src/depot/subscribers.ts'
import { joinDepot } from '../../src/depot/join.ts'
import type { Depot } from '../../src/depot/depot.ts'
import { mergeCounts } from '../../src/pollers/pollers.ts'
import { buildWorkerServer } from '../../src/http/server.ts'
import { Feed } from '../../src/following/feed.ts'
import { LedgerFollower } from '../../src/ledger/follower.ts'
import { findHead, listEntries } from '../../src/ledger/ledger-store.ts'
import { formatIdent } from '../../src/package/ident.ts'
import type { Release } from '../../src/releases/release.ts'
import { listWebhooks } from '../../src/webhooks/webhook-store.ts'
import { packMessage, unpackMessage } from '../../src/writer/packed-message.ts'
import type { PackedMessage, WriterMessage } from '../../src/writer/packed-message.ts'
import { Writer } from '../../src/writer/writer.ts'
import { openFailingCommits } from '../support/faults/failing-commits.ts'
import { runsOf, sampleOf, seeded } from '../support/random.ts'
import { makeReleases, makeView, move, setVisibility } from '../support/release-rows.ts'
import { startDepot } from '../support/start-depot.ts'
import { until } from '../support/until.ts'
import type { TestDepot } from '../support/start-depot.ts'

// The memory of each thread answers like the database, even if announcements of commits are lost, repeated or
// out of order.

const OPERATOR = { client: 'tests', door: 'cli' } as const
const IDENTS = ['1.0', '2.0', '3.0'].map((version) => `acme/app/${version}/20260101000000`)
const render = (release: Release, views: readonly string[]) =>
  Buffer.from(`${formatIdent(release.ident)} in ${views.join(',')}`)
const RENDERERS = { whole: render, brief: render }

interface Held {
  readonly depot: Depot
  readonly answers: Answers
  readonly feed: Feed
  readonly webhooks: Webhooks
  /** The end of the ledger when these were opened. */
  readonly start: number
  readonly tokens: readonly string[]
}

async function hold(t: Test, depot: Depot, tokens: readonly string[]): Promise<Held> {
  const start = depot.follower.head.sequence
  const answers = await depot.follower.openSubscriber('answers', () => Answers.open(depot.db, RENDERERS))
  const feed = await depot.follower.openSubscriber('feed', (head) => Feed.open(depot.db, head))
  const webhooks = await depot.follower.openSubscriber('webhooks', () =>
    Webhooks.open(depot, { after: () => () => {} }),
  )
  t.teardown(() => webhooks.close())
  const held = { depot, answers, feed, webhooks, start, tokens }
  await answersOf(held, answers, depot.authenticator) // fills the caches
  return held
}

/** Returns the answers and sessions that the changes below can affect, as text. */
async function answersOf({ depot, tokens }: Held, answers: Answers, authenticator: Authenticator) {
  const answersText: string[] = []
  for (const view of ['unstable', 'acceptance', 'made'])
    for (const audience of [UNRESTRICTED_AUDIENCE, PUBLIC_AUDIENCE])
      for (const version of [undefined, '1.0', '2.0']) {
        const question = { shape: 'whole', origin: 'acme', name: 'app', target: 'x86_64-linux' } as const
        const found = await answers.latest({ ...question, view, version }, audience)
        answersText.push(
          `${view} ${version ?? ''}: ${found?.revision ?? ''} ${found?.package.body.toString() ?? ''}`,
        )
      }
  for (const token of tokens) {
    const session = await Promise.resolve(authenticator.identify(`Bearer ${token}`)).catch(() => undefined)
    answersText.push(`${session?.accountName ?? 'nobody'}: ${[...(session?.roles ?? [])].join(' ')}`)
  }
  await depot.follower.catchUp()
  return [...answersText, [...answers.openViews()].toSorted().join(' ')]
}

/** Compares the memory of a thread with the database. */
async function expectAsDatabase(t: Test, held: Held, name: string): Promise<void> {
  const { depot, answers, feed, webhooks, start } = held
  const { db, now, follower } = depot
  await follower.catchUp()
  const head = await findHead(db)
  t.strictSame(follower.head, head, `${name}: the follower`)
  t.strictSame(feed.head, head, `${name}: the feed`)
  const all = { after: start, through: head.sequence, limit: 1_000 }
  t.strictSame(await feed.entries(all), await listEntries(db, all), `${name}: the entries of the feed`)
  t.strictSame(
    await answersOf(held, answers, depot.authenticator),
    await answersOf(held, await Answers.open(db, RENDERERS), new Authenticator(db, now)),
    `${name}: answers and sessions`,
  )
  const [progress] = webhooks.progresses()
  if (progress !== undefined)
    t.equal(
      webhooks.behind(progress.progress) + progress.progress.position,
      head.sequence,
      `${name}: webhooks`,
    )
  const inDatabase = (await listWebhooks(db, { limit: 100 })).map((webhook) => webhook.name)
  await until(
    `every webhook in the database is held: ${name}`,
    () => [...webhooks.progresses()].length === inDatabase.length,
  ) // a changed webhook is read again
}

/** Changes that affect every holder, by name. Each can be made once, in any order. */
function changes(depot: Pick<Depot, 'db' | 'writer'>, tokenIds: readonly number[]) {
  const started = { depot } as TestDepot
  const [one, two, three] = IDENTS.map((ident) => ({ ident, target: 'x86_64-linux' }) as const)
  if (one === undefined || two === undefined || three === undefined) throw new Error('there are three')
  const submit = depot.writer.submit.bind(depot.writer)
  const role = (named: 'maintainer' | null) =>
    submit({ kind: 'setMember', input: { origin: 'acme', account: 'member', role: named }, actor: OPERATOR })
  return new Map<string, () => Promise<unknown>>([
    ['promote', () => move(started, 'promote', 'acceptance', [one, two])],
    ['promote one', () => move(started, 'promote', 'acceptance', [one])],
    ['demote', () => move(started, 'demote', 'acceptance', [one])],
    ['hide', () => setVisibility(started, two.ident, 'private')],
    ['hide another', () => setVisibility(started, three.ident, 'private')],
    ['make a view', () => makeView(started, 'made', 'promoted')],
    ['admit', () => role('maintainer')],
    ['dismiss', () => role(null)],
    ['revoke', () => submit({ kind: 'revokeToken', input: { tokenId: tokenIds[0] ?? 0 }, actor: OPERATOR })],
    [
      'add a webhook',
      () =>
        submit({
          kind: 'addWebhook',
          input: {
            name: 'added',
            key: 'k',
            host: 'h',
            sealedUrl: 'other.AAAA',
            sealedSecret: 'other.AAAA',
            filter: { kinds: ['depot-restored'] },
          },
          actor: OPERATOR,
        }),
    ],
    ['add an account', () => submit({ kind: 'addAccount', input: { name: 'late' }, actor: OPERATOR })],
  ])
}

/** Makes the releases, the member and the token that the changes need. */
async function prepare(started: TestDepot) {
  await makeReleases(started, ...IDENTS)
  const tokens = [await started.account('member'), await started.account('revoked')]
  const { id } = await started.depot.db
    .selectFrom('tokens')
    .select('id')
    .orderBy('id', 'desc')
    .limit(1)
    .executeTakeFirstOrThrow()
  return { tokens, tokenIds: [id] }
}

test('after commits that reported failure although their rows are in the file, memory answers like the database', async (t) => {
  const started = await startDepot(t)
  const { tokens, tokenIds } = await prepare(started)
  const { db, config, now } = started.depot
  const commits = openFailingCommits(t, sqliteFileOf(config))
  const writer = await Writer.open(commits.db, commandTable, { now })
  const follower = await LedgerFollower.open(db, writer, SUBSCRIBERS)
  const authenticator = new Authenticator(db, now)
  follower.subscribe('sessions', authenticator)
  const depot = { ...started.depot, writer, follower, authenticator }
  const held = await hold(t, depot, tokens)
  for (const [name, change] of changes(depot, tokenIds)) {
    commits.isFailing = true
    await t.rejects(change(), { message: 'the disk did not answer' }, name)
    commits.isFailing = false
    await expectAsDatabase(t, held, name)
  }
})

type Fate = 'arrives' | 'arrives twice' | 'arrives after the next' | 'is lost' | 'loses its entries'
const FATES: readonly Fate[] = [
  'arrives',
  'arrives twice',
  'arrives after the next',
  'is lost',
  'loses its entries',
]

/** Returns a port that relays the messages of another one. `fateOf` decides what becomes of announcements. */
function relay(port: MessagePort, fateOf: () => Fate): MessagePort {
  const { port1, port2 } = new MessageChannel()
  const late: WriterMessage[] = []
  // oxlint-disable-next-line unicorn/require-post-message-target-origin -- windows have origins, threads do not
  const send = (message: WriterMessage) => port1.postMessage(packMessage(message))
  port.on('message', (packed: PackedMessage) => {
    const message = unpackMessage(packed)
    const fate = message.announcements.length > 0 ? fateOf() : 'arrives'
    if (fate === 'arrives after the next') {
      late.push(message)
      return
    }
    const emptied = message.announcements.map((announcement) => ({ ...announcement, entries: [] }))
    if (fate === 'loses its entries') send({ ...message, announcements: emptied })
    else if (fate !== 'is lost') send(message)
    if (fate === 'arrives twice') send(message)
    for (const earlier of late.splice(0)) send(earlier)
  })
  // oxlint-disable-next-line unicorn/require-post-message-target-origin -- windows have origins, threads do not
  port1.on('message', (message) => port.postMessage(message))
  port1.on('close', () => port.close())
  return port2
}

/** Joins a depot like a worker does, with these fates of its announcements. */
async function joinBadly(t: Test, started: TestDepot, fateOf: () => Fate): Promise<Depot> {
  const { depot } = started
  const share = await depot.share()
  const joined = await joinDepot(
    { ...share, writerPort: { ...share.writerPort, port: relay(share.writerPort.port, fateOf) } },
    { log: depot.log, now: depot.now, claims: depot.blobs.claims, examine: depot.examine, name: 'bad' },
  )
  t.teardown(() => joined.close())
  return joined
}

for (let seed = 0; seed < runsOf(1); seed += 1) {
  test(`a thread whose announcements are lost, repeated or out of order answers like the database (seed ${seed})`, async (t) => {
    const started = await startDepot(t, { hasThreads: true })
    const { tokens, tokenIds } = await prepare(started)
    const random = seeded(seed)
    const joined = await joinBadly(t, started, () => FATES[Math.floor(random() * FATES.length)] ?? 'arrives')
    const held = await hold(t, joined, tokens)
    for (const [name, change] of changes(started.depot, tokenIds)) {
      await change()
      if (random() < 0.5) await new Promise(setImmediate) // some announcements arrive before the next question
      if (random() < 0.7) await expectAsDatabase(t, held, name)
    }
    await expectAsDatabase(t, held, 'in the end')
  })
}

for (const fate of sampleOf(FATES, 2)) {
  test(`a thread that submits changes answers like the database if its announcement ${fate}`, async (t) => {
    const started = await startDepot(t, { hasThreads: true })
    const { tokens, tokenIds } = await prepare(started)
    const joined = await joinBadly(t, started, () => fate)
    const held = await hold(t, joined, tokens)
    for (const [name, change] of changes(joined, tokenIds)) {
      await change()
      await expectAsDatabase(t, held, name)
    }
  })
}

test('a change is answered once all memory has it, even if its announcement has no entries', async (t) => {
  const started = await startDepot(t, { hasThreads: true })
  const { tokens, tokenIds } = await prepare(started)
  const joined = await joinBadly(t, started, () => 'loses its entries')
  const { feed } = await hold(t, joined, tokens)
  for (const [name, change] of changes(joined, tokenIds)) {
    await change()
    t.strictSame(feed.head, await findHead(joined.db), name)
  }
})

const noFigures = async () => ({ type: '', body: '' })
const noCounts = async () => mergeCounts([])

for (const DEPOT_FAST_PATH of ['on', 'off']) {
  test(`a poll waits for entries that its thread missed, with the fast path ${DEPOT_FAST_PATH}`, async (t) => {
    const started = await startDepot(t, { hasThreads: true, environment: { DEPOT_FAST_PATH } })
    const [release] = await makeReleases(started, ...IDENTS)
    if (release === undefined) throw new Error('there are three')
    const joined = await joinBadly(t, started, () => 'is lost')
    const webhooks = await Webhooks.open(joined)
    t.teardown(() => webhooks.close())
    const { app } = await buildWorkerServer(
      joined,
      {
        webhooks,
        upstream: undefined,
        refresher: undefined,
        mirror: undefined,
        metricsText: noFigures,
        pollCounts: noCounts,
      },
      1,
    )
    t.teardown(() => app.close())
    const url = await app.listen({ host: '127.0.0.1', port: 0 })
    const poll = async (view: string) =>
      (await fetch(`${url}/v1/depot/channels/acme/${view}/pkgs/app/latest`)).status
    t.equal(await poll('acceptance'), 404)
    await move(started, 'promote', 'acceptance', [release])
    t.equal(await poll('acceptance'), 200)
    await makeView(started, 'made', 'promoted')
    await move(started, 'promote', 'made', [release])
    t.equal(await poll('made'), 200)
  })
}

import { webhookSecretPurpose, webhookUrlPurpose } from '../../src/origins/secret-purposes.ts'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { sql } from 'kysely'
import pino from 'pino'
import { test } from 'tap'
import { readConfig } from '../../src/config/config.ts'
import { openDepot } from '../../src/depot/open.ts'
import { Webhooks } from '../../src/delivery/webhooks.ts'
import { commandTable } from '../../src/commands/command-table.ts'
import { Writer } from '../../src/writer/writer.ts'
import { ManualTimers } from '../support/webhooks/manual-timers.ts'
import { startReceiver } from '../support/webhooks/receiver.ts'
import { until } from '../support/until.ts'

test('while a full disk prevents recording, attempts are limited by memory, and the rest follows later', async (t) => {
  const folder = await mkdtemp(join(tmpdir(), 'hart-depot-test-'))
  t.teardown(() => rm(folder, { recursive: true, force: true }))
  const logged: string[] = []
  const log = pino({ level: 'error' }, { write: (line: string) => logged.push(line) })
  const depot = await openDepot(readConfig({ DEPOT_DATA: folder, DEPOT_WEBHOOK_NETWORKS: '127.0.0.1' }), {
    log,
  })
  t.teardown(() => depot.close())
  const receiver = await startReceiver(t)
  receiver.behave((answer) => answer.writeHead(200).end('x'.repeat(1_024)))
  const actor = { client: 'tests', door: 'cli' } as const
  const sealed = {
    sealedUrl: depot.secrets.seal(receiver.url, webhookUrlPurpose('k')),
    sealedSecret: depot.secrets.seal('whsec_AAAA', webhookSecretPurpose('k')),
  }
  await depot.writer.submit({
    kind: 'addWebhook',
    input: { name: 'deploys', key: 'k', host: '127.0.0.1', ...sealed, filter: { kinds: ['view-created'] } },
    actor,
  })
  const names = Array.from({ length: 320 }, (_, index) => `view-${index}`)
  await Promise.all(
    names.map((name) =>
      depot.writer.submit({
        kind: 'createView',
        input: { name, rule: 'promoted', maker: 'operator' },
        actor,
      }),
    ),
  )

  const full = await depot.engine.open(depot.now())
  t.teardown(() => full.close())
  await sql`PRAGMA max_page_count = 1`.execute(full.writable) // the database cannot grow
  const timers = new ManualTimers()
  const webhooks = await Webhooks.open(
    { ...depot, writer: await Writer.open(full.writable, commandTable, { now: depot.now }) },
    { after: timers.after, random: () => 0 },
  )
  t.teardown(() => webhooks.close())
  await until(
    'the log is full and 300 deliveries have arrived',
    () => timers.isWaiting(1_000) && receiver.received.length >= 300,
  )
  t.equal(receiver.received.length, 300)
  t.match(
    logged.map((line) => JSON.parse(line) as unknown),
    [{ msg: /cannot store the deliveries/, err: { code: 'storage_full' } }],
  )

  await sql`PRAGMA max_page_count = 1000000`.execute(full.writable)
  timers.advance(30_000)
  await until('320 deliveries have arrived', () => {
    timers.advance(1_000)
    return receiver.received.length >= 320
  })
  t.strictSame(
    receiver.sequences(),
    receiver.sequences().toSorted((a, b) => a - b),
  )
  t.equal(new Set(receiver.sequences()).size, 320)
  await until('320 deliveries are stored', async () => {
    await webhooks.flush()
    return (await depot.db.selectFrom('webhook_deliveries').select('id').execute()).length === 320
  })
})

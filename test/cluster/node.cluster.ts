import { randomUUID } from 'node:crypto'
import { setTimeout as pause } from 'node:timers/promises'
import { test } from 'tap'
import type { Test } from 'tap'
import { Client } from 'pg'
import { ThrowawayPostgres } from '../../scripts/cluster/postgres.ts'
import { AnnouncedLedger } from '../../src/cluster/announced-ledger.ts'
import { Lease, monotonic, newLease } from '../../src/cluster/lease.ts'
import { ClusterNode } from '../../src/cluster/node.ts'
import type { FollowedLedger, NodeEvent } from '../../src/cluster/node.ts'
import { commandTable } from '../../src/commands/command-table.ts'
import { PostgresEngine } from '../../src/database/postgres/engine.ts'
import { findHead } from '../../src/ledger/ledger-store.ts'
import { Writer } from '../../src/writer/writer.ts'
import { startCuttableProxy } from '../support/faults/cuttable-proxy.ts'
import type { CuttableProxy } from '../support/faults/cuttable-proxy.ts'
import { runsOf, seeded } from '../support/random.ts'
import { until } from '../support/until.ts'

// Leases, presence and acknowledgements of nodes over a real PostgreSQL, with writers and without servers.
// What a node knows of the ledger stands for its memory.

const TIMING = { leaseMs: 400, renewMs: 100, marginMs: 100, queryMs: 300 }

interface TestNode {
  readonly node: ClusterNode
  readonly lease: Lease
  readonly ledger: FollowedLedger
  readonly events: NodeEvent[]
  /** The connection on which the node renews its lease. Its writer has another. */
  readonly cable: CuttableProxy
  /** How often the node has connected. */
  readonly connected: () => number
  /** Commits an entry, and resolves with the sequence that is then acknowledged. */
  commit(): Promise<number>
}

interface Server {
  readonly postgres: ThrowawayPostgres
  readonly newDatabase: () => Promise<string>
}

let count = 0

async function startServer(t: Test): Promise<Server> {
  const postgres = await ThrowawayPostgres.start()
  t.teardown(() => postgres.close())
  return {
    postgres,
    async newDatabase() {
      const name = `d${(count += 1)}`
      await postgres.query(`create database ${name}`)
      await engineOf(postgres.port, name).migrate(0)
      return name
    },
  }
}

function engineOf(port: number, database: string): PostgresEngine {
  const url = `postgres://postgres@127.0.0.1:${port}/${database}`
  return new PostgresEngine({ engine: 'postgres', url, urlFile: undefined, listenUrl: undefined })
}

async function startNode(
  t: Test,
  { port }: ThrowawayPostgres,
  database: string,
  name: string,
): Promise<TestNode> {
  const cable = await startCuttableProxy(t, port)
  const id = randomUUID()
  const writing = await engineOf(port, database).openWriting(id)
  const { writable, notify } = writing
  const head = await findHead(writable)
  const writer = await Writer.open(writable, commandTable, {
    now: Date.now,
    acknowledge: (sequence) => node.applied(sequence),
    ...(notify && { notify }),
  })
  let committed = 0
  writer.onAnnouncement(({ through }, commit) => void (commit && (committed = through)))
  const ledger = new AnnouncedLedger(writer, head)
  const shared = newLease()
  const events: NodeEvent[] = []
  const reached = engineOf(cable.port, database)
  let connected = 0
  const node = new ClusterNode({
    id,
    connect: (options) => {
      connected += 1
      return reached.listen(options)
    },
    name,
    version: '1',
    startedAt: 0,
    ledger,
    lease: shared,
    timing: TIMING,
    onEvent: (event) => events.push(event),
  })
  await node.start()
  t.teardown(async () => {
    await node.close()
    await writing.close()
  })
  return {
    node,
    events,
    cable,
    connected: () => connected,
    ledger,
    lease: new Lease(shared),
    async commit() {
      await writer.submit({
        kind: 'addAccount',
        input: { name: `account${(count += 1)}` },
        actor: { client: 'tests', door: 'cli' },
      })
      return committed
    },
  }
}

test('nodes over one database', async (whole) => {
  const { postgres, newDatabase } = await startServer(whole)

  await whole.test('a commit is acknowledged when the other node knows it', async (t) => {
    const database = await newDatabase()
    const [a, b] = [await startNode(t, postgres, database, 'a'), await startNode(t, postgres, database, 'b')]
    for (const [writer, reader] of [
      [a, b],
      [b, a],
      [a, b],
    ] as const) {
      const sequence = await writer.commit()
      t.ok(reader.ledger.known.sequence >= sequence)
    }
  })

  await whole.test('a node whose listener is ended connects again and catches up', async (t) => {
    const database = await newDatabase()
    const [a, b] = [await startNode(t, postgres, database, 'a'), await startNode(t, postgres, database, 'b')]
    for (let round = 0; round < 3; round += 1) {
      await postgres.query(
        `select pg_terminate_backend(pid) from pg_stat_activity where application_name = 'hart-depot listener' and datname = '${database}'`,
      )
      t.equal(await a.commit(), b.ledger.known.sequence)
      t.equal(await b.commit(), a.ledger.known.sequence)
    }
    t.ok(b.events.some(({ kind }) => kind === 'disconnected'))
  })

  await whole.test(
    'a node that is cut off stops before others acknowledge without it, and comes back',
    async (t) => {
      const database = await newDatabase()
      const [a, b] = [
        await startNode(t, postgres, database, 'a'),
        await startNode(t, postgres, database, 'b'),
      ]
      await a.commit()
      b.cable.cut()
      const sequence = await a.commit()
      t.ok(b.ledger.known.sequence < sequence, 'it missed the commit')
      t.notOk(b.lease.isHeldAt(monotonic()), 'and does not answer')
      t.ok(a.events.some(({ kind }) => kind === 'other node lost'))
      await until('it says so', () => b.events.some(({ kind }) => kind === 'lease lost'))
      b.cable.mend()
      await until('it serves again', () => b.lease.isHeldAt(monotonic()))
      t.ok(b.ledger.known.sequence >= sequence, 'it knows the commit when it answers again')
      t.equal(await b.commit(), a.ledger.known.sequence)
    },
  )

  await whole.test('a node that cannot write its row leaves no sessions behind', async (t) => {
    const database = await newDatabase()
    const a = await startNode(t, postgres, database, 'a')
    const other = new Client({ connectionString: postgres.url.replace(/postgres$/, database) })
    await other.connect()
    await other.query('begin; lock table nodes in exclusive mode')
    const losses = () => a.events.filter(({ kind }) => kind === 'disconnected').length
    await until('it has given up several connections', () => losses() >= 4)
    const waiting = `select count(*) from pg_stat_activity where datname = '${database}' and wait_event_type = 'Lock'`
    await until('all but the last ones have ended', async () => Number(await postgres.query(waiting)) <= 2)
    t.notOk(a.lease.isHeldAt(monotonic()))
    await other.end()
    await until('it serves again', () => a.lease.isHeldAt(monotonic()))
    t.pass()
  })

  await whole.test('a node that cannot renew its lease does not connect all the time', async (t) => {
    const database = await newDatabase()
    const node = await startNode(t, postgres, database, 'a')
    await postgres.query('alter table nodes rename to away', database) // as on a full disk, the server refuses
    await until('its lease ends', () => !node.lease.isHeldAt(monotonic()))
    const [before, begun] = [node.connected(), monotonic()]
    await until('it has connected some times', () => node.connected() >= before + 5)
    t.ok(monotonic() - begun >= 4 * TIMING.renewMs, 'it pauses in between')
    await postgres.query('alter table away rename to nodes', database)
    await until('it serves again', () => node.lease.isHeldAt(monotonic()))
  })

  await whole.test('a node that closes is not waited for', async (t) => {
    const database = await newDatabase()
    const [a, b] = [await startNode(t, postgres, database, 'a'), await startNode(t, postgres, database, 'b')]
    await b.node.close()
    t.notOk(b.lease.isHeldAt(monotonic()))
    await a.commit()
    t.notOk(a.events.some(({ kind }) => kind === 'other node lost'))
  })

  await whole.test('a node that knows more than the database stops', async (t) => {
    const database = await newDatabase()
    const a = await startNode(t, postgres, database, 'a')
    await a.commit()
    await a.commit()
    await postgres.query('delete from ledger where sequence = 2', database)
    await until('it stops', () => a.events.some(({ kind }) => kind === 'history lost'))
    t.notOk(a.lease.isHeldAt(monotonic()))
  })

  await whole.test(
    'a node notices other entries in place of those that it knows, after a failover',
    async (t) => {
      const database = await newDatabase()
      const [a, b] = [
        await startNode(t, postgres, database, 'a'),
        await startNode(t, postgres, database, 'b'),
      ]
      await a.commit()
      a.cable.cut()
      await postgres.query(`update ledger set hash = 'another'`, database)
      await postgres.stop('SIGINT')
      await postgres.restart()
      a.cable.mend()
      await until('both stop', () =>
        [a, b].every(({ events }) => events.some(({ kind }) => kind === 'history lost')),
      )
      for (const { lease } of [a, b]) t.notOk(lease.isHeldAt(monotonic()))
    },
  )
})

test('no node answers without what was acknowledged before it was asked, whatever breaks', async (t) => {
  const { postgres, newDatabase } = await startServer(t)
  const database = await newDatabase()
  const start = (name: string) => startNode(t, postgres, database, name)
  const nodes = [await start('a'), await start('b'), await start('c')] as const
  const random = seeded(1)
  const pick = <T>(of: readonly [T, ...T[]]): T => of[Math.floor(random() * of.length)] ?? of[0]
  let acknowledged = 0
  let stale = 0
  let served = 0
  let refused = 0
  const over = new AbortController()
  const read = async () => {
    while (!over.signal.aborted) {
      for (const { lease, ledger } of nodes) {
        const before = acknowledged
        // As a poll does: first the lease, then memory.
        if (!lease.isHeldAt(monotonic())) refused += 1
        else if (ledger.known.sequence >= before) served += 1
        else stale += 1
      }
      await pause(1)
    }
  }
  const write = async (node: TestNode) => {
    while (!over.signal.aborted) {
      try {
        acknowledged = Math.max(acknowledged, await node.commit())
      } catch {
        await pause(10) // the server is away
      }
    }
  }
  const reading = read()
  const writing = nodes.map(write)
  const rounds = runsOf(8)
  for (let round = 0; round < rounds; round += 1) {
    const node = pick(nodes)
    const fault = pick(['cut', 'terminate', 'restart'] as const)
    const before = acknowledged
    if (fault === 'cut') {
      node.cable.cut()
      await until('the node stops', () => !node.lease.isHeldAt(monotonic()))
      if (random() < 0.5) await until('others go on', () => acknowledged > before)
      node.cable.mend()
    } else if (fault === 'terminate') {
      await postgres.query(
        `select pg_terminate_backend(pid) from pg_stat_activity where application_name = 'hart-depot listener'`,
      )
    } else {
      await postgres.stop('SIGQUIT')
      await postgres.restart()
    }
    await until('all nodes serve', () => nodes.every(({ lease }) => lease.isHeldAt(monotonic())))
    const since = acknowledged
    await until('commits are acknowledged', () => acknowledged > since)
  }
  over.abort()
  await Promise.all([reading, ...writing])
  t.equal(stale, 0)
  t.ok(served > 0 && refused > 0 && acknowledged > 0, JSON.stringify({ served, refused, acknowledged }))
})

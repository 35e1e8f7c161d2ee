import { setTimeout as pause } from 'node:timers/promises'
import { Pool } from 'pg'
import { test } from 'tap'
import type { Test } from 'tap'
import { ThrowawayPostgres } from '../../scripts/cluster/postgres.ts'
import { Lease, monotonic, newLease } from '../../src/cluster/lease.ts'
import { ClusterNode } from '../../src/cluster/node.ts'
import type { FollowedLedger, NodeEvent } from '../../src/cluster/node.ts'
import { startCuttableProxy } from '../support/cuttable-proxy.ts'
import type { CuttableProxy } from '../support/cuttable-proxy.ts'
import { runsOf, seeded } from '../support/random.ts'
import { until } from '../support/until.ts'

// Leases, presence and acknowledgements of nodes over a real PostgreSQL. The ledger is a table with nothing in
// its entries; what a node knows of it is a number.

const TIMING = { leaseMs: 400, renewMs: 100, marginMs: 100, queryMs: 300 }

const TABLES = `
  create table ledger (sequence bigint primary key, hash text not null);
  create table nodes (id text primary key, name text not null, version text not null, started_at bigint not null,
    renewal bigint not null, applied bigint not null, lease_until bigint not null);`

interface TestNode {
  readonly node: ClusterNode
  readonly lease: Lease
  readonly ledger: { known: { sequence: number; hash: string } }
  readonly events: NodeEvent[]
  readonly cable: CuttableProxy
  /** Commits an entry, and resolves with its sequence once all nodes have applied it. */
  commit(): Promise<number>
  /** Commits an entry, and does not wait. */
  begin(): Promise<number>
}

let count = 0

async function startServer(
  t: Test,
): Promise<{ postgres: ThrowawayPostgres; newDatabase: () => Promise<string> }> {
  const postgres = await ThrowawayPostgres.start()
  t.teardown(() => postgres.close())
  return {
    postgres,
    async newDatabase() {
      const name = `d${(count += 1)}`
      await postgres.query(`create database ${name}`)
      await postgres.query(TABLES, name)
      return name
    },
  }
}

async function startNode(
  t: Test,
  { port }: ThrowawayPostgres,
  database: string,
  name: string,
): Promise<TestNode> {
  const cable = await startCuttableProxy(t, port)
  const pool = new Pool({ host: '127.0.0.1', port, user: 'postgres', database, max: 3 })
  pool.on('error', () => undefined)
  pool.on('connect', (client) => client.on('error', () => undefined)) // the next query fails, too
  t.teardown(() => pool.end())
  const ledger: FollowedLedger & TestNode['ledger'] = {
    known: { sequence: 0, hash: '' },
    async follow(through) {
      if (through <= this.known.sequence) return
      const { rows } = await pool.query<{ hash: string }>('select hash from ledger where sequence = $1', [
        through,
      ])
      const hash = rows[0]?.hash
      if (hash !== undefined && through > this.known.sequence) this.known = { sequence: through, hash }
    },
  }
  const shared = newLease()
  const events: NodeEvent[] = []
  const node = new ClusterNode({
    url: `postgres://postgres@127.0.0.1:${cable.port}/${database}`,
    name,
    version: '1',
    startedAt: 0,
    ledger,
    lease: shared,
    timing: TIMING,
    onEvent: (event) => events.push(event),
  })
  await node.start()
  t.teardown(() => node.close())
  const begin = async () => {
    const client = await pool.connect()
    try {
      await client.query('begin; select pg_advisory_xact_lock(1)')
      const { rows } = await client.query<{ sequence: string }>(
        `insert into ledger select coalesce(max(sequence), 0) + 1, gen_random_uuid()::text from ledger returning sequence`,
      )
      const sequence = Number(rows[0]?.sequence)
      await client.query(`select pg_notify('hart_depot', '${sequence} ${node.id}')`)
      await client.query('commit')
      client.release()
      await ledger.follow(sequence) // as the writer announces its own commit
      return sequence
    } catch (error) {
      client.release(true)
      throw error
    }
  }
  return {
    node,
    events,
    cable,
    ledger,
    begin,
    lease: new Lease(shared),
    async commit() {
      const sequence = await begin()
      await node.applied(sequence)
      return sequence
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
      t.equal(reader.ledger.known.sequence, sequence)
    }
  })

  await whole.test('a node whose listener is ended connects again and catches up', async (t) => {
    const database = await newDatabase()
    const [a, b] = [await startNode(t, postgres, database, 'a'), await startNode(t, postgres, database, 'b')]
    for (let round = 0; round < 3; round += 1) {
      await postgres.query(
        `select pg_terminate_backend(pid) from pg_stat_activity where application_name = 'hart-depot node' and datname = '${database}'`,
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
      await postgres.query(
        `update ledger set hash = 'another'; insert into ledger values (2, 'next')`,
        database,
      )
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
        `select pg_terminate_backend(pid) from pg_stat_activity where application_name = 'hart-depot node'`,
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

import { once } from 'node:events'
import { test } from 'tap'
import type { Test } from 'tap'
import { ThrowawayPostgres } from '../../scripts/cluster/postgres.ts'
import { Leadership } from '../../src/cluster/leadership.ts'
import type { Row } from '../../src/database/database.ts'
import { PostgresEngine } from '../../src/database/postgres/engine.ts'
import { startCuttableProxy } from '../support/faults/cuttable-proxy.ts'
import type { CuttableProxy } from '../support/faults/cuttable-proxy.ts'
import { until } from '../support/until.ts'

// Which of two nodes does a job, over a real PostgreSQL.

interface Contender {
  readonly leadership: Leadership
  readonly cable: CuttableProxy
  readonly isLeading: () => boolean
}

function openLeadership(
  t: Test,
  port: number,
  onError: (error: unknown) => void = () => undefined,
): Leadership {
  const url = `postgres://postgres@127.0.0.1:${port}/postgres`
  const engine = new PostgresEngine({ engine: 'postgres', url, urlFile: undefined, listenUrl: undefined })
  const leadership = new Leadership((options) => engine.listen(options), onError)
  t.teardown(() => leadership.close())
  return leadership
}

async function contend(t: Test, postgres: ThrowawayPostgres): Promise<Contender> {
  const cable = await startCuttableProxy(t, postgres.port)
  const leadership = openLeadership(t, cable.port)
  let leading = false
  leadership.whileLeading('webhooks', async (signal) => {
    leading = true
    if (!signal.aborted) await once(signal, 'abort')
    leading = false
  })
  return { leadership, cable, isLeading: () => leading }
}

test('one of two nodes does a job, and it moves', async (t) => {
  const postgres = await ThrowawayPostgres.start()
  t.teardown(() => postgres.close())
  const a = await contend(t, postgres)
  await until('a leads', a.isLeading)
  const b = await contend(t, postgres)
  await until('b has asked', async () => (await locks(postgres)) >= 1)
  t.notOk(b.isLeading())

  await postgres.query(
    `select pg_terminate_backend(pid) from pg_locks where locktype = 'advisory' and classid = 4117100`,
  )
  await until('one leads', () => a.isLeading() !== b.isLeading())
  const [leader, other] = a.isLeading() ? [a, b] : [b, a]

  leader.cable.cut()
  await until('it stops', () => !leader.isLeading())
  await postgres.query(`select pg_terminate_backend(pid) from pg_locks where classid = 4117100`) // as the keepalive does after 40 s
  await until('the other one leads', other.isLeading)
  leader.cable.mend()

  await other.leadership.close()
  t.notOk(other.isLeading())
  await until('the first one leads again', leader.isLeading)
  t.equal(await locks(postgres), 1)
})

test('a job that fails is left to another node, or begun again', async (t) => {
  const postgres = await ThrowawayPostgres.start()
  t.teardown(() => postgres.close())
  const errors: unknown[] = []
  const alone = openLeadership(t, postgres.port, (error) => errors.push(error))
  let attempts = 0
  alone.whileLeading('upkeep', async (signal) => {
    attempts += 1
    if (attempts === 1) throw new Error('the job fails')
    if (!signal.aborted) await once(signal, 'abort')
  })
  await until('it is begun again', () => attempts === 2)
  t.match(errors, [{ message: 'the job fails' }])
  t.equal(await locks(postgres), 1)
})

test('a job that is stopped while its lock is taken is not begun', async (t) => {
  const postgres = await ThrowawayPostgres.start()
  t.teardown(() => postgres.close())
  const url = `postgres://postgres@127.0.0.1:${postgres.port}/postgres`
  const engine = new PostgresEngine({ engine: 'postgres', url, urlFile: undefined, listenUrl: undefined })
  let begun = false
  const stopped = Promise.withResolvers<void>()
  const leadership = new Leadership(
    async (options) => {
      const listener = await engine.listen(options)
      const query = listener.query.bind(listener)
      listener.query = async <R extends Row>(text: string, values?: readonly unknown[]) => {
        const rows = await query<R>(text, values)
        if (text.includes('pg_try_advisory_lock')) await stop().then(stopped.resolve)
        return rows
      }
      return listener
    },
    () => undefined,
  )
  t.teardown(() => leadership.close())
  const stop = leadership.whileLeading('mirror', async () => {
    begun = true
  })
  await stopped.promise
  await until('the lock is free', async () => (await locks(postgres)) === 0)
  t.notOk(begun)
})

async function locks(postgres: ThrowawayPostgres): Promise<number> {
  return Number(
    await postgres.query(`select count(*) from pg_locks where locktype = 'advisory' and classid = 4117100`),
  )
}

import { join } from 'node:path'
import { sql } from 'kysely'
import pino from 'pino'
import { test } from 'tap'
import type { Test } from 'tap'
import { readConfig } from '../../src/config/config.ts'
import { openEngine } from '../../src/database/engine.ts'
import { moveDepot } from '../../src/move/move.ts'
import type { MoveOptions } from '../../src/move/move.ts'
import { makeOrigin, publishAll } from '../support/origin.ts'
import { scratchFolder } from '../support/run-cli.ts'
import { startDepot } from '../support/start-depot.ts'
import type { TestDepot } from '../support/start-depot.ts'

async function depotToMove(t: Test): Promise<TestDepot> {
  const started = await startDepot(t, { listen: true })
  await makeOrigin(started)
  await publishAll(started, 'acme/app/1.0.0/20260101000000')
  return started
}

/** Moves a depot to a file. Returns the reasons for which it was told to refuse changes. */
async function moveToFile(
  t: Test,
  { depot }: TestDepot,
  onProgress?: MoveOptions['onProgress'],
): Promise<(string | undefined)[]> {
  const reasons: (string | undefined)[] = []
  const to = readConfig({ DEPOT_DATA: join(await scratchFolder(t), 'data') })
  const moving = moveDepot(depot.config, to, {
    log: pino({ level: 'silent' }),
    now: depot.now,
    refuseChanges: async (reason) => void reasons.push(reason),
    onProgress,
  })
  await moving.catch((error: unknown) => {
    reasons.push(error instanceof Error && 'code' in error ? String(error.code) : String(error))
  })
  return reasons
}

async function execute({ depot }: TestDepot, text: string): Promise<void> {
  const writing = await (await openEngine(depot.config.database)).openWriting()
  const trx = await writing.writable.startTransaction().execute()
  await sql.raw(text).execute(trx)
  await trx.commit().execute()
  await writing.close()
}

test('a move reads the tables of the depot, not those with the same names in other schemas', async (t) => {
  const started = await depotToMove(t)
  await execute(started, 'create schema zoo')
  await execute(started, 'create table zoo.views (animal text)')
  const [moving, moved, ...others] = await moveToFile(t, started)
  t.match(moving, /^it is being moved to /)
  t.match(moved, /^it was moved to /)
  t.strictSame(others, [])
})

test('a move is not completed if nodes may have removed packages, because the connection was lost', async (t) => {
  const started = await depotToMove(t)
  let cutting = Promise.resolve()
  const reasons = await moveToFile(t, started, (stage, steps) => {
    if (stage === 'rows' && 'total' in steps)
      cutting = execute(
        started,
        `select pg_terminate_backend(pid) from pg_stat_activity
        where application_name = 'hart-depot listener' and datname = current_database()`,
      )
  })
  await cutting
  t.match(reasons, [/^it is being moved to /, undefined, 'database_unavailable'])
})

import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'tap'
import { readConfig } from '../../src/config/config.ts'
import { openEngine } from '../../src/database/engine.ts'
import { areBlobsHeld, holdBlobs, lockBackups } from '../../src/depot/blob-hold.ts'
import { emptyDatabase } from '../support/test-database.ts'
import { until } from '../support/until.ts'

test('what one node holds for a backup, another node with its own data folder keeps', async (t) => {
  const { url = '' } = await emptyDatabase(t)
  const node = async () => {
    const folder = await mkdtemp(join(tmpdir(), 'hart-depot-test-'))
    t.teardown(async () => rm(folder, { recursive: true }))
    return readConfig({ DEPOT_DATA: folder, DEPOT_DATABASE_URL: url })
  }
  const [one, other] = [await node(), await node()]
  const reading = await (await openEngine(other.database)).openReader()
  t.teardown(() => reading.close())

  t.notOk(await areBlobsHeld(other, reading.reader))
  const [hold, second] = [await holdBlobs(one), await holdBlobs(other)]
  await second.close()
  t.ok(await areBlobsHeld(other, reading.reader))
  await hold.expectHeld()
  await hold.close()
  await until('the hold ends', async () => !(await areBlobsHeld(other, reading.reader)))
  await t.rejects(hold.expectHeld(), { code: 'database_unavailable' }, 'as after a lost connection')

  const lock = await lockBackups(one)
  await t.rejects(lockBackups(other), { code: 'data_in_use' })
  lock.close()
})

import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'tap'
import { scratchFolder } from '../support/run-cli.ts'
import { startDepot } from '../support/start-depot.ts'

test('files that a node has left in a shared folder are removed by another one', async (t) => {
  const environment = { DEPOT_BLOBS: `fs:${join(await scratchFolder(t), 'blobs')}` }
  const gone = await startDepot(t, { environment })
  const { database } = gone.depot.config
  const left = gone.depot.blobs.spool.newFile()
  await left.createWith(Buffer.from('half of an upload'))
  const next = await startDepot(t, {
    limits: { spoolGraceMs: 60_000 },
    environment: { ...environment, ...('url' in database && { DEPOT_DATABASE_URL: String(database.url) }) },
  })
  await next.depot.upkeep?.collector.walk()
  t.ok(existsSync(left.path), 'it may still be arriving')
  const impatient = await startDepot(t, {
    limits: { spoolGraceMs: 0 },
    environment: { ...environment, ...('url' in database && { DEPOT_DATABASE_URL: String(database.url) }) },
  })
  const own = impatient.depot.blobs.spool.newFile()
  await own.createWith(Buffer.from('another half'))
  await impatient.depot.upkeep?.collector.walk()
  t.notOk(existsSync(left.path))
  t.notOk(existsSync(own.path))
})

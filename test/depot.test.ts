import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import pino from 'pino'
import { test } from 'tap'
import type { Test } from 'tap'
import { readConfig } from '../src/config.ts'
import { openDepot } from '../src/depot.ts'

const world = { log: pino({ level: 'silent' }) }

async function scratch(t: Test): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'hart-depot-test-'))
  t.teardown(() => rm(folder, { recursive: true, force: true }))
  return folder
}

test('a database or a blob folder is held by one depot, wherever it lies', async (t) => {
  const folder = await scratch(t)
  const at = (name: string, more: Record<string, string>) => readConfig({ DEPOT_DATA: join(folder, name), ...more })
  for (const shared of [{ DEPOT_DATABASE_URL: `sqlite:${folder}/shared.sqlite` }, { DEPOT_BLOBS: `fs:${folder}/shared` }]) {
    const first = await openDepot(at('one', shared), world)
    await t.rejects(openDepot(at('two', shared), world), { code: 'data_in_use' })
    await first.close()
    await (await openDepot(at('two', shared), world)).close()
  }
})

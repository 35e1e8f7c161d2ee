import { mkdtemp, readFile, rm, stat, truncate, writeFile } from 'node:fs/promises'
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

test('the secret key is made once, for its owner alone, and one that is damaged is neither used nor replaced', async (t) => {
  const folder = await scratch(t)
  const file = join(folder, 'secret.key')
  await writeFile(`${file}.new`, 'what a depot left that was killed')
  const open = () => openDepot(readConfig({ DEPOT_DATA: folder }), world)
  const depot = await open()
  const sealed = depot.secrets.seal('a secret', 'tests')
  await depot.close()
  t.match(await readFile(file, 'utf8'), /^[0-9a-f]{64}\n$/)
  t.equal((await stat(file)).mode & 0o777, 0o600)
  const again = await open()
  t.equal(again.secrets.open(sealed, 'tests'), 'a secret')
  await again.close()
  await truncate(file, 10)
  await t.rejects(open(), { code: 'invalid_request', message: /secret\.key does not hold 64 hex characters/ })
  t.equal((await stat(file)).size, 10)
})

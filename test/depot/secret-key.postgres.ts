import { readdirSync } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'tap'
import { readConfig } from '../../src/config/config.ts'
import { openDepot } from '../../src/depot/open.ts'
import { openLogTo } from '../../src/log.ts'
import { emptyDatabase } from '../support/test-database.ts'

const [ONE, OTHER] = ['a'.repeat(64), 'b'.repeat(64)]

test('on PostgreSQL the secret key is never made, and all nodes must have the same one', async (t) => {
  const { url = '' } = await emptyDatabase(t)
  const open = async (key?: string) => {
    const folder = await mkdtemp(join(tmpdir(), 'hart-depot-test-'))
    try {
      const depot = await openDepot(
        readConfig({
          DEPOT_DATA: folder,
          DEPOT_DATABASE_URL: url,
          ...(key !== undefined && { DEPOT_SECRET_KEY: key }),
        }),
        { log: openLogTo('silent', { write: () => undefined }), inProcess: true },
      )
      await depot.close()
      return readdirSync(folder)
    } finally {
      await rm(folder, { recursive: true })
    }
  }
  await t.rejects(open(), { code: 'invalid_request', message: /DEPOT_SECRET_KEY/ })
  t.notOk((await open(ONE)).includes('secret.key'))
  await open(ONE)
  await t.rejects(open(OTHER), { code: 'invalid_request', message: /the other nodes have/ })
  await open(`${OTHER},${ONE}`) // a rotation
  await t.rejects(open(ONE), { code: 'invalid_request', message: /the other nodes have/ })
  await open(OTHER)
})

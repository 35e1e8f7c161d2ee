import { test } from 'tap'
import { ThrowawayPostgres } from '../../scripts/cluster/postgres.ts'
import { ClaimsInMemory } from '../../src/blobs/claims.ts'
import { BlobLocks } from '../../src/cluster/blob-locks.ts'
import { PostgresEngine } from '../../src/database/postgres/engine.ts'
import { until } from '../support/until.ts'

// Claims of two nodes on one store, over a real PostgreSQL.

const BLOB = 'ab'.repeat(32)

const call = async (isStillFree: () => Promise<boolean>) => isStillFree()

test('a node removes no blob that another one needs', async (t) => {
  const postgres = await ThrowawayPostgres.start()
  t.teardown(() => postgres.close())
  const engine = new PostgresEngine({
    engine: 'postgres',
    url: postgres.url,
    urlFile: undefined,
    listenUrl: undefined,
  })
  const stored = new Set<string>()
  const rows = new Set<string>()
  const doubtful: string[] = []
  let isNeeded: (checksum: string) => boolean | Promise<boolean> = (checksum) => rows.has(checksum)
  const storage = {
    put: async (_path: string, checksum: string) => void stored.add(checksum),
    delete: async (checksum: string) => void stored.delete(checksum),
  }
  const node = () => {
    const locks = new BlobLocks((options) => engine.listen(options))
    t.teardown(() => locks.close())
    const others = {
      share: async (checksum: string) => locks.share(checksum),
      unshare: async (checksum: string) => locks.unshare(checksum),
      ifFree: async (checksum: string, act: (isStillFree: () => Promise<boolean>) => Promise<void>) =>
        locks.ifFree(checksum, act),
      onDoubt: (checksum: string) => void doubtful.push(checksum),
    }
    return new ClaimsInMemory(storage, async (checksum) => isNeeded(checksum), others)
  }
  const [a, b] = [node(), node()]

  await a.keep('spool', BLOB)
  await b.keep('spool', BLOB)
  await a.release(BLOB, 'unknown')
  t.ok(stored.has(BLOB), 'the upload on b is not committed yet')
  rows.add(BLOB)
  await b.release(BLOB, 'published')
  await a.forget(BLOB)
  t.ok(stored.has(BLOB), 'a row needs it')
  rows.delete(BLOB)
  await b.forget(BLOB)
  t.notOk(stored.has(BLOB))

  t.strictSame(doubtful, [])

  t.equal(await a.unlessElsewhere(BLOB, call), true)
  await a.keep('spool', BLOB)
  t.equal(await a.unlessElsewhere(BLOB, call), true, 'its own claims do not count')
  t.equal(await b.unlessElsewhere(BLOB, call), undefined, 'a may be replacing damaged bytes')
  await a.release(BLOB, 'unknown')

  const disconnect = `select pg_terminate_backend(pid) from pg_stat_activity where application_name = 'hart-depot listener'`
  const hasLock = async () => {
    const held = `select count(*) from pg_locks where locktype = 'advisory' and mode = 'ShareLock'`
    return (await postgres.query(held)) === '1'
  }
  await a.keep('spool', BLOB)
  await postgres.query(disconnect)
  await until('a has its lock again', hasLock)
  await b.forget(BLOB)
  t.ok(stored.has(BLOB))
  await a.release(BLOB, 'unknown')
  t.notOk(stored.has(BLOB), 'the last one that needed it removes it')
  t.strictSame(doubtful.splice(0), [BLOB], 'it may have been removed meanwhile')

  await a.keep('spool', BLOB)
  await postgres.stop('SIGKILL')
  await postgres.restart()
  await until('a has its lock again, though nothing needed the connection', hasLock)
  rows.add(BLOB)
  await a.release(BLOB, 'published')
  t.strictSame(doubtful.splice(0), [BLOB])

  rows.clear()
  isNeeded = async () => {
    await postgres.query(disconnect)
    return false
  }
  await t.rejects(a.forget(BLOB))
  t.ok(stored.has(BLOB), 'the lock was lost before the removal')

  isNeeded = (checksum) => !stored.has(checksum)
  await a.forget(BLOB)
  t.strictSame(doubtful, [BLOB], 'an upload overtook the removal')
})

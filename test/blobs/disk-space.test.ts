import { mkdtemp, rename, rm, statfs } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'tap'
import { DiskRoom } from '../../src/blobs/disk-space.ts'
import { Spool } from '../../src/blobs/spool.ts'

const GIB = 1024 ** 3

test('small uploads share a reading of the disk for a second, while room is ample', async (t) => {
  const parent = await mkdtemp(join(tmpdir(), 'hart-depot-room-'))
  const folder = await mkdtemp(join(parent, 'blobs-'))
  t.teardown(() => rm(parent, { recursive: true }))
  const { bavail, bsize } = await statfs(folder)
  let elapsedMs = 0
  const room = new DiskRoom(
    {
      config: {
        database: { engine: 'sqlite', file: join(folder, 'depot.sqlite') },
        diskReserveBytes: bavail * bsize - 4 * GIB, // there is room for 4 GiB
      },
      blobs: { spool: new Spool(folder, 'own') },
    },
    () => elapsedMs,
  )
  const small = { bytes: 1_000, what: 'a package' }
  await room.expect(small)
  await rename(folder, `${folder}-away`) // now reading the disk fails
  await t.resolves(room.expect(small), 'the reading is kept')
  await t.rejects(room.expect({ bytes: 3 * GIB, what: 'a package' }), { code: 'ENOENT' })
  await rename(`${folder}-away`, folder)
  await t.rejects(room.expect({ bytes: 6 * GIB, what: 'a package' }), { code: 'storage_full' })
  await t.resolves(room.expect(small), 'a refused upload takes no room')
  await rename(folder, `${folder}-away`)
  elapsedMs = 1_000
  await t.rejects(room.expect(small), { code: 'ENOENT' }, 'the reading is old')
})

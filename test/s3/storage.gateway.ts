import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { buffer } from 'node:stream/consumers'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import {
  CreateMultipartUploadCommand,
  ListMultipartUploadsCommand,
  PutBucketPolicyCommand,
  PutObjectCommand,
} from '@aws-sdk/client-s3'
import tap, { test } from 'tap'
import type { Test } from 'tap'
import { findServiceFault } from '../../src/blobs/open.ts'
import { S3Storage } from '../../src/blobs/s3/storage.ts'
import { Spool } from '../../src/blobs/spool.ts'
import type { BlobStream, ListedPage } from '../../src/blobs/storage.ts'
import type { S3Place } from '../../src/config/s3-place.ts'
import { put, storageContract } from '../blobs/contract.ts'
import type { StorageUnderTest } from '../blobs/contract.ts'
import { startRelay, startS3 } from '../support/storage/s3.ts'

// The store of blobs in S3, on Ceph's real gateway. Needs Debian's packages: see scripts/s3-gateway.ts.

const s3 = await startS3(tap)

async function makeSpool(t: Test): Promise<Spool> {
  const folder = await mkdtemp(join(tmpdir(), 'hart-depot-test-'))
  t.teardown(() => rm(folder, { recursive: true, force: true }))
  const spool = new Spool(join(folder, 'spool'), 'own')
  await spool.reset()
  return spool
}

storageContract(test, 'S3', async (t): Promise<StorageUnderTest> => {
  const place = await s3.makePlace()
  const keyOf = (checksum: string) => `${place.prefix}${checksum.slice(0, 2)}/${checksum}`
  return {
    storage: new S3Storage(place),
    other: new S3Storage(place),
    spool: await makeSpool(t),
    openReaders: async () => s3.busyConnections(),
    async resize(checksum, sizeBytes) {
      const input = { Bucket: place.bucket, Key: keyOf(checksum), Body: Buffer.alloc(sizeBytes) }
      await s3.client.send(new PutObjectCommand(input))
    },
    async lock(checksum) {
      const Policy = JSON.stringify({
        Version: '2012-10-17',
        Statement: [
          {
            Effect: 'Deny',
            Principal: '*',
            Action: 's3:GetObject',
            Resource: `arn:aws:s3:::${place.bucket}/${keyOf(checksum)}`,
          },
        ],
      })
      await s3.client.send(new PutBucketPolicyCommand({ Bucket: place.bucket, Policy }))
    },
  }
})

const MIB = 1024 * 1024

/** Returns the uploads in parts that are not complete. */
async function openUploads({ bucket }: S3Place): Promise<(string | undefined)[]> {
  const { Uploads = [] } = await s3.client.send(new ListMultipartUploadsCommand({ Bucket: bucket }))
  return Uploads.map(({ Key }) => Key)
}

test('a blob of several parts arrives whole, and leaves no parts', async (t) => {
  const place = await s3.makePlace()
  const storage = new S3Storage(place)
  const bytes = randomBytes(40 * MIB + 1)
  const blob = await put({ storage, spool: await makeSpool(t) }, bytes)
  t.equal((await buffer(await storage.open(blob))).compare(bytes), 0)
  const part = await buffer(await storage.open(blob, { start: 8 * MIB - 5, end: 16 * MIB + 5 }))
  t.equal(part.compare(bytes.subarray(8 * MIB - 5, 16 * MIB + 6)), 0)
  t.strictSame(await openUploads(place), [])
})

test('a read goes on at the next byte when its connection is cut, again and again', async (t) => {
  const place = await s3.makePlace()
  const bytes = randomBytes(16 * MIB)
  const blob = await put({ storage: new S3Storage(place), spool: await makeSpool(t) }, bytes)
  const relay = await startRelay(t, s3.gateway.endpoint)
  const storage = new S3Storage({ ...place, endpoint: relay.endpoint })
  relay.cutAfter = 3 * MIB
  t.equal((await buffer(await storage.open(blob))).compare(bytes), 0)
  t.ok(relay.connections >= 6, `${relay.connections} connections`)
  const part = await buffer(await storage.open(blob, { start: 1, end: 10 * MIB }))
  t.equal(part.compare(bytes.subarray(1, 10 * MIB + 1)), 0)
})

test('a read of which no byte comes any more fails, and the blob is not damaged', async (t) => {
  const place = await s3.makePlace()
  const blob = await put({ storage: new S3Storage(place), spool: await makeSpool(t) }, randomBytes(16 * MIB))
  const relay = await startRelay(t, s3.gateway.endpoint)
  const storage = new S3Storage({ ...place, endpoint: relay.endpoint })
  const stream = await storage.open(blob)
  relay.cutAfter = 0
  await t.rejects(buffer(stream), { code: 'BLOB_UNREADABLE', damage: undefined })
  await t.rejects(storage.head(blob.checksum), { code: 'BLOB_UNREADABLE', damage: undefined })
})

test('a blob that is replaced within a read that was cut fails its reader', async (t) => {
  const place = await s3.makePlace()
  const blob = await put({ storage: new S3Storage(place), spool: await makeSpool(t) }, randomBytes(16 * MIB))
  const relay = await startRelay(t, s3.gateway.endpoint)
  const storage = new S3Storage({ ...place, endpoint: relay.endpoint })
  relay.cutAfter = 6 * MIB
  const stream = await storage.open(blob)
  const key = `${place.prefix}${blob.checksum.slice(0, 2)}/${blob.checksum}`
  const Body = randomBytes(16 * MIB)
  await s3.client.send(new PutObjectCommand({ Bucket: place.bucket, Key: key, Body }))
  await t.rejects(buffer(stream), { code: 'BLOB_UNREADABLE', damage: undefined })
})

test('a stopped gateway refuses puts and reads for a reason, and readers wait for its return', async (t) => {
  const place = await s3.makePlace()
  const storage = new S3Storage(place)
  const spool = await makeSpool(t)
  const bytes = randomBytes(32 * MIB)
  const blob = await put({ storage, spool }, bytes)
  const reader = await storage.open(blob)
  await once(reader, 'readable')
  await s3.gateway.kill()
  await t.rejects(put({ storage, spool }, randomBytes(10)), {
    code: 'storage_unavailable',
    retryAfterSeconds: 10,
  })
  await t.rejects(put({ storage, spool }, randomBytes(20 * MIB)), { code: 'storage_unavailable' })
  await t.rejects(storage.open(blob), {
    code: 'BLOB_UNREADABLE',
    damage: undefined,
    reason: 'nothing listens there',
  })
  await t.rejects(storage.check(), { message: /nothing listens there/ })
  t.strictSame(await findServiceFault(storage), { reason: 'nothing listens there', isMisconfigured: false })
  const read = buffer(reader)
  await s3.gateway.start()
  t.equal((await read).compare(bytes), 0)
  t.strictSame(await openUploads(place), [])
  await t.resolves(put({ storage, spool }, randomBytes(10)))
})

test('wrong settings are told, and no blob counts as missing for them', async (t) => {
  const place = await s3.makePlace()
  const spool = await makeSpool(t)
  const blob = await put({ storage: new S3Storage(place), spool }, randomBytes(10))
  const noBucket = new S3Storage({ ...place, bucket: 'no-such-bucket' })
  await t.rejects(noBucket.head(blob.checksum), {
    code: 'BLOB_UNREADABLE',
    reason: 'the bucket does not exist',
  })
  await t.rejects(noBucket.open(blob), { code: 'BLOB_UNREADABLE', reason: 'the bucket does not exist' })
  await t.rejects(put({ storage: noBucket, spool }, randomBytes(10)), {
    code: 'storage_unavailable',
    message: /the bucket does not exist/,
  })
  await t.rejects(noBucket.list().next(), { message: /the bucket does not exist/ })
  t.match(await findServiceFault(noBucket), { reason: /the bucket does not exist/, isMisconfigured: true })

  const { AWS_SECRET_ACCESS_KEY: right, AWS_ACCESS_KEY_ID: id } = process.env
  process.env['AWS_SECRET_ACCESS_KEY'] = 'wrong'
  const wrongSecret = new S3Storage(place)
  t.match(await findServiceFault(wrongSecret), { reason: /the secret key is wrong/, isMisconfigured: true })
  await t.rejects(wrongSecret.head(blob.checksum), { code: 'BLOB_UNREADABLE', damage: undefined })
  process.env['AWS_ACCESS_KEY_ID'] = 'unknown'
  t.match(await findServiceFault(new S3Storage(place)), {
    reason: /the access key is not known/,
    isMisconfigured: true,
  })
  Object.assign(process.env, { AWS_SECRET_ACCESS_KEY: right, AWS_ACCESS_KEY_ID: id })
  t.equal(await findServiceFault(new S3Storage(place)), undefined)
})

test('a full bucket refuses puts as a full disk does, and keeps what it has', async (t) => {
  const place = await s3.makePlace()
  const storage = new S3Storage(place)
  const spool = await makeSpool(t)
  const blob = await put({ storage, spool }, randomBytes(10))
  await s3.gateway.admin(
    'quota',
    'set',
    '--quota-scope=bucket',
    `--bucket=${place.bucket}`,
    '--uid=depot',
    '--max-objects=1',
  )
  await s3.gateway.admin('quota', 'enable', '--quota-scope=bucket', `--bucket=${place.bucket}`, '--uid=depot')
  await s3.gateway.kill() // it caches quotas
  await s3.gateway.start()
  await t.rejects(put({ storage, spool }, randomBytes(10)), { code: 'storage_full' })
  await t.rejects(put({ storage, spool }, randomBytes(20 * MIB)), { code: 'storage_full' })
  t.match(await storage.head(blob.checksum), { sizeBytes: 10 })
  t.strictSame(await openUploads(place), [])
})

test('uploads in parts that nobody completes are aborted after a day', async (t) => {
  const place = await s3.makePlace()
  const [Key, others] = [`${place.prefix}ab/abc`, 'elsewhere/ab/abc']
  for (const key of [Key, others])
    await s3.client.send(new CreateMultipartUploadCommand({ Bucket: place.bucket, Key: key }))
  const storage = new S3Storage(place)
  await storage.removeRemains(Date.now())
  t.strictSame(await openUploads(place), [Key, others], 'another depot may be sending them')
  await storage.removeRemains(Date.now() + 25 * 60 * 60_000)
  t.strictSame(await openUploads(place), [others])
})

test('objects with other names are listed beside the blobs, and those outside the prefix are not', async (t) => {
  const place = await s3.makePlace()
  const storage = new S3Storage(place)
  const { checksum } = await put({ storage, spool: await makeSpool(t) }, randomBytes(10))
  for (const Key of [`${place.prefix}ab/what-is-this`, `${place.prefix}cd/${checksum}`, 'outside'])
    await s3.client.send(new PutObjectCommand({ Bucket: place.bucket, Key, Body: 'six by' }))
  const pages: ListedPage[] = []
  for await (const page of storage.list()) pages.push(page)
  t.strictSame(
    pages.flatMap(({ checksums }) => checksums),
    [checksum],
  )
  const url = `s3://${place.bucket}/${place.prefix}`
  t.strictSame(
    new Set(pages.flatMap(({ others }) => others)),
    new Set(
      [`${url}ab/what-is-this`, `${url}cd/${checksum}`].map((where) => ({ place: where, sizeBytes: 6 })),
    ),
  )
})

test('many slow readers hold little memory', async (t) => {
  const place = await s3.makePlace()
  const storage = new S3Storage(place)
  const blob = await put({ storage, spool: await makeSpool(t) }, randomBytes(16 * MIB))
  const readers: BlobStream[] = []
  const before = held()
  for (let n = 0; n < 200; n += 1) {
    const stream = await storage.open(blob)
    await once(stream, 'readable')
    stream.read(10)
    readers.push(stream)
  }
  const each = (held() - before) / readers.length
  t.ok(each < 512 * 1024, `${Math.round(each / 1024)} KiB each`)
  t.match(
    readers.map(({ heldBytes }) => heldBytes),
    Array.from({ length: 200 }, () => 192 * 1024),
  )
  for (const stream of readers) stream.destroy()
  await Promise.all(readers.map((stream) => once(stream, 'close')))
  t.equal(s3.busyConnections(), 0)
})

function held(): number {
  return process.memoryUsage().arrayBuffers
}

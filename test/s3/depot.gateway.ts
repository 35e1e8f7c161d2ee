import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { readFile } from 'node:fs/promises'
import { get } from 'node:http'
import type { IncomingMessage } from 'node:http'
import { join } from 'node:path'
import { buffer } from 'node:stream/consumers'
import { PutObjectCommand } from '@aws-sdk/client-s3'
import tap, { test } from 'tap'
import type { Test } from 'tap'
import { formatS3Url } from '../../src/config/s3-place.ts'
import type { S3Place } from '../../src/config/s3-place.ts'
import { lockBackups } from '../../src/depot/blob-hold.ts'
import { formatIdent } from '../../src/package/ident.ts'
import { ask } from '../support/ask.ts'
import { buildHart } from '../support/build-hart.ts'
import type { BuiltHart } from '../support/build-hart.ts'
import { CLONE, blocksOf } from '../support/documents/document.ts'
import { bearer, makeOrigin, publishAll, upload } from '../support/origin.ts'
import { runHere, scratchFolder } from '../support/run-cli.ts'
import { startNginx } from '../support/http/proxy-programs.ts'
import { startS3 } from '../support/storage/s3.ts'
import { startDepot } from '../support/start-depot.ts'
import type { TestDepot } from '../support/start-depot.ts'

// Depots whose packages are in S3, on Ceph's real gateway. Needs Debian's packages, and nginx: see
// scripts/s3-gateway.ts.

const s3 = await startS3(tap)
const MIB = 1024 * 1024
const APP = 'acme/app/1.0.0/20260101000000'
const BIG = 'acme/big/1.0.0/20260101000000'

/** Starts a depot over a place in S3. */
async function start(
  t: Test,
  place: S3Place,
  environment: Readonly<Record<string, string>> = {},
): Promise<TestDepot> {
  const started = await startDepot(t, {
    listen: true,
    hasThreads: true,
    environment: { ...settingsOf(place), ...environment },
  })
  await makeOrigin(started)
  return started
}

function settingsOf(place: S3Place): Record<string, string> {
  return {
    ...s3.gateway.environment,
    DEPOT_BLOBS: formatS3Url(place),
  }
}

const big = () => buildHart({ ident: BIG, files: [{ path: 'data', content: randomBytes(10 * MIB) }] })
const downloadPath = ({ ident }: BuiltHart) => `/v1/depot/pkgs/${formatIdent(ident)}/download`
const download = (url: string, hart: BuiltHart, headers: Record<string, string> = {}) =>
  ask(url + downloadPath(hart), { headers: { 'user-agent': 'hab/2.1.78', ...headers } })
const keyOf = ({ prefix }: S3Place, { checksum }: BuiltHart) => `${prefix}${checksum.slice(0, 2)}/${checksum}`

test('packages are uploaded to S3 and downloaded from it, whole and in parts', async (t) => {
  const started = await start(t, await s3.makePlace(), { DEPOT_WORKERS: '2' })
  const hart = big()
  t.match(await upload(started, hart), { status: 201 })
  t.match(await upload(started, hart), { status: 409 }, 'it is published already')
  const whole = await download(started.url, hart)
  t.match(whole, { status: 200, headers: { 'x-filename': /^acme-big-1\.0\.0/ } })
  t.equal(whole.body.compare(hart.bytes), 0)
  const part = await download(started.url, hart, { range: 'bytes=5-10' })
  t.match(part, { status: 206, headers: { 'content-range': `bytes 5-10/${hart.bytes.length}` } })
  t.equal(part.body.compare(hart.bytes.subarray(5, 11)), 0)
})

test('without S3, uploads and downloads get 503, polls go on, and /readyz tells', async (t) => {
  const started = await start(t, await s3.makePlace())
  const [hart] = await publishAll(started, APP)
  if (hart === undefined) throw new Error('unreachable')
  await s3.gateway.kill()
  const refused = await upload(started, buildHart({ ident: 'acme/web/1.0.0/20260101000000' }), {
    headers: { ...bearer(), accept: 'application/problem+json' },
  })
  t.match(refused, {
    status: 503,
    headers: { 'retry-after': '10' },
    text: /storage_unavailable.*nothing listens there/,
  })
  t.match(await download(started.url, hart), { status: 503 })
  t.match(await ask(`${started.url}/v1/depot/channels/acme/unstable/pkgs/app/latest`), { status: 200 })
  const ready = await ask(`${started.url}/readyz`)
  t.match(JSON.parse(ready.text), {
    ready: true,
    problems: [{ code: 'storage', detail: /nothing listens there/ }],
  })
  await s3.gateway.start()
  t.match(await upload(started, buildHart({ ident: 'acme/web/1.0.0/20260101000000' })), { status: 201 })
  t.match(await download(started.url, hart), { status: 200 })
  t.strictSame(await started.depot.blobs.spool.list(), [])
})

test('a gateway that is killed within an upload refuses it, and within a download delays it', async (t) => {
  const started = await start(t, await s3.makePlace())
  const hart = big()
  t.match(await upload(started, hart), { status: 201 })
  const request = get(`${started.url}${downloadPath(hart)}`)
  const [answer] = (await once(request, 'response')) as [IncomingMessage]
  await once(answer, 'readable')
  const other = buildHart({
    ident: 'acme/big/2.0.0/20260101000000',
    files: [{ path: 'data', content: randomBytes(10 * MIB) }],
  })
  const uploading = upload(started, other)
  await s3.gateway.kill()
  t.match(await uploading, { status: 503 })
  await s3.gateway.start()
  t.equal((await buffer(answer)).compare(hart.bytes), 0)
  t.match(await upload(started, other), { status: 201 }, 'the same upload succeeds later')
})

test('a depot starts and answers polls while S3 is away, and refuses to start over a wrong bucket', async (t) => {
  const place = await s3.makePlace()
  await s3.gateway.kill()
  const started = await start(t, place)
  t.match(started.logged, [{ reason: 'nothing listens there' }])
  t.match(await ask(`${started.url}/v1/depot/channels/acme/unstable/pkgs/app/latest`), { status: 404 })
  await s3.gateway.start()
  t.match(await upload(started, buildHart({ ident: APP })), { status: 201 })
  await t.rejects(start(t, { ...place, bucket: 'no-such-bucket' }), {
    code: 'invalid_request',
    message: 'DEPOT_BLOBS cannot be used: the bucket does not exist',
  })
})

test('two depots over one bucket put the same package, and each serves it', async (t) => {
  const place = await s3.makePlace()
  const depots = await Promise.all([start(t, place), start(t, place)])
  const hart = big()
  const answers = await Promise.all(depots.map((depot) => upload(depot, hart)))
  t.strictSame(
    answers.map(({ status }) => status),
    [201, 201],
  )
  for (const { url } of depots) t.equal((await download(url, hart)).body.compare(hart.bytes), 0)
})

test('damage in S3 is found, not served, and repaired by an upload', async (t) => {
  const place = await s3.makePlace()
  const started = await start(t, place)
  const [hart] = await publishAll(started, APP)
  if (hart === undefined) throw new Error('unreachable')
  const Body = Buffer.from(hart.bytes)
  Body[Body.length - 1] = (Body.at(-1) ?? 0) ^ 1
  await s3.client.send(new PutObjectCommand({ Bucket: place.bucket, Key: keyOf(place, hart), Body }))
  await started.depot.upkeep?.scrub.pass()
  t.match(await download(started.url, hart), { status: 503, text: /wrong bytes/ })
  t.match(await upload(started, hart), { status: 201 })
  t.equal((await download(started.url, hart)).body.compare(hart.bytes), 0)
})

test('the bytes of a deleted release are removed from S3', async (t) => {
  const started = await start(t, await s3.makePlace())
  const [hart] = await publishAll(started, APP)
  if (hart === undefined) throw new Error('unreachable')
  const { storage } = started.depot.blobs
  await t.resolves(storage.head(hart.checksum))
  const path = `/v1/depot/pkgs/${formatIdent(hart.ident)}`
  await ask(started.url + path, { method: 'DELETE', headers: bearer() })
  await t.rejects(storage.head(hart.checksum), { code: 'BLOB_ABSENT' })
})

/** Returns the nth configuration for nginx of docs/s3.md, for other addresses. */
async function configurationOf(
  nth: number,
  { depot, port }: { depot: TestDepot; port: number },
): Promise<string> {
  const blocks = blocksOf(await readFile(join(CLONE, 'docs/s3.md'), 'utf8'))
  const { lines = [] } = blocks.filter(({ language }) => language === 'nginx')[nth] ?? {}
  return lines
    .join('\n')
    .replace('127.0.0.1:9636', new URL(depot.url).host)
    .replace('listen 443 ssl', `listen 127.0.0.1:${port}`)
    .replace('proxy_pass https://s3.example', `proxy_pass ${s3.gateway.endpoint}`)
    .replace('Host s3.example', `Host ${new URL(s3.gateway.endpoint).host}`)
    .replace('/var/lib/hart-depot/blobs', `${depot.folder}/blobs`)
}

const ACCEL = { DEPOT_ACCEL_LOCATION: '/_packages', DEPOT_TRUST_PROXY: '127.0.0.1' }

/** Downloads a package as nginx hands it over, and checks what the client gets. */
async function downloadsBehind(t: Test, url: string, hart: BuiltHart): Promise<void> {
  const whole = await download(url, hart)
  t.match(whole, {
    status: 200,
    headers: {
      'x-filename': /^acme-big-1\.0\.0/,
      'content-type': 'application/octet-stream',
      'content-length': String(hart.bytes.length),
      'content-disposition': /^attachment; filename="acme-big-1\.0\.0/,
      'cache-control': 'public, max-age=31536000',
      etag: `"${hart.checksum}"`,
    },
  })
  t.notMatch(Object.keys(whole.headers).join(), /x-accel|x-amz|meta/)
  t.equal(whole.body.compare(hart.bytes), 0)
  const part = await download(url, hart, { range: 'bytes=5-10' })
  t.match(part, { status: 206, headers: { 'content-range': `bytes 5-10/${hart.bytes.length}` } })
  t.equal(part.body.compare(hart.bytes.subarray(5, 11)), 0)
  const old = await download(url, hart, { range: 'bytes=5-10', 'if-range': '"another"' })
  t.match(old, { status: 200 })
  t.equal(old.body.compare(hart.bytes), 0)
  t.match(await download(url, hart, { 'if-none-match': `"${hart.checksum}"` }), { status: 304 })
  t.match(await download(url, hart, { range: 'bytes=99999999999-' }), { status: 416 })
  const head = await ask(url + downloadPath(hart), { method: 'HEAD' })
  t.match(head, { status: 200, headers: { 'content-length': String(hart.bytes.length) } })
}

test('nginx sends packages from S3, and clients without nginx get them from the depot', async (t) => {
  const started = await start(t, await s3.makePlace(), ACCEL)
  const hart = big()
  t.match(await upload(started, hart), { status: 201 })
  const port = await startNginx(t, async (free) => configurationOf(0, { depot: started, port: free }))
  const url = `http://127.0.0.1:${port}`
  await downloadsBehind(t, url, hart)
  t.equal((await download(started.url, hart)).body.compare(hart.bytes), 0, 'directly')
  const other = await download(started.url, hart, { 'x-accel-location': '/another' })
  t.equal(other.body.compare(hart.bytes), 0, 'of another location')
  const handed = await download(started.url, hart, { 'x-accel-location': '/_packages' })
  t.match(handed, {
    status: 200,
    body: { length: 0 },
    headers: { 'x-accel-redirect': /^\/_packages\/test-.*X-Amz-Signature=/ },
  })
  t.match(await ask(`${url}/_packages/x`), { status: 503 }, 'the location is internal')
  await s3.gateway.kill()
  t.match(await download(url, hart), { status: 503 })
  await s3.gateway.start()
  t.match(await download(url, hart), { status: 200 })
})

test('a proxy that is not trusted gets the bytes', async (t) => {
  const started = await start(t, await s3.makePlace(), { ...ACCEL, DEPOT_TRUST_PROXY: '10.0.0.1' })
  const [hart] = await publishAll(started, APP)
  if (hart === undefined) throw new Error('unreachable')
  const answer = await download(started.url, hart, { 'x-accel-location': '/_packages' })
  t.equal(answer.body.compare(hart.bytes), 0)
})

test('nginx sends packages from a folder', async (t) => {
  const started = await startDepot(t, { listen: true, environment: ACCEL })
  await makeOrigin(started)
  const hart = big()
  t.match(await upload(started, hart), { status: 201 })
  const port = await startNginx(
    t,
    async (free) =>
      `server { listen 127.0.0.1:${free};
        location / { proxy_pass ${started.url}; proxy_set_header X-Accel-Location /_packages; }
        ${await configurationOf(1, { depot: started, port: free })} }`,
  )
  await downloadsBehind(t, `http://127.0.0.1:${port}`, hart)
})

test('a depot is backed up to S3, restored from it, and repaired from it', async (t) => {
  const place = await s3.makePlace()
  const backups = `s3://${place.bucket}/backups`
  const started = await start(t, place)
  const [app, web] = await publishAll(started, APP, 'acme/web/1.0.0/20260101000000')
  if (app === undefined || web === undefined) throw new Error('unreachable')
  const settings = settingsOf(place)
  const run = (...args: string[]) => runHere(args, { ...settings, DEPOT_DATA: started.folder })
  const first = await run('backup', backups, '--json')
  t.match(first, { code: 0 }, first.stderr)
  t.match(JSON.parse(first.stdout), { packages: 2, copied: 2 })
  await publishAll(started, 'acme/new/1.0.0/20260101000000')
  const second = await run('backup', backups, '--with-secret-key', '--json')
  t.match(JSON.parse(second.stdout), { packages: 3, copied: 1 })

  const lock = await lockBackups(started.depot.config)
  t.match(await run('backup', backups), { code: 1, stderr: /another process/i })
  lock.close()

  const Body = Buffer.alloc(app.bytes.length)
  await s3.client.send(new PutObjectCommand({ Bucket: place.bucket, Key: keyOf(place, app), Body }))
  t.match(await run('verify', '--bytes', '--repair', '--from', backups), {
    code: 0,
    stderr: /repaired: acme\/app/,
  })
  t.equal((await download(started.url, app)).body.compare(app.bytes), 0)

  const data = await scratchFolder(t)
  const restored = await runHere(['restore', backups, '--json'], {
    ...settings,
    DEPOT_DATA: join(data, 'data'),
    DEPOT_BLOBS: `s3://${place.bucket}/restored`,
  })
  t.match(restored, { code: 0 }, restored.stderr)
  t.match(JSON.parse(restored.stdout), { packages: 3, missing_in_all: 0, ledger_agrees: true })
  const inFolder = await runHere(['restore', backups, '--backup', idOf(first)], {
    ...settings,
    DEPOT_DATA: join(data, 'folder'),
    DEPOT_BLOBS: '',
  })
  t.match(inFolder, { code: 0, stdout: /2 packages/ }, inFolder.stderr)

  const third = await run('backup', backups, '--keep', '1', '--json')
  t.strictSame(
    (JSON.parse(third.stdout) as { removed: string[] }).removed.toSorted(),
    [idOf(first), idOf(second)].toSorted(),
  )
  const listed = await run('backup', 'list', backups, '--json')
  t.match(JSON.parse(listed.stdout), { length: 1 })
})

test('a backup to a wrong place says what is wrong', async (t) => {
  const place = await s3.makePlace()
  const started = await start(t, place)
  const run = (to: string) => runHere(['backup', to], { ...settingsOf(place), DEPOT_DATA: started.folder })
  t.match(await run('s3://no-such-bucket/backups'), { code: 1, stderr: /the bucket does not exist/ })
  t.match(await run('s3://Wrong_Bucket'), { code: 1, stderr: /must be s3:/ })
})

function idOf({ stdout }: { stdout: string }): string {
  return (JSON.parse(stdout) as { id: string }).id
}

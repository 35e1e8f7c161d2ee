import { execFile } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { existsSync } from 'node:fs'
import { mkdir, readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { test } from 'tap'
import type { Test } from 'tap'
import { ask } from '../support/ask.ts'
import { blobsIn } from '../support/copies/backups.ts'
import { buildHart, makeKeys } from '../support/build-hart.ts'
import type { BuiltHart } from '../support/build-hart.ts'
import { bearer, promoteTo, upload } from '../support/origin.ts'
import { run, runHere, scratchFolder, startServer } from '../support/run-cli.ts'
import { ADMIN_TOKEN } from '../support/start-depot.ts'
import type { TestDepot } from '../support/start-depot.ts'
import { until } from '../support/until.ts'
import { formatPublicKey } from '../../src/hart/origin-key.ts'
import { isHeld } from '../../src/database/engine.ts'

const MAIN = fileURLToPath(new URL('../../src/main.ts', import.meta.url))
const env = { DEPOT_ADMIN_TOKEN: ADMIN_TOKEN }
const FILL_BYTES = 60_000

/** A depot in a process of its own. Helpers of tests use only its URL. */
type Served = TestDepot

async function serve(t: Test, folder: string): Promise<{ served: Served; stop: () => Promise<void> }> {
  const server = await startServer(t, folder, env)
  const stop = async () => {
    server.process.kill('SIGTERM')
    await server.ended
  }
  return { served: { url: server.url } as Served, stop }
}

async function introduce({ url }: Served): Promise<void> {
  const { publicKey } = makeKeys('acme')
  const post = (path: string, body: string) =>
    ask(`${url}/v1/depot/origins${path}`, { method: 'POST', headers: bearer(), body })
  await post('', '{"name":"acme"}')
  await post(`/acme/keys/${publicKey.revision}`, formatPublicKey(publicKey))
}

/** Builds the package `acme/pN`, with random bytes in it. */
const packageNumber = (n: number, bytes = FILL_BYTES): BuiltHart =>
  buildHart({
    ident: `acme/p${n}/1.0.0/20260101000000`,
    files: [{ path: 'fill', content: randomBytes(bytes).toString('latin1') }],
  })

const latest = async ({ url }: Served, n: number): Promise<string> =>
  (await ask(`${url}/v1/depot/views/delivered/pkgs/acme/p${n}/latest?target=x86_64-linux`)).text
const remove = ({ url }: Served, n: number) =>
  ask(`${url}/v1/depot/pkgs/acme/p${n}/1.0.0/20260101000000`, { method: 'DELETE', headers: bearer() })
const content = async ({ url }: Served, at: number): Promise<unknown> =>
  (JSON.parse((await ask(`${url}/api/v1/views/delivered/content?at=${at}`)).text) as { pointers: unknown })
    .pointers

test('a backup under load of uploads and promotions restores, verifies and answers the same polls', async (t) => {
  const scratch = await scratchFolder(t)
  const [folder, to, data] = ['depot', 'backups', 'data'].map((name) => join(scratch, name)) as [
    string,
    string,
    string,
  ]
  const { served } = await serve(t, folder)
  await introduce(served)
  let published = 0
  const publishNext = async () => {
    const n = published
    published += 1
    const hart = packageNumber(n)
    t.match(await upload(served, hart), { status: 201 })
    if (n % 3 < 2) t.match(await promoteTo(served, 'delivered', hart), { status: 200 })
    else t.match(await remove(served, n), { status: 204 })
  }
  for (let n = 0; n < 12; n += 1) await publishNext()
  const ended = new AbortController()
  const load = [0, 1].map(async () => {
    while (!ended.signal.aborted) await publishNext()
  })
  const first = await run(['backup', to, '--json', '--with-secret-key'], { DEPOT_DATA: folder }).ended
  const second = await run(['backup', to, '--json', '--with-secret-key'], { DEPOT_DATA: folder }).ended
  ended.abort()
  await Promise.all(load)
  for (const made of [first, second]) {
    t.match(made, { code: 0 })
    const { id } = JSON.parse(made.stdout) as { id: string }
    const restored = join(data, id)
    await mkdir(restored, { recursive: true })
    t.match(await runHere(['restore', to, '--backup', id], { DEPOT_DATA: restored }), { code: 0 })
    t.match(await runHere(['verify', '--bytes'], { DEPOT_DATA: restored }), { code: 0, stderr: '' })
    const { served: again, stop } = await serve(t, restored)
    const view = JSON.parse((await ask(`${again.url}/api/v1/views/delivered`)).text) as { revision: number }
    t.ok(view.revision >= 8)
    t.strictSame(await content(again, view.revision), await content(served, view.revision))
    const idents = (await content(again, view.revision)) as { ident: string }[]
    for (const { ident } of idents) {
      const n = Number(/\/p(\d+)\//.exec(ident)?.[1])
      t.match(await latest(again, n), '"release":"20260101000000"', ident)
      const download = await ask(`${again.url}/v1/depot/pkgs/${ident}/download?target=x86_64-linux`)
      t.equal(download.status, 200, `${ident} can be downloaded`)
    }
    await stop()
  }
  t.ok(published > 12, 'the depot was under load')
})

test('after kill -9 in the middle of a backup, the next one goes on from there', async (t) => {
  const scratch = await scratchFolder(t)
  const [folder, to] = [join(scratch, 'depot'), join(scratch, 'backups')]
  const { served } = await serve(t, folder)
  await introduce(served)
  const harts = Array.from({ length: 12 }, (_, n) => packageNumber(n))
  for (const hart of harts) await upload(served, hart)

  const slow = run(['backup', to, '--rate', '900KiB'], { DEPOT_DATA: folder })
  await until('some packages are copied', async () => {
    return existsSync(join(to, 'blobs')) && (await blobsIn(to)).length > 2
  })
  t.ok(isHeld(join(folder, 'hold.sqlite')))
  slow.process.kill('SIGKILL')
  await slow.ended
  t.notOk(isHeld(join(folder, 'hold.sqlite')), 'the depot removes files again')
  const before = (await blobsIn(to)).length
  t.ok(before < harts.length, 'it was in the middle')
  t.match(await runHere(['backup', 'list', to, '--json'], {}), { stdout: '[]\n' })

  const next = await runHere(['backup', to, '--json'], { DEPOT_DATA: folder })
  t.match(JSON.parse(next.stdout), { packages: harts.length, copied: harts.length - before })
  t.strictSame(await readdir(join(to, 'blobs', 'spool')), [])
  t.equal((await readdir(join(to, 'backups'))).length, 1)
})

test('a target that fills keeps what is there, and the next backup goes on', async (t) => {
  const scratch = await scratchFolder(t)
  const [folder, to] = [join(scratch, 'depot'), join(scratch, 'backups')]
  const { served } = await serve(t, folder)
  await introduce(served)
  await upload(served, packageNumber(0))
  t.match(await runHere(['backup', to], { DEPOT_DATA: folder }), { code: 0 })
  await upload(served, packageNumber(1))
  await upload(served, packageNumber(2, 5_000_000))

  // The system refuses longer files, as a full disk does. The unit is 512 bytes.
  const { promise, resolve } = Promise.withResolvers<{ code: unknown; stderr: string }>()
  execFile(
    'sh',
    ['-c', 'ulimit -f 6000; exec "$@"', 'sh', process.execPath, MAIN, 'backup', to],
    { env: { ...process.env, DEPOT_DATA: folder } },
    (error, _, stderr) => resolve({ code: error?.code, stderr }),
  )
  t.match(await promise, { code: 1, stderr: /there is no space left in .*: what was copied is kept/ })
  t.equal((await readdir(join(to, 'backups'))).length, 1, 'the earlier backup is there')
  const next = await runHere(['backup', to, '--json', '--keep', '1'], { DEPOT_DATA: folder })
  t.match(next, { code: 0 })
  t.match(JSON.parse(next.stdout), { packages: 3 })
})

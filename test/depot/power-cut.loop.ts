import { execFile } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { mkdir, readFile, truncate, writeFile } from 'node:fs/promises'
import { Agent } from 'node:http'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { test } from 'tap'
import type { Test } from 'tap'
import { formatPublicKey } from '../../src/hart/origin-key.ts'
import { formatIdent } from '../../src/package/ident.ts'
import { ask } from '../support/ask.ts'
import { buildHart, makeKeys } from '../support/build-hart.ts'
import type { BuiltHart } from '../support/build-hart.ts'
import { bearer, promoteTo, upload } from '../support/origin.ts'
import { runHere, scratchFolder, startServer } from '../support/run-cli.ts'
import type { RunningServer } from '../support/run-cli.ts'
import { ADMIN_TOKEN } from '../support/start-depot.ts'

// Cuts the power: the depot's disk is an image, and the test takes a copy of what was written to it while the
// depot is stopped. What the kernel still had in memory is not in the copy. Needs root and loop devices:
// `npm run test:power-cut`.

const run = promisify(execFile)
const DISK_BYTES = 256 * 1024 * 1024
/** The changes after which the power is cut, once in each run. */
const CUTS = [1, 7, 60]
const CLIENTS = 8
/** Every fourth package is written to the spool; the others stay in memory until they are stored. */
const LARGE_BYTES = 200_000
const ENVIRONMENT = { DEPOT_ADMIN_TOKEN: ADMIN_TOKEN }

/** Mounts an image. Its file system writes nothing by itself for five minutes. */
async function mount(t: Test, image: string, at: string): Promise<void> {
  await mkdir(at)
  await run('mount', ['-o', 'loop,commit=300', image, at])
  t.teardown(() => run('umount', ['--lazy', at]))
}

function makeHart(number: number): BuiltHart {
  const content = number % 4 === 0 ? randomBytes(LARGE_BYTES) : 'x'
  return buildHart({
    ident: `acme/app-${number}`.concat('/1.0.0/20260101120000'),
    files: [{ path: 'bin/app', content }],
  })
}

async function makeOrigin({ url }: RunningServer): Promise<void> {
  const { publicKey } = makeKeys('acme')
  const headers = bearer()
  await ask(`${url}/v1/depot/origins`, { method: 'POST', headers, body: JSON.stringify({ name: 'acme' }) })
  const body = formatPublicKey(publicKey)
  await ask(`${url}/v1/depot/origins/acme/keys/${publicKey.revision}`, { method: 'POST', headers, body })
}

/** Uploads and promotes packages until the depot stops answering. Adds what it acknowledges. */
async function changeUntilStopped(
  server: RunningServer,
  { uploaded, promoted }: { uploaded: BuiltHart[]; promoted: BuiltHart[] },
  onChange: () => void,
): Promise<void> {
  let number = 0
  await Promise.allSettled(
    Array.from({ length: CLIENTS }, async () => {
      for (;;) {
        const hart = makeHart((number += 1))
        if ((await upload(server, hart)).status !== 201) throw new Error('an upload was refused')
        uploaded.push(hart)
        onChange()
        if ((await promoteTo(server, 'stable', hart)).status !== 200)
          throw new Error('a promotion was refused')
        promoted.push(hart)
        onChange()
      }
    }),
  )
}

for (const cut of CUTS)
  test(`after a power cut, ${cut} changes and more that were acknowledged are there`, async (t) => {
    const folder = await scratchFolder(t)
    const [image, copy] = [join(folder, 'disk'), join(folder, 'copy')]
    await writeFile(image, '')
    await truncate(image, DISK_BYTES)
    await run('mkfs.ext4', ['-q', '-F', image])
    await mount(t, image, join(folder, 'before'))
    const server = await startServer(t, join(folder, 'before/data'), ENVIRONMENT)
    await makeOrigin(server)
    await writeFile(join(folder, 'before/unsynced'), randomBytes(LARGE_BYTES))

    const acknowledged = { uploaded: [] as BuiltHart[], promoted: [] as BuiltHart[] }
    const reached = Promise.withResolvers<void>()
    const changing = changeUntilStopped(server, acknowledged, () => {
      if (acknowledged.uploaded.length + acknowledged.promoted.length >= cut) reached.resolve()
    })
    await Promise.race([reached.promise, changing])
    server.process.kill('SIGSTOP')
    const [uploaded, promoted] = [[...acknowledged.uploaded], [...acknowledged.promoted]]
    await run('cp', ['--sparse=always', image, copy])
    server.process.kill('SIGKILL')
    await changing

    await mount(t, copy, join(folder, 'after'))
    t.not((await readFile(join(folder, 'after/unsynced'))).length, LARGE_BYTES, 'what is not synced is lost')
    const data = join(folder, 'after/data')
    const after = await startServer(t, data, ENVIRONMENT)
    const agent = new Agent({ keepAlive: true })
    t.teardown(async () => agent.destroy())
    t.ok(
      uploaded.length + promoted.length >= cut,
      `${uploaded.length} uploads, ${promoted.length} promotions`,
    )
    for (const { ident, bytes } of uploaded) {
      const path = `/v1/depot/pkgs/${formatIdent(ident)}/download?target=x86_64-linux`
      const answer = await ask(after.url + path, { agent })
      if (answer.status !== 200 || answer.body.compare(bytes) !== 0)
        t.fail(`${formatIdent(ident)} is lost: ${answer.status}`)
    }
    for (const { ident } of promoted) {
      const path = `/v1/depot/channels/acme/stable/pkgs/${ident.name}/latest?target=x86_64-linux`
      const answer = await ask(after.url + path, { agent })
      if (answer.status !== 200) t.fail(`the promotion of ${formatIdent(ident)} is lost: ${answer.status}`)
    }
    after.process.kill('SIGTERM')
    t.match(await after.ended, { code: 0 })
    t.match(await runHere(['verify'], { DEPOT_DATA: data }), { code: 0 })
  })

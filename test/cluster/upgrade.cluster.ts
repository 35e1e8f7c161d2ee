import { cp, mkdtemp, readFile, readdir, rm, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { test } from 'tap'
import type { Test } from 'tap'
import { LocalCluster } from '../../scripts/cluster/local-cluster.ts'
import { NodeProcess, runCommand } from '../../scripts/cluster/node-process.ts'
import { ask } from '../support/ask.ts'
import { buildHart } from '../support/build-hart.ts'
import { ClusterClient, expect, pollPath } from '../support/http/cluster-client.ts'
import { freePort } from '../support/free-port.ts'
import { until } from '../support/until.ts'

// Nodes of this version beside a later version, which is this one with further migrations.

const ROOT = resolve(import.meta.dirname, '../..')
const LIMIT_MS = 60_000
const APP = 'acme/app/1.0.0/20260101120000'

/** Makes a program with migrations after those of this version. Resolves with its folder. */
async function makeLater(t: Test, migrations: readonly string[]): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'hart-depot-later-'))
  t.teardown(() => rm(folder, { recursive: true, force: true }))
  for (const each of ['src', 'migrations', 'package.json'])
    await cp(join(ROOT, each), join(folder, each), { recursive: true })
  await symlink(join(ROOT, 'node_modules'), join(folder, 'node_modules'))
  const last = (await readdir(join(folder, 'migrations/postgres'))).toSorted().at(-1) ?? ''
  for (const [index, sql] of migrations.entries()) {
    const name = `${String(Number(last.slice(0, 4)) + 1 + index).padStart(4, '0')}-later.sql`
    await writeFile(join(folder, 'migrations/postgres', name), sql)
  }
  return folder
}

test('a later version beside nodes of this one', async (whole) => {
  const added = '-- additive\nALTER TABLE releases ADD COLUMN later TEXT;\n'
  const additive = await makeLater(whole, [added])
  const other = await makeLater(whole, [added, 'ALTER TABLE releases DROP COLUMN later;\n'])
  const cluster = await LocalCluster.start()
  whole.teardown(() => cluster.close())
  const [first, second] = cluster.nodes
  if (first === undefined || second === undefined) throw new Error('the cluster has two nodes')
  const { nodes: all, adminToken } = cluster
  const client = new ClusterClient({ url: second.url, nodes: all, adminToken }) // the second one never stops
  const later = new NodeProcess({
    name: 'later',
    port: await freePort(),
    folder: cluster.folder,
    environment: cluster.environment,
    root: additive,
  })
  whole.teardown(() => later.stop())
  const data = { DEPOT_DATA: join(cluster.folder, 'commands') }
  const command = (name: string, root?: string) =>
    runCommand([name], { ...cluster.environment, ...data }, root)
  await client.makeOrigin()
  expect(await client.upload(buildHart({ ident: APP })), 201)

  const over = new AbortController()
  const nodes: NodeProcess[] = [first, second]
  let promotions = 0
  /** Changes the view all the time, and asks each node after each acknowledgement. */
  const load = (async () => {
    for (; !over.signal.aborted; promotions += 1) {
      const isPromotion = promotions % 2 === 0
      const path = `/api/v1/views/prod/${isPromotion ? 'promotions' : 'demotions'}`
      const { status, text } = await client.call('POST', path, { releases: [APP], reason: 'the test' })
      if (status !== 200 && status !== 201) whole.fail(`${path}: ${status} ${text}`)
      for (const { name, url } of nodes) {
        const found = (await ask(url + pollPath('app'))).status
        if (found !== (isPromotion ? 200 : 404)) whole.fail(`${name} answered ${found} after ${path}`)
      }
      await pause(5)
    }
  })()
  const more = async (what: string) => {
    const before = promotions
    await until(`there are promotions while ${what}`, () => promotions > before + 5, LIMIT_MS)
  }
  await more('the database is of this version')

  await command('migrate', additive)
  await more('the database is of a later version')
  await later.start()
  nodes.push(later)
  await more('a node of the later version runs')

  await whole.test('a node of this version starts again after an additive migration', async (t) => {
    nodes.splice(nodes.indexOf(first), 1)
    await first.stop()
    await first.start()
    await client.whenAllAnswer()
    nodes.push(first)
    await more('a node of this version has started again')
    await t.rejects(command('migrate'), /made by a newer hart-depot/, 'this version does not migrate it')
  })

  await whole.test('a node of this version does not start after another migration', async (t) => {
    await command('migrate', other)
    await more('nodes of this version run')
    nodes.splice(nodes.indexOf(first), 1)
    await first.stop()
    await t.rejects(first.start(), /made by a newer hart-depot: it has \d+-later\.sql/)
    await first.stop()
    await more('it does not start')
  })

  over.abort()
  await load
  whole.notMatch(await readFile(join(second.folder, 'node.log'), 'utf8'), /"level":"error"/)
})

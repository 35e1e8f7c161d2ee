import { existsSync, readFileSync, readdirSync, readlinkSync, rmSync, writeFileSync } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'tap'
import { EdgeFolder } from '../../src/edge/edge-folder.ts'
import { commandsOn, runCommand } from '../support/command.ts'
import { startLiar } from '../support/faults/lying-depot.ts'
import { answersIn, wrongAnswers } from '../support/http/edge.ts'
import { makeOrigin } from '../support/origin.ts'
import { makeReleases, setVisibility } from '../support/release-rows.ts'
import { startDepot } from '../support/start-depot.ts'
import type { TestDepot } from '../support/start-depot.ts'

/** The time of commands: see test/support/command.ts. */
const NOW = Date.parse('2026-01-02T00:00:00Z')
const OLD = 'acme/app/1.0.0/20260101000000'
const NEW = 'acme/app/1.1.0/20260102000000'
const REBUILT = 'acme/app/1.1.0/20260103000000'
const OTHER = 'acme/tool/2.0.0/20260101000000'

async function startEdge(t: Tap): Promise<{
  started: TestDepot
  edge: string
  run: ReturnType<typeof commandsOn>
  materialize: (...options: string[]) => ReturnType<ReturnType<typeof commandsOn>>
}> {
  const started = await startDepot(t, { listen: true })
  await makeOrigin(started)
  await makeReleases(started, OLD, NEW, REBUILT, OTHER, `${OTHER} for aarch64-linux`)
  const edge = await mkdtemp(join(tmpdir(), 'hart-depot-edge-'))
  t.teardown(() => rm(edge, { recursive: true, force: true }))
  const run = commandsOn(started)
  const materialize = async (...options: string[]) =>
    commandsOn(started, 'ignored')(['materialize', '--to', edge, ...options])
  return { started, edge, run, materialize }
}

interface Tap {
  teardown(fn: () => Promise<void>): unknown
}

test('every file is what the depot answers', async (t) => {
  const { started, edge, run, materialize } = await startEdge(t)
  await run(['promote', 'acceptance', OLD, OTHER, '--yes'])
  t.match(await materialize(), { code: 0 })
  t.strictSame(await wrongAnswers(edge, started.url), [])
  const files = answersIn(edge)
  for (const file of [
    'view-names',
    'channels/acme',
    'keys/acme/20260101000000',
    'keys/acme/list',
    'shows/acme/app,1.0.0,20260101000000,x86_64-linux',
    'shows/acme/app,1.0.0,20260101000000,x86_64-linux,brief',
    'views/acceptance/now/acme/app,x86_64-linux',
    'views/acceptance/now/acme/app,1.0.0,x86_64-linux',
    'views/unstable/now/acme/tool,aarch64-linux',
    'views/unstable/now/acme/app,1.1.0,x86_64-linux,brief',
  ])
    t.ok(files.includes(file), file)
  t.notOk(files.includes('views/acceptance/now/acme/app,1.1.0,x86_64-linux'))
})

test('a later run continues, and one that was killed is repaired', async (t) => {
  const { started, edge, run, materialize } = await startEdge(t)
  await run(['promote', 'acceptance', OLD, OTHER, '--yes'])
  await materialize()
  const set = readlinkSync(join(edge, 'current'))
  await run(['promote', 'acceptance', NEW, '--yes'])
  // killed after the link moved, and before the other folder was written
  const view = join(edge, 'current/views/acceptance')
  const other = readlinkSync(join(view, 'now')) === 'a' ? 'b' : 'a'
  rmSync(join(view, other, 'acme/tool,x86_64-linux'))
  t.match(await materialize(), { code: 0 })
  t.equal(readlinkSync(join(edge, 'current')), set, 'it is the same set of files')
  await run(['demote', 'acceptance', OLD, '--yes'])
  t.match(await materialize(), { code: 0 })
  t.ok(answersIn(edge).includes('views/acceptance/now/acme/tool,x86_64-linux'))
  t.strictSame(await wrongAnswers(edge, started.url), [])
})

test('a view that is closed while hidden releases are looked for has none', async (t) => {
  const { started, edge, run, materialize } = await startEdge(t)
  await run(['promote', 'acceptance', OTHER, '--yes'])
  t.match(await materialize(), { code: 0 })
  await setVisibility(started, OLD, 'private')
  const { url } = await startLiar(t, started.url, (path, answer) => {
    if (!path.startsWith('/api/v1/views/acceptance/members')) return false
    answer.writeHead(404, { 'content-type': 'application/problem+json' })
    answer.end(JSON.stringify({ status: 404, code: 'not_found', detail: 'there is no view "acceptance"' }))
    return true
  })
  t.match(await runCommand(['materialize', '--to', edge, '--url', url]), { code: 0 })
  t.notOk(
    answersIn(edge).some((file) => file.includes('app,1.0.0,')),
    'what was hidden is gone',
  )
})

test('everything is written again after a restore of the depot, and after a new boot', async (t) => {
  const { started, edge, materialize } = await startEdge(t)
  const reasons: Record<string, (state: object) => object> = {
    'an entry has another hash': (state) => ({ ...state, position: '3-0000000000000000' }),
    'the ledger is shorter': (state) => ({ ...state, position: '9000-0000000000000000' }),
    'the machine was started again': (state) => ({ ...state, boot: 'another' }),
  }
  await materialize()
  for (const [reason, change] of Object.entries(reasons)) {
    const file = join(edge, 'state.json')
    const state = JSON.parse(readFileSync(file, 'utf8')) as object
    writeFileSync(file, JSON.stringify(change(state)))
    rmSync(join(edge, 'current/view-names'))
    t.match(await materialize(), { code: 0 }, reason)
    t.ok(answersIn(edge).includes('view-names'), reason)
    t.equal(readdirSync(edge).filter((name) => name.startsWith('answers-')).length, 1)
  }
  t.strictSame(await wrongAnswers(edge, started.url), [])
})

test('with closed reading, nothing is written, and files are taken away', async (t) => {
  const { started, edge, materialize } = await startEdge(t)
  await materialize()
  await started.close()
  const closed = await startDepot(t, {
    folder: started.folder,
    listen: true,
    environment: { DEPOT_ANONYMOUS: 'none' },
  })
  t.match(await commandsOn(closed)(['materialize', '--to', edge]), { code: 6, stderr: /only with a token/ })
  t.strictSame(readdirSync(edge).toSorted(), ['edge.prom', 'lock.sqlite'])
  t.match(readFileSync(join(edge, 'edge.prom'), 'utf8'), /^hart_depot_edge_served 0$/m)
})

test('while no depot answers, files are served for as long as --max-stale allows', async (t) => {
  const { started, edge, materialize } = await startEdge(t)
  await materialize()
  const url = started.url
  await started.close()
  const whileAway = async (hoursLater: number, ...options: string[]) => {
    const end = new AbortController()
    await runCommand(['materialize', '--to', edge, '--follow', '--url', url, ...options], {
      now: NOW + hoursLater * 3_600_000,
      signal: end.signal,
      onNote: () => end.abort(new Error('seen')),
    })
    return existsSync(join(edge, 'current'))
  }
  t.equal(await whileAway(1_000), true, 'without a limit')
  t.equal(await whileAway(1, '--max-stale', '2h'), true)
  t.equal(await whileAway(3, '--max-stale', '2h'), false)
  t.match(readFileSync(join(edge, 'edge.prom'), 'utf8'), /^hart_depot_edge_served 0$/m)
  const again = await startDepot(t, { folder: started.folder, listen: true })
  t.match(await commandsOn(again)(['materialize', '--to', edge]), { code: 0 })
  t.ok(existsSync(join(edge, 'current')), 'a depot that is back confirms them')
})

test('two processes cannot write the same folder, and a depot that is away is an error', async (t) => {
  const { edge, materialize } = await startEdge(t)
  const first = EdgeFolder.open(edge)
  t.match(await materialize(), { code: 1, stderr: /another hart-depot materialize/ })
  first.close()
  t.match(await materialize('--url', 'http://127.0.0.1:1'), { code: 7 })
})

test('a folder with other contents is refused, and stays as it is', async (t) => {
  const { started, edge, run } = await startEdge(t)
  const data = started.folder
  const before = readdirSync(data).toSorted()
  t.match(await run(['materialize', '--to', data]), {
    code: 3,
    stderr: /did not write: name an empty folder/,
  })
  t.strictSame(readdirSync(data).toSorted(), before)
  writeFileSync(join(edge, 'file'), '')
  t.match(await run(['materialize', '--to', join(edge, 'file')]), {
    code: 3,
    stderr: /is a file: name a folder/,
  })
  t.match(await run(['materialize', '--to', join(edge, 'new')]), { code: 0 })
})

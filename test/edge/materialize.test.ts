import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'tap'
import { commandsOn } from '../support/command.ts'
import { answersIn, wrongAnswers } from '../support/edge.ts'
import { makeOrigin } from '../support/origin.ts'
import { makeReleases } from '../support/release-rows.ts'
import { startDepot } from '../support/start-depot.ts'
import type { TestDepot } from '../support/start-depot.ts'

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

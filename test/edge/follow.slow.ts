import { existsSync, readFileSync } from 'node:fs'
import { cp, mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'tap'
import { commandsOn, runCommand } from '../support/command.ts'
import { answersIn, wrongAnswers } from '../support/http/edge.ts'
import { freePort } from '../support/free-port.ts'
import { makeReleases } from '../support/release-rows.ts'
import { startDepot } from '../support/start-depot.ts'
import { until } from '../support/until.ts'

const idents = (version: string) => [`acme/app/${version}/1`, `acme/tool/${version}/1`]
const LATEST = 'views/acceptance/now/acme/app,x86_64-linux'

test('an edge follows a depot through restarts, closed reading and a restore', async (t) => {
  const folder = await mkdtemp(join(tmpdir(), 'hart-depot-edge-'))
  t.teardown(() => rm(folder, { recursive: true, force: true }))
  const [data, copy, edge] = [join(folder, 'data'), join(folder, 'copy'), join(folder, 'edge')]
  const address = `127.0.0.1:${await freePort()}`
  const start = async (dataFolder: string, environment: Record<string, string> = {}) =>
    startDepot(t, {
      folder: dataFolder,
      listen: true,
      hasThreads: true,
      environment: { ...environment, DEPOT_LISTEN: address },
    })
  const answersVersion = (version: string) => () => {
    const file = join(edge, 'current', LATEST)
    return existsSync(file) && readFileSync(file, 'utf8').includes(`"version":"${version}"`)
  }
  let started = await start(data)
  await makeReleases(started, ...['1.0.0', '2.0.0', '3.0.0', '4.0.0'].flatMap(idents))
  const promote = async (version: string) =>
    commandsOn(started)(['promote', 'acceptance', ...idents(version), '--yes'])

  const end = new AbortController()
  const following = runCommand(['materialize', '--to', edge, '--follow', '--url', `http://${address}`], {
    signal: end.signal,
  })
  await promote('1.0.0')
  await until('the first promotion is followed', answersVersion('1.0.0'))
  await started.close()
  await cp(data, copy, { recursive: true })
  t.ok(answersVersion('1.0.0')(), 'files outlive the depot')

  started = await start(data)
  await promote('2.0.0')
  await until('a promotion after a restart is followed', answersVersion('2.0.0'))
  await started.close()

  started = await start(data, { DEPOT_ANONYMOUS: 'none' })
  await until('closed reading takes the files away', () => !existsSync(join(edge, 'current')))
  await started.close()

  started = await start(data)
  await until('open reading brings them back', answersVersion('2.0.0'))
  await started.close()

  started = await start(copy)
  await promote('3.0.0')
  await promote('4.0.0')
  await until('the ledger of an older copy is followed', answersVersion('4.0.0'))
  t.strictSame(await wrongAnswers(edge, started.url), [])
  t.ok(answersIn(edge).includes(LATEST))
  end.abort(new Error('the test is over'))
  t.match(await following, { code: 1 })
})

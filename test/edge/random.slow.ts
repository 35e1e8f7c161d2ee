import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'tap'
import { commandsOn } from '../support/command.ts'
import { differencesBetween, missingAnswers, wrongAnswers } from '../support/http/edge.ts'
import { runsOf } from '../support/random.ts'
import { makeManyReleases, moveAtRandom } from '../support/views/random-moves.ts'
import { setVisibility } from '../support/release-rows.ts'
import { startDepot } from '../support/start-depot.ts'

const ROUNDS = Math.ceil(runsOf(6) / 6)

test('files that follow random changes are those that are written anew', async (t) => {
  const started = await startDepot(t, { listen: true })
  const folder = await mkdtemp(join(tmpdir(), 'hart-depot-edge-'))
  t.teardown(() => rm(folder, { recursive: true, force: true }))
  const materialize = async (name: string) => commandsOn(started)(['materialize', '--to', join(folder, name)])
  const { releases } = await makeManyReleases(started)
  t.match(await materialize('followed'), { code: 0, stderr: /current/ })
  for (let round = 0; round < ROUNDS; round += 1) {
    for (const rule of ['promoted', 'highest'] as const) {
      const view = `${rule}-${round}`
      await moveAtRandom(started, view, { rule, setsRules: true, releases, moves: 24, seed: round })
      for (const { ident } of releases.filter((_, index) => index % 7 === round % 7))
        await setVisibility(started, ident, round % 2 === 0 ? 'private' : 'public').catch(() => undefined)
      t.match(await materialize('followed'), { code: 0, stderr: /current/ })
      t.match(await materialize(`written-${view}`), { code: 0 })
      const written = join(folder, `written-${view}`)
      t.strictSame(differencesBetween(join(folder, 'followed'), written), [], `${view} is the same`)
      t.strictSame(await wrongAnswers(written, started.url), [], `${view} is what the depot answers`)
      const views = ['unstable', 'acceptance', view]
      t.strictSame(await missingAnswers(written, started.url, { views, releases }), [], `${view} is complete`)
    }
  }
})

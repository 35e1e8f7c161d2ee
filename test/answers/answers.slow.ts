import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { test } from 'tap'
import { PUBLIC_AUDIENCE } from '../../src/access/access.ts'
import { makeReleases } from '../support/release-rows.ts'
import { startDepot } from '../support/start-depot.ts'
import { ask, openAnswers } from '../support/http/open-answers.ts'

test('requests for absent names use no memory', async (t) => {
  const started = await startDepot(t)
  await makeReleases(started, 'acme/app/1.0.0/20260101120000')
  const { answers } = await openAnswers(started)
  setFlagsFromString('--expose-gc')
  const collect = runInNewContext('gc') as () => void
  const vain = async (round: number) => {
    for (let n = 0; n < 5_000; n += 1) {
      const text = `${round}-${n}-${'x'.repeat(200)}`
      await answers.latest({ ...ask(text), name: text }, PUBLIC_AUDIENCE)
      if (n % 20 === 0) await answers.latest(ask('unstable', text), PUBLIC_AUDIENCE)
    }
    collect()
    return process.memoryUsage().heapUsed
  }
  await vain(0)
  const before = await vain(1)
  const after = await vain(2)
  t.ok(after - before < 512 * 1024, 'of 2 MB that were asked')
})

import { globSync } from 'node:fs'
import { basename, join } from 'node:path'
import { test } from 'tap'
import { SUITES, filesOf } from './support/suite.ts'

test('every test file belongs to exactly one suite, and every suite is run', (t) => {
  const suites = Object.keys(SUITES)
  t.strictSame(
    suites.flatMap(filesOf).toSorted(),
    globSync('**/*.test.ts', { cwd: import.meta.dirname }).toSorted(),
  )
  t.strictSame(
    globSync(join(import.meta.dirname, 'suites/*.ts'))
      .map((file) => basename(file, '.ts'))
      .toSorted(),
    suites.toSorted(),
  )
  for (const suite of suites) t.not(filesOf(suite).length, 0, `${suite} has files`)
  t.end()
})

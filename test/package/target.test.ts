import { test } from 'tap'
import { DEFAULT_TARGET, isTarget, parseTarget, TARGETS } from '../../src/package/target.ts'

test('every target of Habitat is valid', (t) => {
  for (const target of TARGETS) t.equal(parseTarget(target), target)
  t.equal(isTarget(DEFAULT_TARGET), true)
  t.end()
})

test('other targets are refused, and the error lists the valid ones', (t) => {
  for (const text of ['', 'x86_64', 'X86_64-LINUX', 'x86_64-linux\n', 'vax-vms', 'toString']) {
    t.equal(isTarget(text), false)
    t.throws(() => parseTarget(text), { code: 'target_malformed', message: /targets are x86_64-linux, / })
  }
  t.end()
})

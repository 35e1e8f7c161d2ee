import { test } from 'tap'
import { DEFAULT_TARGET, isTarget, parseTarget, TARGETS } from '../../src/package/target.ts'

test('takes every target that Habitat knows', (t) => {
  for (const target of TARGETS) t.equal(parseTarget(target), target)
  t.equal(isTarget(DEFAULT_TARGET), true)
  t.end()
})

test('refuses others, naming those there are', (t) => {
  for (const text of ['', 'x86_64', 'X86_64-LINUX', 'x86_64-linux\n', 'vax-vms', 'toString']) {
    t.equal(isTarget(text), false)
    t.throws(() => parseTarget(text), { code: 'target_malformed', message: /targets are x86_64-linux, / })
  }
  t.end()
})

import { test } from 'tap'
import { parsePatterns, reservingPattern } from '../../src/origins/reserved-names.ts'

test('a star in a pattern stands for any text, also for none', async (t) => {
  const cases: readonly [pattern: string, matching: readonly string[], others: readonly string[]][] = [
    ['core', ['core'], ['core2', 'cor', 'acore']],
    ['acme-*', ['acme-', 'acme-web'], ['acme', 'the-acme-web']],
    ['*-internal', ['web-internal', '-internal'], ['internal', 'web-internal2']],
    ['a*b*c', ['abc', 'a1b2c', 'abbc'], ['ac', 'acb', 'abcd']],
    ['ab*ba', ['abba', 'ab-ba'], ['aba']],
    ['*', ['core', ''], []],
    ['**a**', ['a', 'bab'], ['b']],
  ]
  for (const [pattern, matching, others] of cases) {
    for (const name of matching)
      t.equal(reservingPattern(name, ['never', pattern]), pattern, `${name}, ${pattern}`)
    for (const name of others) t.equal(reservingPattern(name, [pattern]), undefined, `${name}, ${pattern}`)
  }
  const many = `${'a*'.repeat(127)}b`
  t.equal(reservingPattern('a'.repeat(255), [many]), undefined, 'and it never takes long')
})

test('patterns are checked, and kept once and in order', async (t) => {
  t.strictSame(parsePatterns(['core', 'acme-*', 'core']), ['acme-*', 'core'])
  for (const wrong of ['', 'Core', 'a b', 'a/b', 'a?', 'é', 'a'.repeat(256)])
    t.throws(() => parsePatterns([wrong]), { code: 'invalid_request' }, wrong)
  t.throws(() => parsePatterns(Array.from({ length: 1_001 }, (_, index) => `n${index}`)), {
    code: 'invalid_request',
  })
})

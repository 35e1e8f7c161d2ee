import { test } from 'tap'
import { expectModest } from '../../../src/http/requests/json-limits.ts'

const limits = { maxDepth: 4, maxValues: 20, maxKeys: 3, maxKeyBytes: 10, maxTextBytes: 30 }
const modest = (text: string) => () => expectModest(Buffer.from(text), limits)
const refuses = (message: RegExp) => ({ code: 'too_large', message })

test('JSON within the limits passes, whatever its texts contain', async (t) => {
  for (const text of [
    '',
    'null',
    '{"a":[{"b":[1,2]}]}',
    String.raw`{"a":"\\","b":"\"[[[[[[{,,,,,,,,,","c":"\\\""}`,
    '"{}[]:,{}[]:,{}[]:,"',
    '[[],[],[],[]]',
    ' [ 1 , 2 ] ',
  ]) {
    t.doesNotThrow(modest(text), text)
  }
})

test('JSON is limited in depth, values, keys of an object, and lengths of keys and strings', async (t) => {
  t.throws(modest('[[[[[]]]]]'), refuses(/deeper than 4/))
  t.throws(modest(`[${'1,'.repeat(30)}1]`), refuses(/more than 20 values/))
  t.throws(modest(`[${'{},'.repeat(30)}{}]`), refuses(/more than 20 values/))
  t.throws(modest('{"a":1,"b":2,"c":3,"d":4}'), refuses(/more than 3 fields/))
  t.doesNotThrow(modest('[{"a":1,"b":2},{"c":3,"d":4}]'), 'each object counts by itself')
  t.throws(
    modest('{"a":{"x":1},"b":{},"c":3,"d":4}'),
    refuses(/more than 3 fields/),
    'the fields of an object inside are not those of the one around it',
  )
  t.throws(modest(`{"${'k'.repeat(11)}":1}`), refuses(/name of more than 10 bytes/))
  t.throws(modest(`["${'x'.repeat(31)}"]`), refuses(/text of more than 30 bytes/))
})

test('invalid JSON is left to the parser and read no further than the limits', async (t) => {
  for (const text of ['"', '"\\', '{{', ']]]]]]', '}}}:,', '"a', ':']) t.doesNotThrow(modest(text), text)
})

import { test } from 'tap'
import { matchesQuery, parsePackageQuery } from '../../src/search/package-query.ts'
import { firstSuffix, rangeOf, suffixesOf } from '../../src/search/suffixes.ts'

test('a search consists of words and fields', async (t) => {
  t.strictSame(parsePackageQuery('  Redis acme/we version:7.* in:stable '), {
    words: ['redis', 'acme/we'],
    fields: { version: { text: '7.', isBeginning: true }, in: { text: 'stable', isBeginning: false } },
  })
  t.strictSame(parsePackageQuery('signed-by:acme-20260101000000 target:x86_64-linux name:App').fields, {
    'signed-by': { text: 'acme-20260101000000', isBeginning: false },
    target: { text: 'x86_64-linux', isBeginning: false },
    name: { text: 'app', isBeginning: false },
  })
  const refused = {
    '': /q must have a word/,
    'nam:app': /no field "nam:"; did you mean name\?|no field "nam:".*name/,
    'colour:red': /fields are origin:, name:/,
    'name:': /name: needs a value/,
    'name: app': /name: needs a value, without a space/,
    'name:a name:b': /name: is given twice/,
    'name:*pp': /only at the end of name:/,
    'in:stab*': /in: takes a whole name/,
    'target:x86_64-linus': /"x86_64-linus" is not a target.*x86_64-linux/,
    [Array.from({ length: 21 }, (_, n) => n).join(' ')]: /more than 20/,
  }
  for (const [text, message] of Object.entries(refused))
    t.throws(
      () => parsePackageQuery(text),
      { code: 'invalid_request', message, parts: [{ pointer: '/q' }] },
      text,
    )
})

test('words match anywhere in origin and name, fields the whole value or its beginning', async (t) => {
  const app = { origin: 'acme', name: 'Web-App' }
  for (const text of ['web', 'b-a', 'me/we', 'ACME', 'app acme', 'name:web-app', 'name:web* origin:acme'])
    t.ok(matchesQuery(app, parsePackageQuery(text)), text)
  for (const text of ['webapp', 'app umbrella', 'name:web', 'origin:acm', 'name:app*', 'web-app/acme'])
    t.notOk(matchesQuery(app, parsePackageQuery(text)), text)
})

test('each place where a part may begin has a suffix', async (t) => {
  t.strictSame(
    suffixesOf({ origin: 'ab', name: 'c-D' }).map(({ place, suffix }) => `${place} ${suffix}`),
    ['0 ab/c-d', '2 b/c-d', '2 /c-d', '0 c-d', '2 -d', '1 d'],
  )
  t.ok(
    suffixesOf({ origin: 'a'.repeat(255), name: 'b'.repeat(255) }).every(({ suffix }) => suffix.length <= 32),
  )
  const long = parsePackageQuery(`name:${'b'.repeat(255)}`)
  t.match(firstSuffix({ origin: 'a', name: 'b'.repeat(255) }, rangeOf(long)), { place: 0 })
})

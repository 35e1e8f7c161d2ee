import { test } from 'tap'
import { parseSearch, wordsOf } from '../../src/search/package-search.ts'

test('a search consists of whole words and a prefix', async (t) => {
  const questions = {
    redis: { whole: [], beginning: 'redis' },
    'core/red': { whole: ['core'], beginning: 'red' },
    'core/': { whole: [], beginning: 'core' },
    'Core/Hart-Dep': { whole: ['core', 'hart'], beginning: 'dep' },
    snake_case: { whole: [], beginning: 'snake_case' },
    '  a   b ': { whole: ['a'], beginning: 'b' },
    'a" OR "b*': { whole: ['a', 'or'], beginning: 'b' },
    "'); DROP TABLE packages; --": { whole: ['drop', 'table'], beginning: 'packages' },
  }
  for (const [text, search] of Object.entries(questions)) t.strictSame(parseSearch(text), search, text)
  for (const nothing of ['', '/', '-', '***', '""', '\0', ' & | ! '])
    t.equal(parseSearch(nothing), undefined, JSON.stringify(nothing))
})

test('a word counts once, and no more words than a name can have are searched for', async (t) => {
  t.strictSame(parseSearch('core lib core Core LIB co'), { whole: ['core', 'lib'], beginning: 'co' })
  const numbers = Array.from({ length: 256 }, (_, n) => `${n}`)
  t.equal(parseSearch([...numbers, 'x'].join(' '))?.whole.length, 256)
  t.equal(parseSearch([...numbers, ...numbers, 'x'].join(' '))?.whole.length, 256)
  t.equal(parseSearch([...numbers, '256', 'x'].join(' ')), undefined)
})

test('words end at - and /, but not at _', async (t) => {
  t.strictSame(wordsOf({ origin: 'big-corp', name: 'My_App-x2' }), ['big', 'corp', 'my_app', 'x2'])
})

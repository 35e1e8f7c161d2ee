import { execFileSync } from 'node:child_process'
import { test } from 'tap'
import { shellQuote, shellWord } from '../../src/text/shell-quote.ts'

const TEXTS = [
  'acme/app/1.0.0/20260101000000',
  "9;reboot&$(id)'",
  '~',
  '=ls',
  '-n',
  '',
  'a b',
  '`id`',
  'a^b',
  '!1',
]

test('a shell reads back what was quoted', async (t) => {
  for (const quote of [shellQuote, shellWord]) {
    const words = TEXTS.map(quote).join(' ')
    const read = execFileSync('sh', ['-c', `for word in ${words}; do printf '%s\\0' "$word"; done`])
    t.strictSame(read.toString().split('\0').slice(0, -1), TEXTS)
  }
  t.equal(shellWord('acme/app/1.0.0/20260101000000'), 'acme/app/1.0.0/20260101000000')
})

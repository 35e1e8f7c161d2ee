import { execFileSync } from 'node:child_process'
import { readFile } from 'node:fs/promises'
import { test } from 'tap'
import { FIRST_HEAD, link } from '../../src/ledger/chain.ts'
import { VIEW_EVENTS } from '../../src/audit/rebuild.ts'

const description = await readFile(new URL('../../docs/ledger.md', import.meta.url), 'utf8')
const [, example = ''] = /```sh\n(text=.*?)```/s.exec(description) ?? []
const written = [...example.matchAll(/^echo .* # ([0-9a-f]{64})$/gm)].map(([, sum]) => sum)

test('the commands of docs/ledger.md print what it says', async (t) => {
  t.equal(written.length, 4)
  t.strictSame(execFileSync('sh', ['-e', '-c', example], { encoding: 'utf8' }).trim().split('\n'), written)
})

test('the depot chains the entries of docs/ledger.md in the same way', async (t) => {
  const texts = [...example.matchAll(/^text='(.*)'$/gm)].map(([, text = '']) => text)
  const salts = [...example.matchAll(/printf %s ([0-9a-f]{32}) /g)].map(([, salt]) => salt)
  let head = FIRST_HEAD
  const made: string[] = []
  for (const [index, text] of texts.entries()) {
    const { digest, hash } = link(head, text, salts[index])
    made.push(digest, hash)
    head = { sequence: index + 1, hash, at: 0 }
  }
  t.strictSame(made, written)
  t.strictSame(
    texts.map((text) => JSON.stringify(JSON.parse(text))),
    texts,
    'as the depot writes them',
  )
})

test('docs/ledger.md names every kind of entry that defines a view', async (t) => {
  for (const kind of VIEW_EVENTS) t.match(description, `\`${kind}\``)
})

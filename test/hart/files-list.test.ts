import { test } from 'tap'
import { FilesList } from '../../src/hart/files-list.ts'

const HEADER = 'HART-1\nacme-20260101000000\nBLAKE2b\nsignature\n\n'
const line = (path: string): string => `${'0'.repeat(64)}  ${path}\n`

function read(text: string, chunkBytes = text.length): string[] | undefined {
  const list = new FilesList((path) => path.startsWith('/keep/'))
  for (let at = 0; at < text.length; at += chunkBytes)
    list.write(Buffer.from(text.slice(at, at + chunkBytes)))
  const paths = list.end()
  return paths && [...paths]
}

test('the relevant paths are kept, wherever chunks are split', (t) => {
  const text =
    HEADER + line('/keep/a') + line('/drop/b') + line('/keep/with two  spaces') + line('/keep/c').trimEnd()
  for (const chunkBytes of [text.length, 1, 7, 66])
    t.strictSame(read(text, chunkBytes), ['/keep/a', '/keep/with two  spaces', '/keep/c'])
  t.end()
})

const unreadable: [string, string][] = [
  ['nothing', ''],
  ['only the header', HEADER],
  ['another format', `HART-2\n${HEADER.slice(7)}${line('/keep/a')}`],
  ['a line of something else', `${HEADER}${line('/keep/a')}rubbish\n`],
  ['a line without end', HEADER + line('/keep/a') + 'a'.repeat(10_000)],
]

for (const [what, text] of unreadable) {
  test(`${what} is not accepted as a list`, (t) => {
    t.equal(read(text), undefined)
    t.end()
  })
}

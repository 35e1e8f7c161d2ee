import { test } from 'tap'
import { formatTarHeader } from '../../src/hart/tar-header.ts'
import { MAX_ENTRIES, TarReader } from '../../src/hart/tar.ts'

test('an archive of a million entries is refused halfway', (t) => {
  const block = formatTarHeader({ path: 'hab/', typeFlag: '5', sizeBytes: 0, link: '' })
  const thousand = Buffer.concat(Array.from({ length: 1000 }, () => block))
  let seen = 0
  const visit = (): undefined => {
    seen += 1
  }
  const reader = new TarReader({ visit, complete: false })
  const fill = (): void => {
    for (let i = 0; i < 1000; i += 1) reader.write(thousand)
  }
  t.throws(fill, { code: 'hart_malformed', message: /more than 500000 entries/ })
  t.equal(seen, MAX_ENTRIES)
  t.end()
})

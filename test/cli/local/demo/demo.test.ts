import { readdir } from 'node:fs/promises'
import { test } from 'tap'
import { runHere, scratchFolder } from '../../../support/run-cli.ts'

test('the demo fits on one screen and leaves no files', async (t) => {
  const TMPDIR = await scratchFolder(t)
  const { code, stdout, stderr } = await runHere(['demo'], { TMPDIR })
  t.match({ code, stderr }, { code: 0, stderr: '' })
  const lines = stdout.trimEnd().split('\n')
  t.ok(lines.length <= 40, `${lines.length} lines`)
  t.strictSame(
    lines.filter((line) => line.length > 100),
    [],
  )
  t.match(stdout, /^promote 1\.2\.0 into delivered +1\.2\.0 @3 +1\.2\.0 @3 +1\.2\.0 @3 +1\.2\.0 @3 \*$/m)
  t.match(stdout, /^roll delivered back to 1\.1\.0 +1\.2\.0 @3 +1\.2\.0 @3 +1\.2\.0 @3 +1\.1\.0 @4 !$/m)
  t.match(stdout, /--update-condition track-channel/)
  t.strictSame(await readdir(TMPDIR), [])
})

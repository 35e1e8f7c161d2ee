import { execFile } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { test } from 'tap'
import { scratchFolder, startServer } from '../support/run-cli.ts'

const STAND_IN = fileURLToPath(new URL('../support/curl-stand-in.ts', import.meta.url))
const WHERE_MISSING = ['curl', 'b2sum'].map((name) => `command -v ${name} >/dev/null || ${name}() { '${process.execPath}' '${STAND_IN}' ${name} "$@"; }`)

test('the lines that the first start prints work when they are pasted', async (t) => {
  const server = await startServer(t, await scratchFolder(t))
  await server.hears('stdout', /\/latest"\n/)
  const lines = server.stdout().split('\n').filter((line) => /^(export|cd|curl) /.test(line))
  t.equal(lines.filter((line) => line.startsWith('curl ')).length, 5)

  const { PATH = '' } = process.env
  const { stdout, stderr } = await promisify(execFile)('sh', ['-e', '-c', [...WHERE_MISSING, lines.join('\necho\n')].join('\n')], { cwd: '/', env: { PATH } })
  t.equal(stderr, '')
  const answers = stdout.split('\n').filter((line) => line !== '')
  t.match(JSON.parse(answers.at(0) ?? ''), { name: 'happyhumans' })
  t.match(JSON.parse(answers.at(-1) ?? ''), {
    ident: { origin: 'happyhumans', name: 'possums', version: '8.1.4', release: '20160427165340' },
    channels: ['acceptance', 'unstable'],
  })
})

import { execFile } from 'node:child_process'
import { promisify } from 'node:util'
import { test } from 'tap'
import { standIns } from '../../support/document.ts'
import { scratchFolder, startServer } from '../../support/run-cli.ts'

test('the commands that the first start prints work in a shell', async (t) => {
  const server = await startServer(t, await scratchFolder(t))
  await server.hears('stdout', /\/latest"\n/)
  const lines = server
    .stdout()
    .split('\n')
    .filter((line) => /^(export|cd|curl) /.test(line))
  t.equal(lines.filter((line) => line.startsWith('curl ')).length, 5)

  const { PATH = '' } = process.env
  const { stdout, stderr } = await promisify(execFile)('sh', ['-e', '-c', lines.join('\necho\n')], {
    cwd: '/',
    env: { PATH: `${PATH}:${await standIns(t)}` },
  })
  t.equal(stderr, '')
  const answers = stdout.split('\n').filter((line) => line !== '')
  t.match(JSON.parse(answers.at(0) ?? ''), { name: 'happyhumans' })
  t.match(JSON.parse(answers.at(-1) ?? ''), {
    ident: { origin: 'happyhumans', name: 'possums', version: '8.1.4', release: '20160427165340' },
    channels: ['unstable', 'acceptance'],
  })
})

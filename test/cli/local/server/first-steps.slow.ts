import { execFile } from 'node:child_process'
import { promisify } from 'node:util'
import { test } from 'tap'
import { standIns } from '../../../support/documents/document.ts'
import { scratchFolder, startServer } from '../../../support/run-cli.ts'

test('the commands that the first start prints work in a shell', async (t) => {
  const server = await startServer(t, await scratchFolder(t))
  await server.hears('stdout', /\/latest"\n/)
  const lines = server
    .stdout()
    .split('\n')
    .filter((line) => /^(export|cd|npm|curl) /.test(line))
  t.equal(lines.length, 7)

  const { PATH = '' } = process.env
  const { stdout, stderr } = await promisify(execFile)('sh', ['-e', '-c', lines.join('\n')], {
    cwd: '/',
    env: { PATH: `${PATH}:${await standIns(t)}`, HOME: await scratchFolder(t) },
  })
  t.equal(stderr, 'Added the key happyhumans-20160424223347 to happyhumans.\n')
  t.match(stdout, /^created the origin happyhumans/)
  t.match(JSON.parse(stdout.slice(stdout.indexOf('{'))), {
    ident: { origin: 'happyhumans', name: 'possums', version: '8.1.4', release: '20160427165340' },
    channels: ['unstable', 'acceptance'],
  })
})

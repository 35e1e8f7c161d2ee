import { once } from 'node:events'
import { test } from 'tap'
import { runHere, scratchFolder, startServer } from '../../../support/run-cli.ts'

test('verify sees one state of a depot whose server is making changes', async (t) => {
  const DEPOT_DATA = await scratchFolder(t)
  const server = await startServer(t, DEPOT_DATA)
  const changes = Array.from({ length: 4 }, (_, index) =>
    runHere(['account', 'add', `a${index}`], { DEPOT_DATA }),
  )
  const [verified] = await Promise.all([runHere(['verify', '--json'], { DEPOT_DATA }), ...changes])
  t.match(verified, { code: 0, stderr: '' })
  t.match(JSON.parse(verified.stdout), { agrees: true, views: 7 })
  server.process.kill('SIGTERM')
  await once(server.process, 'exit')
  t.match(await runHere(['verify'], { DEPOT_DATA }), { code: 0, stderr: '' })
})

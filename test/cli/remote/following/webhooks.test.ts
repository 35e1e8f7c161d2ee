import { test } from 'tap'
import { commandsOn } from '../../../support/command.ts'
import { startReceiver } from '../../../support/webhooks/receiver.ts'
import { makeView } from '../../../support/release-rows.ts'
import { startDepot } from '../../../support/start-depot.ts'
import { verifies } from '../../../support/webhooks/webhook-scene.ts'

test('a webhook is added, tried, paused, changed, resumed and deleted', async (t) => {
  const receiver = await startReceiver(t)
  const started = await startDepot(t, {
    environment: { DEPOT_WEBHOOK_NETWORKS: '127.0.0.0/8' },
    listen: true,
  })
  const run = commandsOn(started)
  const added = await run(['webhook', 'add', 'deploys', receiver.url, '--kind', 'view-created,promotion'])
  t.match(added, { code: 0, stdout: /^whsec_\S+\n$/, stderr: /shown only now/ })
  t.match(await run(['webhook', 'add', 'deploys', receiver.url]), { code: 3, stderr: /deploys/ })
  t.match(await run(['webhook', 'add', 'other', receiver.url, '--view', 'unoin']), {
    code: 5,
    stderr: /no view "unoin"; did you mean union/,
  })
  t.match(await run(['webhook', 'change', 'deploys', '--origin', 'nosuch']), { code: 5 })
  t.match(await run(['webhook', 'list', '--quiet']), { code: 0, stdout: 'deploys\n' })
  t.match(await run(['webhook', 'list']), {
    stdout: /^deploys +delivering +0 +kinds view-created,promotion +http/m,
  })

  t.match(await run(['webhook', 'ping', 'deploys']), { code: 0, stdout: /^deploys accepted .* 204 / })
  const [ping] = receiver.received
  t.ok(ping !== undefined && verifies(added.stdout.trim(), ping), 'the printed secret is the right one')
  receiver.behave(500)
  t.match(await run(['webhook', 'ping', 'deploys', '--quiet']), {
    code: 1,
    stdout: '',
    stderr: /^hart-depot: deploys did not accept the message: .*500/,
  })
  receiver.behave(204)

  t.match(await run(['webhook', 'pause', 'deploys']), { code: 0, stdout: /^paused deploys after the entry / })
  await makeView(started, 'prod', 'promoted')
  t.match(await run(['webhook', 'show', 'deploys']), {
    stdout: /^deploys sends entries about kinds .*\nIt is paused since \S+ by an administrator, .* behind /,
  })
  t.match(await run(['webhook', 'change', 'deploys']), { code: 2, stderr: /nothing to change/ })
  t.match(await run(['webhook', 'change', 'deploys', '--view', 'prod', '--everything']), { code: 2 })
  t.match(await run(['webhook', 'change', 'deploys', '--kind', 'nonsense']), { code: 1, stderr: /kind/ })
  t.match(await run(['webhook', 'change', 'deploys', '--view', 'prod']), {
    code: 0,
    stdout: /^deploys sends entries about views prod to /,
  })
  t.match(await run(['webhook', 'change', 'deploys', '--everything']), {
    stdout: /^deploys sends every entry/,
  })
  t.match(await run(['webhook', 'redeliver', 'deploys', 'all']), {
    code: 2,
    stderr: /is a whole number, not "all"/,
  })
  t.match(await run(['webhook', 'redeliver', 'deploys', '1', '2', '--json']), {
    code: 0,
    stdout: /"replay": \{\s+"next": 1,\s+"to": 2\s+\}/,
  })
  t.match(await run(['webhook', 'resume', 'deploys']), {
    code: 0,
    stdout: /^resumed deploys, which is \d+ entries behind/,
  })
  t.match(await run(['webhook', 'deliveries', 'deploys', '--count', '0']), {
    code: 0,
    stdout: /^AT +SEQUENCE/,
  })
  t.match(await run(['webhook', 'deliveries', 'deploys', '--json']), { code: 0, stdout: /^\[/ })
  t.match(await run(['webhook', 'new-secret', 'deploys']), {
    code: 0,
    stdout: /^whsec_\S+\n$/,
    stderr: /also signs/,
  })
  t.match(await run(['webhook', 'delete', 'deploys']), { code: 0, stdout: 'deleted the webhook deploys\n' })
  t.match(await run(['webhook', 'show', 'deploys']), { code: 5, stderr: /deploys/ })
  t.match(await run(['webhook', 'delte', 'deploys']), { code: 2, stderr: /did you mean webhook delete\?/ })
})

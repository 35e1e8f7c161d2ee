import { join } from 'node:path'
import { test } from 'tap'
import { listSealedOtherwise, listSealingKeys } from '../../../../src/origins/sealed-store.ts'
import { callApi } from '../../../support/call-api.ts'
import { runHere } from '../../../support/run-cli.ts'

import { ACME, SECRETS, depotWithSecrets, keysIn } from '../../../support/signin/secrets.ts'

test('a rotation encrypts every secret again while the depot runs, and keeps the old key until it is forgotten', async (t) => {
  const { started, read, close } = await depotWithSecrets(t)
  const { db } = started.depot
  const at = { DEPOT_DATA: started.folder }
  const before = await read()
  const [old = ''] = await keysIn(started.folder)
  const oldId = started.depot.secrets.keyId
  t.equal((await listSealedOtherwise(db, 'another', 100)).length, SECRETS, 'every kind is found')

  const rotated = await runHere(['secret-key', 'rotate', '--json'], at)
  t.match(JSON.parse(rotated.stdout), { secrets: SECRETS, earlier_keys: [oldId], failed: [] })
  const { key } = JSON.parse(rotated.stdout) as { key: string }
  t.strictSame((await keysIn(started.folder))[1], old)
  t.strictSame(await listSealedOtherwise(db, key, 100), [])
  t.strictSame(await read(), before, 'the running depot reads them with the new key')
  await callApi(started, 'POST', `${ACME}/secret`, { body: { name: 'later', value: 'BOX-2' } })
  t.match(await listSealingKeys(db), [{ key, secrets: SECRETS }], 'and encrypts with it')
  t.match(await callApi(started, 'GET', '/api/v1/events?kind=secrets-resealed'), {
    differences: '',
    body: { events: [{ event: { key, secrets: SECRETS } }] },
  })

  const forget = ['secret-key', 'forget', oldId]
  t.match(await runHere(forget, at), { code: 1, stderr: /another hart-depot is running/ })
  await close()
  t.match(await runHere(['secret-key', 'forget', key], at), { stderr: /encrypts new secrets/ })
  t.match(await runHere(['secret-key', 'forget', 'ffffffff'], at), { code: 5, stderr: /there is no key/ })
  t.match(await runHere(forget, at), {
    code: 0,
    stdout: `removed the key ${oldId} from ${join(started.folder, 'secret.key')}\n`,
  })
  t.match(await runHere(['secret-key', 'list', '--quiet'], at), { stdout: `${key}\n` })
})

import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import BetterSqlite3 from 'better-sqlite3'
import { test } from 'tap'
import { sqliteFileOf } from '../../../../src/config/database.ts'
import { openControl } from '../../../../src/depot/control.ts'
import { formatSecretKeys } from '../../../../src/depot/secret-key.ts'
import { CIPHERTEXT_ID_LENGTH, SecretBox } from '../../../../src/origins/secret-box.ts'
import { listSealedOtherwise } from '../../../../src/origins/sealed-store.ts'
import { callApi } from '../../../support/call-api.ts'
import { runHere, scratchFolder } from '../../../support/run-cli.ts'
import { startDepot } from '../../../support/start-depot.ts'

import { SECRETS, depotWithSecrets, keysIn } from '../../../support/signin/secrets.ts'

test('an interrupted rotation is finished without another key, and nothing is forgotten before', async (t) => {
  const { started, close } = await depotWithSecrets(t)
  await close()
  const at = { DEPOT_DATA: started.folder }
  const oldId = started.depot.secrets.keyId
  const database = new BetterSqlite3(sqliteFileOf(started.depot.config))
  database.exec("UPDATE webhooks SET url = replace(url, '.', '.AAAA')")
  database.close()
  // as after a kill between the first step and the second
  await writeFile(
    join(started.folder, 'secret.key'),
    [`${'ab'.repeat(32)}\n`, ...(await keysIn(started.folder))].join(''),
  )

  t.match(await runHere(['doctor'], at), {
    code: 1,
    stdout: /secrets: some are encrypted with an earlier key/,
  })
  t.match(await runHere(['secret-key', 'forget', oldId], at), { code: 3, stderr: /rotate first/ })
  const rotated = await runHere(['secret-key', 'rotate'], at)
  t.match(rotated, {
    code: 1,
    stdout: new RegExp(`^Finished an earlier rotation.\\nEncrypted ${SECRETS - 1} secrets`),
    stderr: /1 secret cannot be decrypted.*webhooks\.url 1/,
  })
  t.equal((await keysIn(started.folder)).length, 2)
  t.match(await runHere(['secret-key', 'list', '--json'], at), {
    stdout: /"secrets": 7[^]*"secrets": 1/,
  })
})

test('a rotation that was killed between two pieces goes on, and never overwrites a secret that has changed', async (t) => {
  const { started, read } = await depotWithSecrets(t)
  const { db, writer } = started.depot
  const before = await read()
  const keys = [Buffer.alloc(32, 1), Buffer.from((await keysIn(started.folder))[0] ?? '', 'hex')]
  await writeFile(join(started.folder, 'secret.key'), formatSecretKeys(keys))
  const box = new SecretBox(keys)
  const secrets = (await listSealedOtherwise(db, box.keyId, 4)).map(({ place, id, sealed, purpose }) => ({
    place,
    id,
    sealed: box.seal(box.open(sealed, purpose), purpose),
    replaces: sealed.slice(0, CIPHERTEXT_ID_LENGTH),
  }))
  const reseal = async () =>
    writer.submit({
      kind: 'resealSecrets',
      input: { key: box.keyId, secrets },
      actor: { client: 'tests', door: 'cli' },
    })
  t.match(await reseal(), { replaced: 4 })
  t.match(await reseal(), { replaced: 0 }, 'another ciphertext is there now')
  t.strictSame(await read(), before, 'both keys are in use')
  t.match(await runHere(['secret-key', 'rotate'], { DEPOT_DATA: started.folder }), {
    code: 0,
    stdout: new RegExp(`^Finished an earlier rotation.\\nEncrypted ${SECRETS - 4} secrets`),
  })
  t.strictSame(await read(), before)
})

test('a depot whose keys are a setting needs the new key before a rotation', async (t) => {
  const [first, second] = ['ab'.repeat(32), 'cd'.repeat(32)]
  const folder = await scratchFolder(t)
  const started = await startDepot(t, { folder, environment: { DEPOT_SECRET_KEY: first } })
  const control = await openControl(folder, started.depot)
  await callApi(started, 'POST', '/api/v1/depot/keys')
  const rotate = (keys: string) =>
    runHere(['secret-key', 'rotate'], { DEPOT_DATA: folder, DEPOT_SECRET_KEY: keys })
  t.match(await rotate(first), { code: 1, stderr: /put a new key .* before the others, restart the depot/ })
  t.match(await rotate(`${second},${first}`), {
    code: 3,
    stderr: /does not have the key [0-9a-f]{8}: restart it/,
  })
  await control.close()
  await started.close()
  t.match(await rotate(`${second},${first}`), { code: 0, stdout: /Encrypted one secret/ })
  t.match(await rotate(second), { code: 1 })
})

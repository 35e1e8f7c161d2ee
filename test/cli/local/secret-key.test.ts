import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import BetterSqlite3 from 'better-sqlite3'
import { test } from 'tap'
import type { Test } from 'tap'
import { openControl } from '../../../src/depot/control.ts'
import { formatSecretKeys } from '../../../src/depot/secret-key.ts'
import { CIPHERTEXT_ID_LENGTH, SecretBox } from '../../../src/origins/secret-box.ts'
import { listSealedOtherwise, listSealingKeys } from '../../../src/origins/sealed-store.ts'
import { callApi } from '../../support/call-api.ts'
import { runHere, scratchFolder } from '../../support/run-cli.ts'
import { startDepot } from '../../support/start-depot.ts'
import type { TestDepot } from '../../support/start-depot.ts'

const ACME = '/v1/depot/origins/acme'
const TOKEN = { body: { label: 'ci' }, headers: { 'idempotency-key': 'one' } }
/** Everything that is stored encrypted, once each. */
const SECRETS = 9

/** Starts a depot that accepts commands, and stores a secret of every kind in it. */
async function depotWithSecrets(t: Test): Promise<{
  started: TestDepot
  /** Reads the secrets that clients may read. */
  readonly read: () => Promise<string[]>
  readonly close: () => Promise<void>
}> {
  const started = await startDepot(t, { folder: await scratchFolder(t) })
  const control = await openControl(started.folder, started.depot)
  let isOpen = true
  const close = async () => {
    if (!isOpen) return
    isOpen = false
    await control.close()
    await started.close()
  }
  t.teardown(close)
  const post = async (path: string, body?: unknown) => {
    const { status, text } = await callApi(started, 'POST', path, { body })
    if (status >= 300) throw new Error(`${path}: ${text}`)
  }
  await post('/v1/depot/origins', { name: 'acme' })
  await post(`${ACME}/keys`)
  await callApi(started, 'GET', `${ACME}/encryption_key`)
  await post(`${ACME}/secret`, { name: 'a pass word', value: 'BOX-1' })
  await callApi(started, 'PUT', `${ACME}/integrations/docker/the%20hub`, { body: { user: 'us' } })
  await post('/api/v1/depot/keys')
  await post('/api/v1/webhooks', { name: 'hook', url: 'https://hook.example/a' })
  await post('/api/v1/webhooks/hook/secrets')
  const token = await callApi(started, 'POST', '/api/v1/tokens', TOKEN)
  return {
    started,
    close,
    read: async () => {
      const [key, secrets, integration, lockfile, replayed] = [
        await callApi(started, 'GET', `${ACME}/secret_keys/latest`),
        await callApi(started, 'GET', `${ACME}/secret`),
        await callApi(started, 'GET', `${ACME}/integrations/docker/the%20hub`),
        await callApi(started, 'GET', '/api/v1/views/union/lockfile'),
        await callApi(started, 'POST', '/api/v1/tokens', TOKEN),
      ]
      t.equal(replayed.body?.['secret'], token.body?.['secret'])
      t.equal(lockfile.status, 200)
      return [key, secrets, integration].map(({ text }) => text)
    },
  }
}

async function keysIn(folder: string): Promise<string[]> {
  return (await readFile(join(folder, 'secret.key'), 'utf8')).trim().split('\n')
}

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
  t.match(await runHere(['doctor'], at), { stdout: /secrets: they can be decrypted/ })
})

test('an interrupted rotation is finished without another key, and nothing is forgotten before', async (t) => {
  const { started, close } = await depotWithSecrets(t)
  await close()
  const at = { DEPOT_DATA: started.folder }
  const oldId = started.depot.secrets.keyId
  const database = new BetterSqlite3(started.depot.config.databaseFile)
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
    stderr: /1 secrets were altered and cannot be decrypted.*webhooks\.url 1/,
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

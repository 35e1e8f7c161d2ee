import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { Test } from 'tap'
import { openControl } from '../../../src/depot/control.ts'
import { callApi } from '../call-api.ts'
import { scratchFolder } from '../run-cli.ts'
import { startDepot } from '../start-depot.ts'
import type { TestDepot } from '../start-depot.ts'

export const ACME = '/v1/depot/origins/acme'
const TOKEN = { body: { label: 'ci' }, headers: { 'idempotency-key': 'one' } }
/** Everything that is stored encrypted, once each. */
export const SECRETS = 9

/** Starts a depot that accepts commands, and stores a secret of every kind in it. */
export async function depotWithSecrets(t: Test): Promise<{
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

/** Reads the keys in the file of a data folder, as hex. */
export async function keysIn(folder: string): Promise<string[]> {
  return (await readFile(join(folder, 'secret.key'), 'utf8')).trim().split('\n')
}

import { test } from 'tap'
import { formatDepotKey, generateDepotKey, parseDepotKey } from '../../../../src/lockfiles/depot-key.ts'
import { listLockfileKeys } from '../../../../src/lockfiles/depot-key-store.ts'
import { readLockfile } from '../../../../src/lockfiles/signed-lockfile.ts'
import { callApi } from '../../../support/call-api.ts'
import { startDepot } from '../../../support/start-depot.ts'
import type { TestDepot } from '../../../support/start-depot.ts'

async function eventsOf({ depot }: TestDepot): Promise<Record<string, unknown>[]> {
  const rows = await depot.db
    .selectFrom('ledger')
    .select('text')
    .where('kind', 'in', ['depot-key-made', 'trusted-key-added', 'trusted-key-removed'])
    .orderBy('sequence')
    .execute()
  return rows.map((row) => JSON.parse(row.text) as Record<string, unknown>)
}

test('the first request creates the key, and later ones get the same', async (t) => {
  const started = await startDepot(t)
  const answers = await Promise.all(
    Array.from({ length: 4 }, () => callApi(started, 'GET', '/api/v1/depot/keys/current', { token: null })),
  )
  t.equal(new Set(answers.map(({ text }) => text)).size, 1)
  t.match(answers[0], { status: 200, differences: '', headers: { 'content-type': /^text\/plain/ } })
  const key = parseDepotKey(answers[0]?.text ?? '')
  t.match(await eventsOf(started), [
    { kind: 'depot-key-made', key: key.id, publicKey: key.raw.toString('base64') },
  ])
  t.equal((await eventsOf(started)).length, 1)
  t.match(await callApi(started, 'GET', '/api/v1/depot/keys', { token: null }), {
    status: 200,
    differences: '',
    body: { keys: [{ key: key.id, file: answers[0]?.text }] },
  })
  t.match(await callApi(started, 'GET', '/api/v1/depot/keys?format=text'), {
    text: new RegExp(`^KEY +MADE\n${key.id}  2026-01-01T00:00:00Z\n$`),
  })
  for (const { sealed } of await started.depot.db.selectFrom('depot_keys').select('sealed').execute())
    t.notMatch(sealed, /PRIVATE/, 'its private half is sealed')
})

test('a new key signs from then on, and the old one is still known', async (t) => {
  const started = await startDepot(t)
  const before = await callApi(started, 'GET', '/api/v1/views/union/lockfile')
  const old = await callApi(started, 'GET', '/api/v1/depot/keys/current')
  const made = await callApi(started, 'POST', '/api/v1/depot/keys')
  t.match(made, { status: 201, differences: '', body: { keys: { length: 2 } } })
  const after = await callApi(started, 'GET', '/api/v1/views/union/lockfile')
  t.not(after.text, before.text)
  const keys = await listLockfileKeys(started.depot.db)
  for (const { text } of [before, after]) t.equal(readLockfile(text, keys).view, 'union')
  t.throws(() => readLockfile(after.text, [parseDepotKey(old.text)]), { code: 'signer_unknown' })
  t.equal((await callApi(started, 'GET', `/api/v1/depot/keys/${parseDepotKey(old.text).id}`)).text, old.text)
  t.match(await callApi(started, 'GET', `/api/v1/depot/keys/${'0'.repeat(32)}`), {
    status: 404,
    differences: '',
  })
  t.match(await callApi(started, 'GET', '/api/v1/depot/keys/newest'), { status: 400, differences: '' })
})

test('keys of other depots can be trusted under names and removed', async (t) => {
  const started = await startDepot(t)
  const [theirs, newer] = [generateDepotKey().publicKey, generateDepotKey().publicKey]
  const url = '/api/v1/depot/trusted-keys/mirror-1'
  const headers = { 'content-type': 'application/x-www-form-urlencoded' } // the default type of curl
  t.match(await callApi(started, 'PUT', url, { body: formatDepotKey(theirs), headers }), {
    status: 200,
    differences: '',
    body: { name: 'mirror-1', key: theirs.id },
  })
  t.match(
    await callApi(started, 'PUT', url, { body: formatDepotKey(theirs) }),
    { status: 200 },
    'said twice, it changes nothing',
  )
  t.equal((await callApi(started, 'GET', url)).text, formatDepotKey(theirs))
  t.match(await callApi(started, 'GET', '/api/v1/depot/trusted-keys'), {
    status: 200,
    differences: '',
    body: { trusted_keys: [{ name: 'mirror-1', key: theirs.id, file: formatDepotKey(theirs) }] },
  })
  t.match(await callApi(started, 'GET', '/api/v1/depot/trusted-keys?format=text'), {
    text: new RegExp(`^NAME +KEY +ADDED\nmirror-1  ${theirs.id}  2026`),
  })

  await callApi(started, 'PUT', url, { body: formatDepotKey(newer) })
  t.strictSame(
    (await listLockfileKeys(started.depot.db)).map(({ id }) => id),
    [newer.id],
    'one name has one key',
  )
  t.match(await callApi(started, 'DELETE', url), { status: 204, differences: '' })
  t.strictSame(await listLockfileKeys(started.depot.db), [])
  t.match(await callApi(started, 'DELETE', url), { status: 404, differences: '' })
  t.match(await callApi(started, 'GET', url), { status: 404, differences: '' })
  const name = 'mirror-1'
  t.match(await eventsOf(started), [
    { kind: 'trusted-key-added', name, key: theirs.id },
    { kind: 'trusted-key-removed', name, key: theirs.id },
    { kind: 'trusted-key-added', name, key: newer.id },
    { kind: 'trusted-key-removed', name, key: newer.id },
  ])
})

test('a malformed key or name is refused', async (t) => {
  const started = await startDepot(t)
  const file = formatDepotKey(generateDepotKey().publicKey)
  for (const [url, body, status, code] of [
    ['mirror', 'SIG-PUB-1\n', 422, 'key_malformed'],
    ['mirror', '', 422, 'key_malformed'],
    ['mirror', 'x'.repeat(10_000), 413, 'too_large'],
    ['..%2Fx', file, 400, 'invalid_request'],
    ['x'.repeat(65), file, 400, 'invalid_request'],
  ] as const) {
    t.match(
      await callApi(started, 'PUT', `/api/v1/depot/trusted-keys/${url}`, {
        body,
        headers: { 'content-type': 'text/plain' },
      }),
      { status, body: { code } },
      `${url} ${status}`,
    )
  }
  t.strictSame(await eventsOf(started), [])
})

test('signed-in callers see trusted keys, and only administrators of the whole depot change them', async (t) => {
  const started = await startDepot(t)
  const member = await started.account('ada')
  const file = formatDepotKey(generateDepotKey().publicKey)
  const changes = [
    ['PUT', '/api/v1/depot/trusted-keys/x'],
    ['DELETE', '/api/v1/depot/trusted-keys/x'],
    ['POST', '/api/v1/depot/keys'],
  ] as const
  for (const [method, url] of changes) {
    const body = method === 'PUT' ? { body: file } : {}
    t.match(
      await callApi(started, method, url, { token: null, ...body }),
      { status: 401, differences: '' },
      `${method} ${url}`,
    )
    t.match(
      await callApi(started, method, url, { token: member, ...body }),
      { status: 403, differences: '' },
      `${method} ${url}`,
    )
  }
  for (const url of ['/api/v1/depot/trusted-keys', '/api/v1/depot/trusted-keys/x'])
    t.match(await callApi(started, 'GET', url, { token: null }), { status: 401, differences: '' })
  t.match(await callApi(started, 'GET', '/api/v1/depot/trusted-keys', { token: member }), {
    status: 200,
    body: { trusted_keys: [] },
  })
  t.strictSame(await eventsOf(started), [])
})

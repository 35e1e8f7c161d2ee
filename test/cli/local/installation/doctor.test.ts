import { chmod, readFile, rename, unlink, writeFile } from 'node:fs/promises'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { rootCertificates } from 'node:tls'
import { fileURLToPath } from 'node:url'
import { test } from 'tap'
import { contradictions } from '../../../../src/cli/local/installation/examine.ts'
import { readConfig } from '../../../../src/config/config.ts'
import { openControl } from '../../../../src/depot/control.ts'
import { readVersion } from '../../../../src/package-root.ts'
import { runCommand } from '../../../support/command.ts'
import { overwriteTable } from '../../../support/faults/overwrite-table.ts'
import { makeOrigin, publishAll } from '../../../support/origin.ts'
import { scratchFolder } from '../../../support/run-cli.ts'
import { startDepot } from '../../../support/start-depot.ts'
import { isOnPostgres } from '../../../support/test-database.ts'

const NOW = Date.parse('2026-01-02T00:00:00Z')

interface Report {
  readonly problems: number
  readonly checks: readonly { readonly check: string; readonly problems: readonly string[] }[]
}

async function diagnose(env: Record<string, string>, now = NOW) {
  const { code, stdout } = await runCommand(['doctor', '--json'], { env, now })
  const { problems, checks } = JSON.parse(stdout) as Report
  const wrong = Object.fromEntries(
    checks.filter((each) => each.problems.length > 0).map((each) => [each.check, each.problems.join('\n')]),
  )
  return { code, problems, wrong, names: checks.map(({ check }) => check) }
}

test('doctor reports authorities that cannot be used, and checks that are turned off', async (t) => {
  const folder = await scratchFolder(t)
  const wrongWith = async (env: Record<string, string>) =>
    (await diagnose({ DEPOT_DATA: folder, ...env })).wrong['TLS']
  const missing = join(folder, 'missing.pem')
  const empty = join(folder, 'empty.pem')
  await writeFile(empty, 'no certificate')
  t.equal(await wrongWith({}), undefined)
  t.match(await wrongWith({ NODE_EXTRA_CA_CERTS: missing }), /missing\.pem, which cannot be read \(ENOENT\)/)
  t.match(await wrongWith({ NODE_EXTRA_CA_CERTS: empty }), /empty\.pem, which has no certificate in PEM/)
  const expired = fileURLToPath(new URL('../../../fixtures/tls/expired.pem', import.meta.url))
  t.match(await wrongWith({ NODE_EXTRA_CA_CERTS: expired }), /^the certificate of .* expired on 2/)
  const bundle = join(folder, 'bundle.pem')
  await writeFile(bundle, [await readFile(expired, 'utf8'), ...rootCertificates.slice(0, 1)].join('\n'))
  t.equal(await wrongWith({ NODE_EXTRA_CA_CERTS: bundle }), undefined, 'bundles keep expired authorities')
  t.match(
    await wrongWith({ NODE_TLS_REJECT_UNAUTHORIZED: '0' }),
    /certificates of other servers are not checked/,
  )
})

test('doctor finds nothing wrong with a new depot, and says what is wrong with others', async (t) => {
  const folder = await scratchFolder(t)
  const started = await startDepot(t, { folder, listen: true })
  await makeOrigin(started)
  const [hart] = await publishAll(started, 'acme/app/1.0.0/20260101120000')
  const env = { DEPOT_DATA: folder, DEPOT_LISTEN: '127.0.0.1:0' }
  const well = await runCommand(['doctor'], { env, now: NOW })
  t.match(well, { code: 0, stderr: '' })
  t.match(well.stdout, /^ok {5}Node: .*\nok {5}settings: [^]*^ok {5}packages: the files of 1 are there/m)
  t.notMatch(well.stdout, /wrong {2}/)

  t.match((await diagnose(env, Date.parse('2025-12-31T00:00:00Z'))).wrong, {
    clock: /^the clock says 2025-12-31\S+, but the last change was made at 2026-01-01/,
  })
  await chmod(join(folder, 'depot.sqlite'), 0o644)
  t.match((await diagnose(env)).wrong, {
    'data folder': /every user of this machine has access to .*: chmod 600 /,
  })
  await chmod(join(folder, 'depot.sqlite'), 0o600)
  await unlink(started.depot.blobs.storage.placeOf(hart?.checksum ?? ''))
  t.match(await diagnose({ ...env, DEPOT_ORIGIN_CREATORS: 'admin,adm1n' }), {
    code: 1,
    problems: 2,
    wrong: {
      packages: /^the files of 1 packages are missing or damaged, among them acme\/app/,
      accounts: 'DEPOT_ORIGIN_CREATORS names adm1n, but there is no such account; did you mean admin?',
    },
  })
})

if (!isOnPostgres)
  test('doctor finds damage in parts of the database that nothing has read', async (t) => {
    const folder = await scratchFolder(t)
    await (await startDepot(t, { folder })).close()
    await overwriteTable(folder, 'exchange_rules')
    const { code, wrong } = await diagnose({ DEPOT_DATA: folder, DEPOT_LISTEN: '127.0.0.1:0' })
    t.equal(code, 1)
    t.strictSame(Object.keys(wrong), ['database'])
    t.match(wrong['database'], /^the database is damaged \(.*btreeInitPage.*\): restore it from a backup$/)
  })

test('doctor tells a depot that is not there from one that it may not read, and from wrong settings', async (t) => {
  const folder = await scratchFolder(t)
  t.match(await diagnose({ DEPOT_DATA: folder }), {
    code: 1,
    wrong: { 'data folder': /^there is no depot in/ },
    names: ['Node', 'settings', 'TLS', 'data folder'],
  })
  t.match(await diagnose({ DEPOT_DATA: folder, DEPOT_WORKERS: 'many' }), {
    code: 1,
    wrong: { settings: /^DEPOT_WORKERS must be/ },
    names: ['Node', 'settings', 'TLS'],
  })
})

test('doctor asks the server for its version, and knows a server that is another one', async (t) => {
  const folder = await scratchFolder(t)
  const started = await startDepot(t, { folder, listen: true })
  const listen = (url: string) => ({ DEPOT_DATA: folder, DEPOT_LISTEN: new URL(url).host })
  t.match((await diagnose(listen(started.url))).wrong, {
    server: /^the depot at \S+ has another data folder/,
  })
  const control = await openControl(folder, started.depot)
  t.teardown(async () => control.close())
  t.match(await diagnose(listen(started.url)), { code: 0, wrong: {} })
  await fetch(`${started.url}/v1/depot/channels/acme/delivred/pkgs/app/latest`)
  t.match((await diagnose(listen(started.url))).wrong, {
    server: /^in the last day, views .* polled for \(1\)/,
  })
  t.match((await diagnose(listen('http://127.0.0.1:9'))).wrong, {
    server: /^a depot runs on .*Check DEPOT_LISTEN$/,
  })
  const other = await startDepot(t, { listen: true })
  t.match((await diagnose(listen(other.url))).wrong, { server: /^another depot than that of .* answers at/ })
  const stranger = createServer((_request, answer) => {
    answer.end(JSON.stringify({ name: 'another program', version: readVersion() }))
  })
  await new Promise<void>((resolve) => stranger.listen(0, '127.0.0.1', resolve))
  t.teardown(async () => void stranger.close())
  const { port } = stranger.address() as AddressInfo
  t.match((await diagnose(listen(`http://127.0.0.1:${port}`))).wrong, {
    server: /^another program than this depot/,
  })
})

test('doctor warns of a server whose data folder is gone', async (t) => {
  const folder = join(await scratchFolder(t), 'data')
  const { url } = await startDepot(t, { folder, listen: true })
  const env = { DEPOT_DATA: folder, DEPOT_LISTEN: new URL(url).host }
  await rename(folder, `${folder}.renamed`)
  const { wrong } = await diagnose(env)
  await rename(`${folder}.renamed`, folder)
  t.match(wrong, {
    'data folder': /^there is no depot in/,
    server: /^the server at \S+ still has .* do not stop it: see docs\/runbooks\/data-folder-gone\.md/,
  })
})

test('doctor finds nothing wrong with a depot that answers only with a token', async (t) => {
  const folder = await scratchFolder(t)
  const started = await startDepot(t, { folder, listen: true, environment: { DEPOT_ANONYMOUS: 'none' } })
  const control = await openControl(folder, started.depot)
  t.teardown(async () => control.close())
  const env = { DEPOT_DATA: folder, DEPOT_LISTEN: new URL(started.url).host }
  t.match(await diagnose(env), { code: 0, wrong: {} })
})

const find = (env: Record<string, string>) => contradictions(readConfig(env), 4)

test('settings that contradict each other are named', async (t) => {
  t.strictSame(find({}), [])
  t.match(find({ DEPOT_PUBLIC_URL: 'https://depot.example' }), [/DEPOT_TRUST_PROXY is off/])
  t.strictSame(find({ DEPOT_PUBLIC_URL: 'https://depot.example', DEPOT_TRUST_PROXY: 'loopback' }), [])
  t.strictSame(find({ DEPOT_TRUST_PROXY: 'on' }), [])
  t.match(find({ DEPOT_TRUST_PROXY: 'on', DEPOT_LISTEN: '0.0.0.0:9636' }), [/every client can claim/])
  t.match(find({ DEPOT_UPSTREAM: 'https://bldr.example' }), [/nothing is fetched from upstream/])
  t.match(find({ DEPOT_WORKERS: '8' }), ['DEPOT_WORKERS is 8, but this machine has 4 processors'])
})

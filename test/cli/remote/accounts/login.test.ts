import { chmod, mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import tap, { test } from 'tap'
import { runCommand } from '../../../support/command.ts'
import { ADMIN_TOKEN, startDepot } from '../../../support/start-depot.ts'

interface Teardown {
  teardown(fn: () => Promise<void>): unknown
}

async function configFolder(t: Teardown): Promise<{ XDG_CONFIG_HOME: string; file: string }> {
  const folder = await mkdtemp(join(tmpdir(), 'hart-depot-config-'))
  t.teardown(() => rm(folder, { recursive: true, force: true }))
  return { XDG_CONFIG_HOME: folder, file: join(folder, 'hart-depot/profiles.json') }
}

/** The depot of tests that do not disturb each other. */
const shared = await startDepot(tap, { listen: true })

test('login stores a token that the depot accepts, privately, and logout forgets it', async (t) => {
  const { url } = shared
  const { XDG_CONFIG_HOME, file } = await configFolder(t)
  const env = { XDG_CONFIG_HOME }
  const login = await runCommand(['login', `${url}/v1/depot`, '--with-token'], {
    env,
    stdin: `${ADMIN_TOKEN}\n`,
  })
  t.match(login, { code: 0, stdout: '' })
  t.notMatch(login.stderr, ADMIN_TOKEN)
  t.equal((await stat(file)).mode & 0o777, 0o600)
  t.equal((await stat(join(file, '..'))).mode & 0o777, 0o700)
  t.match(await runCommand(['whoami', '--quiet'], { env }), { code: 0, stdout: 'admin\n', stderr: '' })
  t.match(JSON.parse((await runCommand(['whoami', '--json'], { env })).stdout), { administrator: true })
  t.match(await runCommand(['logout'], { env }), { code: 0 })
  t.match(await runCommand(['whoami'], { env }), { code: 2 })
  t.notMatch(await readFile(file, 'utf8'), ADMIN_TOKEN)
})

test('login stores nothing unless the depot accepts the token', async (t) => {
  const { url } = shared
  const { XDG_CONFIG_HOME, file } = await configFolder(t)
  const env = { XDG_CONFIG_HOME }
  t.match(await runCommand(['login', url, '--with-token'], { env, stdin: 'hart_wrong' }), { code: 6 })
  t.match(await runCommand(['login', url, '--with-token'], { env, stdin: '' }), { code: 2 })
  t.match(await runCommand(['login', 'ftp://depot'], { env }), { code: 2 })
  await t.rejects(stat(file), { code: 'ENOENT' })
})

test('a malformed URL is a usage error, and one in a stored profile affects no other depot', async (t) => {
  const { url } = shared
  const { XDG_CONFIG_HOME, file } = await configFolder(t)
  const env = { XDG_CONFIG_HOME }
  await runCommand(['login', url, '--with-token'], { env, stdin: ADMIN_TOKEN })
  const { profiles } = JSON.parse(await readFile(file, 'utf8')) as { profiles: object }
  await writeFile(
    file,
    JSON.stringify({ current: 'bad', profiles: { bad: { url: 'http://' }, ...profiles } }),
  )
  t.match(await runCommand(['whoami', '--url', url, '--quiet'], { env }), { code: 0, stdout: 'admin\n' })
  t.match(await runCommand(['whoami'], { env }), { code: 2, stderr: /from profile bad/ })
  t.match(await runCommand(['whoami', '--url', 'ftp://depot'], { env }), { code: 2, stderr: /from --url/ })
  const badDepot = { ...env, HART_DEPOT_URL: 'http://depot/v1/depot/views/%zz', HART_DEPOT_TOKEN: 'hart_1' }
  t.match(await runCommand(['whoami'], { env: badDepot }), { code: 2, stderr: /from HART_DEPOT_URL/ })
  t.match(await runCommand(['whoami', '--url', url, '--quiet'], { env: badDepot }), { stdout: 'admin\n' })
})

test('login without a token keeps the stored one, or refuses to replace it', async (t) => {
  const { url } = shared
  const { XDG_CONFIG_HOME, file } = await configFolder(t)
  const env = { XDG_CONFIG_HOME }
  await runCommand(['login', url, '--with-token'], { env, stdin: ADMIN_TOKEN })
  t.match(await runCommand(['login', url], { env }), { code: 0, stderr: /^As admin, with the stored token/ })
  t.match(await runCommand(['whoami', '--quiet'], { env }), { stdout: 'admin\n' })
  const before = await readFile(file, 'utf8')
  t.match(await runCommand(['login', 'http://127.0.0.1:1'], { env }), {
    code: 2,
    stderr: /--with-token.*--profile NAME.*logout/,
  })
  t.equal(await readFile(file, 'utf8'), before)
})

test('profiles that others may read, or that are damaged, are refused', async (t) => {
  const { url } = shared
  const { XDG_CONFIG_HOME, file } = await configFolder(t)
  const env = { XDG_CONFIG_HOME }
  t.match(await runCommand(['login', url], { env }), { code: 0 })
  await chmod(file, 0o640)
  t.match(await runCommand(['views'], { env }), { code: 2, stderr: /chmod 600/ })
  await chmod(file, 0o600)
  await writeFile(file, '{')
  t.match(await runCommand(['views'], { env }), { code: 2, stderr: /damaged/ })
})

test('a token goes only to the depot that it was given for', async (t) => {
  const { url } = await startDepot(t, { listen: true })
  const other = await startDepot(t, { listen: true })
  const { XDG_CONFIG_HOME } = await configFolder(t)
  const given = { XDG_CONFIG_HOME, HART_DEPOT_URL: url, HART_DEPOT_TOKEN: ADMIN_TOKEN }
  t.match(await runCommand(['whoami', '--quiet'], { env: given }), { code: 0, stdout: 'admin\n' })
  t.match(
    await runCommand(['whoami', '--url', other.url], { env: given }),
    { code: 6 },
    'sent without a token',
  )
  const habitat = { XDG_CONFIG_HOME, HAB_BLDR_URL: url, HAB_AUTH_TOKEN: ADMIN_TOKEN }
  t.match(await runCommand(['whoami', '--quiet'], { env: habitat }), { code: 0 })
  t.match(
    await runCommand(['whoami'], { env: { XDG_CONFIG_HOME, HAB_BLDR_URL: url } }),
    { code: 2 },
    'half a pair',
  )
  t.match(await runCommand(['whoami'], { env: { ...habitat, HART_DEPOT_URL: other.url } }), { code: 6 })
})

test('a token that is missing in the environment is not replaced by a stored one', async (t) => {
  const { url } = shared
  const { XDG_CONFIG_HOME } = await configFolder(t)
  await runCommand(['login', url, '--with-token'], { env: { XDG_CONFIG_HOME }, stdin: ADMIN_TOKEN })
  const env = { XDG_CONFIG_HOME, HART_DEPOT_URL: url }
  t.match(await runCommand(['whoami'], { env }), { code: 6, stderr: /HART_DEPOT_URL.*HART_DEPOT_TOKEN/ })
  for (const empty of ['HART_DEPOT_TOKEN', 'HART_DEPOT_TOKEN_FILE'])
    for (const args of [['whoami'], ['whoami', '--url', url]])
      t.match(await runCommand(args, { env: { ...env, [empty]: '' } }), {
        code: 2,
        stderr: new RegExp(`${empty} is empty`),
      })
  t.match(await runCommand(['whoami', '--quiet', '--url', url], { env: { XDG_CONFIG_HOME } }), { code: 0 })
})

test('a token of the environment without a URL is not replaced by another one of a profile', async (t) => {
  const { url } = shared
  const { XDG_CONFIG_HOME } = await configFolder(t)
  const env = { XDG_CONFIG_HOME, HART_DEPOT_TOKEN: 'hart_narrow' }
  t.match(await runCommand(['whoami'], { env }), { code: 2, stderr: /no depot is named/ })
  await runCommand(['login', url, '--with-token'], { env, stdin: ADMIN_TOKEN })
  t.match(await runCommand(['whoami'], { env }), { code: 2, stdout: '', stderr: /without HART_DEPOT_URL/ })
  t.match(await runCommand(['whoami', '--profile', 'default'], { env }), { code: 0 })
  t.match(await runCommand(['whoami'], { env: { ...env, HART_DEPOT_TOKEN: ADMIN_TOKEN } }), { code: 0 })
})

test('a refused token is named by where it came from', async (t) => {
  const { url } = shared
  const { XDG_CONFIG_HOME, file } = await configFolder(t)
  await writeFile(join(XDG_CONFIG_HOME, 'token'), 'hart_wrong')
  const env = { XDG_CONFIG_HOME, HART_DEPOT_URL: url }
  const wrong = async (more: Record<string, string>, ...args: string[]) =>
    (await runCommand(['whoami', ...args], { env: { ...env, ...more } })).stderr
  t.match(await wrong({ HART_DEPOT_TOKEN: 'hart_wrong' }), /came from HART_DEPOT_TOKEN:/)
  const tokenFile = join(XDG_CONFIG_HOME, 'token')
  t.match(
    await wrong({ HART_DEPOT_TOKEN_FILE: tokenFile }),
    `came from ${tokenFile} (HART_DEPOT_TOKEN_FILE):`,
  )
  t.match(
    await wrong({ HART_DEPOT_URL: '', HAB_BLDR_URL: url, HAB_AUTH_TOKEN: 'hart_wrong' }),
    /came from HAB_AUTH_TOKEN:/,
  )
  t.match(
    (await runCommand(['login', url, '--with-token'], { env, stdin: 'hart_wrong' })).stderr,
    /came from stdin:/,
  )
  await runCommand(['login', url, '--with-token', '--profile', 'old'], { env, stdin: ADMIN_TOKEN })
  await writeFile(file, (await readFile(file, 'utf8')).replace(ADMIN_TOKEN, 'hart_revoked'))
  t.match(
    await wrong({}, '--profile', 'old'),
    `came from profile old: hart-depot login ${url} --profile old --with-token`,
  )
})

test('a token file with a relative path is looked up where the person stands, also through npm', async (t) => {
  const { url } = shared
  const { XDG_CONFIG_HOME } = await configFolder(t)
  await writeFile(join(XDG_CONFIG_HOME, 'token'), `${ADMIN_TOKEN}\n`)
  const npm = { npm_package_name: 'hart-depot', INIT_CWD: XDG_CONFIG_HOME }
  const env = { ...npm, XDG_CONFIG_HOME, HART_DEPOT_URL: url, HART_DEPOT_TOKEN_FILE: 'token' }
  t.match(await runCommand(['whoami', '--quiet'], { env }), { code: 0, stdout: 'admin\n' })
})

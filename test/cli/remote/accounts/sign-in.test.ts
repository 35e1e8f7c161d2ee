import { once } from 'node:events'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import tap, { test } from 'tap'
import { commandsOn, runCommand } from '../../../support/command.ts'
import { CLIENT_ID, startIdentityProvider } from '../../../support/signin/identity-provider.ts'
import { makeReleases } from '../../../support/release-rows.ts'
import { START, startDepot } from '../../../support/start-depot.ts'
import { AUDIENCE, startTokenIssuer } from '../../../support/signin/token-issuer.ts'

const issuer = await startTokenIssuer(tap)
const started = await startDepot(tap, {
  listen: true,
  environment: { DEPOT_ISSUER_NETWORKS: '127.0.0.0/8', DEPOT_PUBLIC_URL: AUDIENCE },
})
await makeReleases(started, 'acme/app/1.0.0/20260101000000')
await started.account('ci')
const { url } = started
const asAdministrator = commandsOn(started)

const folder = await mkdtemp(join(tmpdir(), 'hart-depot-jobs-'))
tap.teardown(() => rm(folder, { recursive: true, force: true }))
const env = { XDG_CONFIG_HOME: folder }

let tokens = 0
const sign = (claims: Record<string, unknown>) => issuer.sign({ jti: String((tokens += 1)), ...claims })
const loginOfJob = (job: Record<string, string>, ...more: string[]) =>
  runCommand(['login', url, '--ci', '--audience', AUDIENCE, ...more], { env: { ...env, ...job } })

const SET = ['--account', 'ci', '--action', 'upload', '--origin', 'acme', '--issuer', issuer.url]

test('an administrator sets, lists and removes rules for jobs', async (t) => {
  const claims = ['--claim', 'repository_id=77', '--claim', 'ref=a,b', '--claim', 'ref=c=d']
  const set = await asAdministrator([
    'exchange-rule',
    'set',
    'app',
    '--provider',
    'github',
    ...claims,
    ...SET,
  ])
  t.match(set, { code: 0, stdout: 'set the rule app\n' })
  const list = JSON.parse((await asAdministrator(['exchange-rule', 'list', '--json'])).stdout) as object
  t.match(list, [
    { rule: 'app', claims: { repository_id: ['77'], ref: ['a,b', 'c=d'] }, lifetime_seconds: 3_600 },
  ])
  t.match(
    (await asAdministrator(['exchange-rule', 'list'])).stdout,
    /app +github +ci +upload; origins acme; 60 min/,
  )
  t.match(await asAdministrator(['exchange-rule', 'remove', 'app', '--quiet']), { code: 0, stdout: '' })
  t.match(await asAdministrator(['exchange-rule', 'remove', 'app']), { code: 5 })
  const wrong = ['exchange-rule', 'set', 'app', '--provider', 'github', '--claim', 'ref', ...SET]
  t.match(await asAdministrator(wrong), { code: 2 })
})

test('a job of GitHub asks for a token for this depot, and its log hides the new one', async (t) => {
  await asAdministrator([
    'exchange-rule',
    'set',
    'app',
    '--provider',
    'github',
    '--claim',
    'repository_id=77',
    ...SET,
  ])
  const asked: unknown[] = []
  const server = createServer((request, answer) => {
    asked.push([request.url, request.headers.authorization])
    void sign({ repository_id: '77' }).then((value) => answer.end(JSON.stringify({ value })))
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.teardown(() => void server.close())
  const request = `http://127.0.0.1:${(server.address() as AddressInfo).port}/token?api-version=2`
  const job = {
    GITHUB_ACTIONS: 'true',
    ACTIONS_ID_TOKEN_REQUEST_URL: request,
    ACTIONS_ID_TOKEN_REQUEST_TOKEN: 'of-the-job',
  }
  const login = await loginOfJob(job)
  t.match(login, { code: 0, stdout: '' })
  t.strictSame(asked, [
    [`/token?api-version=2&audience=${encodeURIComponent(AUDIENCE)}`, 'Bearer of-the-job'],
  ])
  t.match(login.stderr, /As ci on .* by the rule app/)
  t.match(login.stderr, /^::add-mask::hart_/)
  t.match(await runCommand(['whoami', '--quiet'], { env }), { code: 0, stdout: 'ci\n' })
  const printed = await loginOfJob(job, '--print-token')
  t.match(printed.stdout, /^hart_\S+\n$/)
  t.match(await loginOfJob({ GITHUB_ACTIONS: 'true' }), { code: 2, stderr: /id-token: write/ })
  t.match(await loginOfJob({ ...job, ACTIONS_ID_TOKEN_REQUEST_URL: 'http://127.0.0.1:1/?x' }), { code: 7 })
})

test('a job of GitLab gives its ID token in a variable', async (t) => {
  const claim = ['--claim', 'project_id=17']
  await asAdministrator(['exchange-rule', 'set', 'lab', '--provider', 'gitlab', ...claim, ...SET])
  const idToken = await sign({ project_id: '17' })
  t.match(await loginOfJob({ GITLAB_CI: 'true', HART_DEPOT_ID_TOKEN: idToken }), {
    code: 0,
    stderr: /rule lab/,
  })
  t.match(await loginOfJob({ GITLAB_CI: 'true', HART_DEPOT_ID_TOKEN: idToken }), {
    code: 6,
    stderr: /before/,
  })
  t.match(await loginOfJob({ GITLAB_CI: 'true' }), { code: 2, stderr: /id_tokens/ })
})

test('a job of Buildkite asks its agent, with the claims that survive a rename', async (t) => {
  const claim = ['--claim', 'pipeline_id=0184']
  await asAdministrator(['exchange-rule', 'set', 'kite', '--provider', 'buildkite', ...claim, ...SET])
  await writeFile(join(folder, 'token'), await sign({ pipeline_id: '0184' }))
  const agent = `#!/bin/sh\necho "$@" > ${folder}/asked\ncat ${folder}/token\n`
  await writeFile(join(folder, 'buildkite-agent'), agent, { mode: 0o755 })
  const job = { BUILDKITE: 'true', PATH: `${folder}:/usr/bin:/bin` }
  t.match(await loginOfJob(job, '--rule', 'kite'), { code: 0 })
  t.equal(
    await readFile(join(folder, 'asked'), 'utf8'),
    `oidc request-token --audience ${AUDIENCE} --claim organization_id --claim pipeline_id\n`,
  )
  await writeFile(join(folder, 'buildkite-agent'), '#!/bin/sh\necho nobody is here >&2\nexit 1\n', {
    mode: 0o755,
  })
  t.match(await loginOfJob(job), { code: 1, stderr: /nobody is here/ })
})

test('a job that no rule allows stores nothing, and learns what it is', async (t) => {
  const other = { XDG_CONFIG_HOME: join(folder, 'other') }
  const idToken = await sign({ repository_id: '78', exp: START / 1_000 + 300 })
  const login = await loginOfJob({ ...other, HART_DEPOT_ID_TOKEN: idToken })
  t.match(login, { code: 6, stderr: /repository_id "78"/ })
  t.match(await runCommand(['whoami'], { env: other }), { code: 2 })
  t.match(await loginOfJob({}), { code: 2 })
  t.match(await runCommand(['login', url, '--rule', 'app'], { env }), { code: 2 })
  t.match(await runCommand(['login', url, '--ci', '--with-token'], { env }), { code: 2 })
})

test('a person signs in in a browser, and the command stores the token', async (t) => {
  const provider = await startIdentityProvider(t)
  provider.people.set('1', { preferred_username: 'jane', groups: ['payments'] })
  const signOn = await startDepot(t, {
    listen: true,
    environment: {
      DEPOT_ISSUER_NETWORKS: '127.0.0.0/8',
      DEPOT_OIDC_ISSUER: provider.issuer,
      DEPOT_OIDC_CLIENT_ID: CLIENT_ID,
      DEPOT_OIDC_SCOPES: 'openid profile groups',
    },
  })
  const as = commandsOn(signOn)
  const person = { XDG_CONFIG_HOME: join(folder, 'person') }
  const login = async () => {
    const signedIn: Promise<unknown>[] = []
    const result = await runCommand(['login', signOn.url, '--sso'], {
      env: person,
      onNote(text) {
        const [, place] = /Open (\S+)/.exec(text) ?? []
        if (place !== undefined) signedIn.push(provider.signIn(place, '1'))
      },
    })
    await Promise.all(signedIn)
    return result
  }
  t.match(await login(), { code: 6, stderr: /hart-depot account bind/ })
  await as(['account', 'add', 'jane'])
  t.match(await as(['account', 'bind', 'jane', '--subject', '1']), {
    code: 0,
    stdout: 'jane is bound to 1\n',
  })
  t.match((await as(['account', 'identities', 'jane'])).stdout, new RegExp(`${provider.issuer} +1 `))
  t.match(await login(), { code: 0, stdout: '', stderr: /As jane on / })
  t.match(await runCommand(['whoami', '--quiet'], { env: person }), { code: 0, stdout: 'jane\n' })
  await as(['origin', 'create', 'acme'])
  t.match(await as(['origin', 'add-group', 'acme', 'payments', '--role', 'maintainer']), { code: 0 })
  t.match((await as(['origin', 'groups', 'acme'])).stdout, /payments +maintainer/)
  const { stdout } = await runCommand(['whoami', '--json'], { env: person })
  t.match(JSON.parse(stdout), { groups: ['payments'], roles: { acme: 'maintainer' } })
  t.match(await as(['origin', 'remove-group', 'acme', 'payments']), { code: 0 })
  t.match(await as(['account', 'unbind', 'jane', '--subject', '1']), { code: 0 })
  t.match(await runCommand(['login', url, '--sso'], { env: person }), {
    code: 5,
    stderr: /no single sign-on/,
  })
})

import { test } from 'tap'
import { buildServer } from '../../../../src/http/server.ts'
import { parsePollRequest } from '../../../../src/http/habitat/polls/poll-request.ts'
import { converse } from '../../../support/ask.ts'
import { isExhaustive } from '../../../support/random.ts'
import { makeReleases, makeView, move, setVisibility } from '../../../support/release-rows.ts'
import { ADMIN_TOKEN, startDepot } from '../../../support/start-depot.ts'
import type { TestDepot } from '../../../support/start-depot.ts'

// Two servers of one depot, with and without the fast path, must give the same answers.

async function startBoth(t: Parameters<typeof startDepot>[0]): Promise<TestDepot & { ordinaryUrl: string }> {
  const started = await startDepot(t, { listen: true, hasThreads: true })
  const ordinary = await buildServer({
    ...started.depot,
    config: { ...started.depot.config, hasFastPath: false },
  })
  t.teardown(() => ordinary.close())
  return { ...started, ordinaryUrl: await ordinary.listen({ host: '127.0.0.1', port: 0 }) }
}

/** A whole response without its date, with the headers sorted by name. */
async function answerTo(url: string, path: string, headers: readonly string[]): Promise<string> {
  const talk = converse(url)
  await talk.say(
    `GET ${path} HTTP/1.1\r\nHost: depot\r\n${headers.map((line) => `${line}\r\n`).join('')}\r\n`,
  )
  const closes = headers.some((line) => line.endsWith('Connection: close'))
  const heard = closes ? await talk.toTheEnd() : await talk.hear(/\r\n\r\n/)
  const length = Number(/content-length: (\d+)/i.exec(heard)?.[1] ?? 0)
  const whole = closes
    ? heard
    : await talk.hear(new RegExp(`\\r\\n\\r\\n[^]{${heard.includes(' 304 ') ? 0 : length}}$`))
  talk.socket.destroy()
  const [head = '', body = ''] = whole.split(/\r\n\r\n([^]*)/)
  const [status = '', ...lines] = head.split('\r\n')
  const sorted = lines
    .map((line) => line.replace(/^[^:]*/, (name) => name.toLowerCase()).replace(/^date: .{29}$/, 'date'))
    .toSorted()
  return [status, ...sorted, '', body].join('\n')
}

/** Unless the test is exhaustive, each change is followed by one of so many paths, in turn. */
const SHARE = 17
const TARGETS = ['', '?target=x86_64-linux', '?target=aarch64-linux', '?target=x86_64-windows']

function* paths(): Generator<string> {
  for (const mount of ['/v1/depot', '/v1']) {
    for (const target of TARGETS) {
      for (const view of ['acceptance', 'stable', 'mine', 'ghost']) {
        for (const place of [`/views/${view}`, `/views/${view}/depot`]) {
          if (mount === '/v1' && place.endsWith('/depot')) continue
          for (const rest of [
            'app/latest',
            'app/1.0.0/latest',
            'app/9/latest',
            'ghost/latest',
            'app/2.0.0/20260101120000',
            'app/9/20260101120000',
          ]) {
            yield `${mount}${place}/pkgs/acme/${rest}${target}`
            yield `${mount}${place}/channels/acme/stable/pkgs/${rest}${target}`
          }
          yield `${mount}${place}/channels/core/stable/pkgs/glibc/latest${target}`
        }
        yield `${mount}/channels/acme/${view}/pkgs/app/latest${target}`
        yield `${mount}/channels/acme/${view}/pkgs/app/2.0.0/20260101120000${target}`
      }
      yield `${mount}/pkgs/acme/app/latest${target}`
      yield `${mount}/pkgs/acme/app/3.0.0/20260101120000${target}`
    }
  }
}

test('the fast path and the routes answer the same to every caller, after every kind of change', async (t) => {
  const started = await startBoth(t)
  const idents = ['1.0.0', '2.0.0', '3.0.0'].map((version) => `acme/app/${version}/20260101120000`)
  const [one, two, three] = await makeReleases(
    started,
    ...idents,
    'acme/app/2.0.0/20260101120000 for aarch64-linux',
    'core/glibc/2.27/20260101120000',
  )
  if (one === undefined || two === undefined || three === undefined) throw new Error('releases are missing')
  await makeView(started, 'mine', 'highest')
  const member = await started.account('member')
  await started.depot.writer.submit({
    kind: 'setMember',
    input: { origin: 'acme', account: 'member', role: 'readonly_member' },
    actor: { client: 'tests', door: 'cli' },
  })
  const narrowed = await started.account('narrowed', { actions: ['upload'] })
  const tag = `"${(await started.depot.db.selectFrom('releases').select('checksum').where('ident', '=', two.ident).where('target', '=', 'x86_64-linux').executeTakeFirstOrThrow()).checksum}"`
  const credentials = [
    [],
    [`Authorization: Bearer ${ADMIN_TOKEN}`],
    [`Authorization: Bearer ${member}`],
    [`authorization: basic ${Buffer.from(`x:${member}`).toString('base64')}`],
    [`Authorization: Bearer ${narrowed}`],
    ['Authorization: Bearer wrong'],
  ]
  const manners = [
    ['Connection: close'],
    ['User-Agent: hab/2.0 (aarch64-linux; 6.1)'],
    [`If-None-Match: W/${tag}`, 'Connection: keep-alive'],
    ['Proxy-Connection: close'],
    ['User-Agent: curl/8.5.0'],
    ['Accept: text/plain', 'Connection: close'],
    [
      'If-None-Match: *',
      'Connection: close',
      'User-Agent: hab-sup/0.8.0/20160708161531 (x86_64-linux; 4.4.0)',
    ],
  ]
  const all = [...paths()]
  let round = 0
  let compared = 0
  let found = 0
  const compare = async (name: string) => {
    const differing: string[] = []
    round += 1
    // Each path is requested in another form and by another caller after each move.
    for (const [n, path] of all.entries()) {
      if (!isExhaustive && n % SHARE !== round % SHARE) continue
      const headers = [
        ...(credentials[(n + compared) % credentials.length] ?? []),
        ...(manners[Math.floor(n / 3 + compared) % manners.length] ?? []),
      ]
      const [short, ordinary] = await Promise.all([
        answerTo(started.url, path, headers),
        answerTo(started.ordinaryUrl, path, headers),
      ])
      if (short !== ordinary) differing.push(`${path} ${headers.join(', ')}\n${short}\n---\n${ordinary}`)
      if (short.includes(' 200 ')) found += 1
      compared += 1
    }
    t.strictSame(differing, [], name)
  }
  await compare('published')
  for (const view of ['acceptance', 'stable', 'mine'])
    for (const release of [three, two]) await move(started, 'promote', view, [release])
  await move(started, 'promote', 'acceptance', [
    { ident: 'core/glibc/2.27/20260101120000', target: 'x86_64-linux' },
  ])
  await compare('promoted')
  await move(started, 'promote', 'acceptance', [one])
  await compare('moved down')
  await setVisibility(started, three.ident, 'private')
  await setVisibility(started, two.ident, 'hidden')
  await compare('hidden')
  await move(started, 'demote', 'stable', [three])
  await setVisibility(started, two.ident, 'public')
  await compare('demoted')
  await started.depot.writer
    .submit({
      kind: 'deleteRelease',
      input: { ident: three.ident, target: 'x86_64-linux' },
      actor: { client: 'tests', door: 'cli' },
    })
    .catch(() => undefined)
  await compare('deleted')
  t.ok(found > compared / 20, 'not all in vain')
})

test('people at a shell get a sentence when there is no release, and Supervisors an empty answer', async (t) => {
  const { url } = await startDepot(t, { listen: true, hasThreads: true })
  const path = '/v1/depot/views/union/pkgs/acme/app/latest'
  for (const header of ['User-Agent: curl/8.5.0', 'User-Agent: Wget/1.21', 'Accept: text/plain'])
    t.match(
      await answerTo(url, path, [header]),
      /^HTTP\/1\.1 404 [^]*\n\nunion has no release of acme\/app for x86_64-linux that you may see\n$/,
      header,
    )
  const version = '/v1/depot/channels/acme/stable/pkgs/app/1.0.0/latest?target=aarch64-linux'
  t.match(
    await answerTo(url, version, ['User-Agent: curl/8.5.0']),
    /stable has no release of acme\/app\/1\.0\.0 for aarch64-linux that/,
  )
  t.match(
    await answerTo(url, '/v1/nonsense', ['User-Agent: curl/8.5.0']),
    /there is nothing at \/v1\/nonsense\n$/,
  )
  t.match(await answerTo(url, '/nonsense', ['User-Agent: curl/8.5.0']), /there is nothing at \/nonsense\n$/)
  for (const header of ['User-Agent: hab/2.0 (x86_64-linux; 6.1)', 'Accept: */*'])
    for (const at of [path, '/v1/nonsense'])
      t.match(await answerTo(url, at, [header]), /content-length: 0\n[^]*\n\n$/)
})

const POLL = 'GET /v1/depot/views/acceptance/pkgs/acme/app/latest HTTP/1.1\r\nHost: depot\r\n'

const isPoll = (text: string) => parsePollRequest(Buffer.from(text, 'latin1')) !== undefined
const count = (text: string, part: string) => text.split(part).length - 1

test('the fast path reads only requests without ambiguity', async (t) => {
  t.ok(isPoll(`${POLL}\r\n`))
  t.ok(isPoll(`${POLL}Accept: */*\r\nX-Any:\r\nauthorization:Bearer x\r\n\r\n`))
  const others = [
    POLL,
    `${POLL}\r\n${POLL}\r\n`,
    `${POLL}\r\nx`,
    `\r\n${POLL}\r\n`,
    POLL.replace('GET', 'HEAD') + '\r\n',
    POLL.replace('GET', 'get') + '\r\n',
    POLL.replace('1.1', '1.0') + '\r\n',
    POLL.replace('Host: depot\r\n', 'Accept: x\r\n\r\n'),
    POLL.replaceAll('\r\n', '\n') + '\n',
    POLL.replace('acme', 'ac%6De') + '\r\n',
    POLL.replace('/acme', '//acme') + '\r\n',
    POLL.replace('latest', 'latest/') + '\r\n',
    POLL.replace('latest', 'latest?target=') + '\r\n',
    POLL.replace('latest', 'latest?target=vax') + '\r\n',
    POLL.replace('latest', 'latest?target=x86_64-linux&x=1') + '\r\n',
    POLL.replace('latest', 'latest#x') + '\r\n',
    POLL.replace('latest', 'latest;x') + '\r\n',
    POLL.replace('latest', '1.0/download') + '\r\n',
    POLL.replace('acme', 'a'.repeat(2_048)) + '\r\n',
    `${POLL}Content-Length: 0\r\n\r\n`,
    `${POLL}Transfer-Encoding: chunked\r\n\r\n`,
    `${POLL}Expect: 100-continue\r\n\r\n`,
    `${POLL}Upgrade: h2c\r\nConnection: upgrade\r\n\r\n`,
    `${POLL}Connection: te, close\r\n\r\n`,
    `${POLL}Proxy-Connection: close\r\n\r\n`,
    `${POLL}Host: other\r\n\r\n`,
    `${POLL}Authorization: a\r\nauthorization: b\r\n\r\n`,
    `${POLL}X-Fold: a\r\n b\r\n\r\n`,
    `${POLL}X Y: a\r\n\r\n`,
    `${POLL}X: a\x00\r\n\r\n`,
    `${POLL}X: a\rb\r\n\r\n`,
    `${POLL}X: \xe9\r\n\r\n`,
    `${POLL}: a\r\n\r\n`,
  ]
  for (const text of others) t.notOk(isPoll(text), JSON.stringify(text.slice(0, 200)))
})

test('a connection is answered the same however its bytes are cut', async (t) => {
  const started = await startDepot(t, { listen: true, hasThreads: true })
  await makeReleases(started, 'acme/app/1.0.0/20260101120000')
  await move(started, 'promote', 'acceptance', [
    { ident: 'acme/app/1.0.0/20260101120000', target: 'x86_64-linux' },
  ])
  const body = JSON.stringify({ name: 'made', rule: 'promoted' })
  const post = `POST /api/v1/views HTTP/1.1\r\nHost: depot\r\nAuthorization: Bearer ${ADMIN_TOKEN}\r\nContent-Length: ${body.length}\r\n\r\n${body}`
  for (const pieces of [
    [`${POLL}\r\n`, `${POLL}\r\n`, post, `${POLL}\r\n`],
    [`${POLL}\r\n${POLL}\r\n`, post, `${POLL}\r\n`],
    [`${POLL}\r\n`, `${POLL}\r\n${post.slice(0, 60)}`, post.slice(60), `${POLL}\r\n`],
    [POLL.slice(0, 10), `${POLL.slice(10)}\r\n${POLL}\r\n`, post, `${POLL}\r\n`],
  ]) {
    const talk = converse(started.url)
    for (const [n, piece] of pieces.entries()) {
      await talk.say(piece)
      if (n === 0 && piece.endsWith('\r\n\r\n')) await talk.hear(/"acceptance"/)
      else await new Promise(setImmediate)
    }
    const heard = await talk.hear(/(HTTP\/1\.1 [^]*){4}\}/)
    t.equal(count(heard, 'HTTP/1.1 200 OK'), 3)
    t.match(heard, /HTTP\/1\.1 (201|409) /)
    talk.socket.destroy()
  }
})

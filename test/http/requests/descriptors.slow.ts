import { test } from 'tap'
import { ask, converse } from '../../support/ask.ts'
import type { Conversation } from '../../support/ask.ts'
import { bearer } from '../../support/origin.ts'
import { scratchFolder, startServer } from '../../support/run-cli.ts'
import { until } from '../../support/until.ts'

const POLL = 'GET /v1/depot/pkgs/acme/app/latest HTTP/1.1\r\nHost: depot\r\n\r\n'
const STREAM = 'GET /api/v1/events HTTP/1.1\r\nHost: depot\r\nAccept: text/event-stream\r\n\r\n'
const ADMIN_TOKEN = 'an-administrator-token-of-more-than-32-characters'

test('a process with few file descriptors answers polls, changes and metrics, however many connections there are', async (t) => {
  const { url } = await startServer(
    t,
    await scratchFolder(t),
    { DEPOT_ADMIN_TOKEN: ADMIN_TOKEN },
    { files: 128 },
  )
  const talks: Conversation[] = []
  t.teardown(() => talks.forEach(({ socket }) => socket.destroy()))
  const open = async (request: string, pattern: RegExp) => {
    const talk = converse(url)
    talks.push(talk)
    await talk.say(request)
    return talk.hear(pattern)
  }
  for (let n = 0; n < 150; n += 1) t.match(await open(POLL, /\r\n\r\n/), /^HTTP\/1\.1 404 /, `poll ${n}`)

  const status = async () => Number((await open(STREAM, /^HTTP\/1\.1 (\d+)[^]*\r\n\r\n/)).slice(9, 12))
  let streams = 0
  while ((await status()) === 200) streams += 1
  t.ok(streams >= 8 && streams < 70, `${streams} requests are held, and no more`)
  t.match(talks.at(-1) && (await open(STREAM, /\r\n\r\n/)), /^HTTP\/1\.1 503 [^]*\r\nRetry-After: 5\r\n/)

  for (const { socket } of talks.splice(0)) socket.destroy()
  await until('/healthz answers 200', async () => (await ask(`${url}/healthz`)).status === 200)
  t.equal(
    (
      await ask(`${url}/v1/depot/origins`, {
        method: 'POST',
        headers: bearer(ADMIN_TOKEN),
        body: '{"name":"acme"}',
      })
    ).status,
    201,
  )
  t.match(
    (await ask(`${url}/metrics`)).text,
    /^hart_depot_file_descriptors_exhausted_total\{what="connection"\} [1-9]/m,
  )
})

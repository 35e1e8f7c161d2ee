import { join } from 'node:path'
import { getRequest, askAny, pollClosing, pollKeepingAlive } from './clients/load.ts'
import type { Poll } from './clients/load.ts'
import { LATEST, SUPERVISOR, VIEW, publishApp } from './poll.ts'
import { ORIGIN, TOKEN } from './clients/publisher.ts'
import { byTurns, formatResults, spreadOf } from './results.ts'
import type { Measurement, Results } from './results.ts'
import { openScratch } from './scratch.ts'
import { startServer } from './servers/process.ts'

// Measures the processor time of a poll with a Supervisor's token, which reads one view of a private origin
// and whose account has a role in many origins. The yardstick is the same poll without a token, answered by
// the same process in turns.

const MAX_OF_ANONYMOUS = 1.2
const ORIGINS = 50

export async function measureTokenPolls({ isQuick }: { isQuick: boolean }): Promise<Results> {
  await using scratch = await openScratch()
  await using depot = await startServer('depot.ts', [join(scratch.path, 'data'), TOKEN])
  await publishApp(depot.port, scratch.path)
  const token = await makeSupervisorsToken(depot.port)
  const measurements: Measurement[] = []
  for (const connection of ['keep-alive', 'close'] as const) {
    const isKept = connection === 'keep-alive'
    const [rounds, count, warming] = isQuick ? [11, 500, 5_000] : [41, 1_000, 20_000]
    const poll = isKept ? pollKeepingAlive : pollClosing
    const sideOf = async (headers: Readonly<Record<string, string>>) => {
      const request = getRequest(LATEST, { ...SUPERVISOR, ...headers }, connection)
      const { firstLine, sizeBytes } = await askAny(depot.port, request)
      if (!firstLine.includes(' 200 ')) throw new Error(`a poll was answered ${firstLine}`)
      const polls: Poll[] = [{ request, firstLine, answerBytes: sizeBytes }]
      await poll(depot.port, polls, warming)
      return async () => {
        const before = await depot.cpuMs()
        await poll(depot.port, polls, count)
        return (((await depot.cpuMs()) - before) * 1000) / count
      }
    }
    const samples = await byTurns(rounds, {
      token: await sideOf({ authorization: `Bearer ${token}` }),
      anonymous: await sideOf({}),
    })
    measurements.push({
      name: `poll with a Supervisor's token, ${isKept ? 'kept alive' : 'Connection: close'}`,
      unit: 'processor µs',
      depot: spreadOf(samples.token),
      yardstick: { name: 'the same without a token', ...spreadOf(samples.anonymous) },
      goal: MAX_OF_ANONYMOUS,
    })
  }
  return { measurements, limits: [], missing: [] }
}

/** Creates an account with a role in many origins, and returns a token of it that reads one view. */
async function makeSupervisorsToken(port: number): Promise<string> {
  await send(port, 'POST', 'accounts', { account: 'fleet' })
  for (let index = 0; index < ORIGINS; index += 1) {
    const origin = index === 0 ? ORIGIN : `team-${index}`
    if (index > 0) await send(port, 'POST', 'origins', { name: origin })
    await send(port, 'PUT', `origins/${origin}/members/fleet`, { role: 'readonly_member' })
  }
  const { secret } = await send(port, 'POST', 'tokens', {
    account: 'fleet',
    actions: ['read'],
    views: [VIEW],
  })
  return String(secret)
}

async function send(
  port: number,
  method: string,
  path: string,
  body: object,
): Promise<Record<string, unknown>> {
  const response = await fetch(`http://127.0.0.1:${port}/api/v1/${path}`, {
    method,
    headers: { authorization: `Bearer ${TOKEN}`, 'content-type': 'application/json' },
    body: JSON.stringify(body),
  })
  const text = await response.text()
  if (!response.ok) throw new Error(`${method} ${path} was answered ${response.status} ${text}`)
  return text === '' ? {} : (JSON.parse(text) as Record<string, unknown>)
}

if (process.argv[1] === import.meta.filename)
  console.log(formatResults(await measureTokenPolls({ isQuick: process.argv.includes('--quick') })))

import tap, { test } from 'tap'
import { MAX_CHANGES_OF_RELEASE, MAX_PHASES, MAX_RELEASES } from '../../../../src/changes/change-record.ts'
import { callApi } from '../../../support/call-api.ts'
import { makeReleases } from '../../../support/release-rows.ts'
import { startDepot } from '../../../support/start-depot.ts'

// The limits of change records, each reached and exceeded by one.

const started = await startDepot(tap)
const idents = Array.from(
  { length: MAX_RELEASES + 1 },
  (_, index) => `acme/app-${index}/1.0.0/20260101120000`,
)
await makeReleases(started, ...idents)

async function send(path: string, body: object, status: number): Promise<string> {
  const answer = await callApi(started, 'POST', `/api/v1/changes${path}`, { body })
  if (answer.status !== status || answer.differences !== '')
    throw new Error(`${path}: ${answer.status} ${answer.text} ${answer.differences}`)
  return String(answer.body?.['id'])
}

const record = (change: string) => send('', { project: 'acme/app', change, commit: change }, 201)

test('a change has a limited number of phases, and those that it has can be reported again', async () => {
  const id = await record('phases')
  const report = (number: number, status = 200) =>
    send(`/${id}/phases`, { phase: `phase-${number}`, status: 'passed' }, status)
  for (let number = 0; number < MAX_PHASES; number += 1) await report(number)
  await report(MAX_PHASES, 409)
  await report(1)
})

test('a change has a limited number of releases', async () => {
  const id = await record('releases')
  for (const [index, release] of idents.entries())
    await send(`/${id}/releases`, { release }, index < MAX_RELEASES ? 201 : 409)
})

test('a release belongs to a limited number of changes', async () => {
  for (let number = 1; number < MAX_CHANGES_OF_RELEASE; number += 1)
    await send(`/${await record(`change-${number}`)}/releases`, { release: idents[0] }, 201)
  await send(`/${await record('one-more')}/releases`, { release: idents[0] }, 409)
})

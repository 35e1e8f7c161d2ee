import tap, { test } from 'tap'
import { ROLES } from '../../../src/access/access.ts'
import { callApi } from '../../support/call-api.ts'
import type { ApiAnswer } from '../../support/call-api.ts'
import { CALLERS, createFullOrigin, createTeam } from '../../support/storage/full-origin.ts'
import type { CallerName, FullOrigin } from '../../support/storage/full-origin.ts'
import { startDepot } from '../../support/start-depot.ts'
import { ORIGIN_EXPECTATIONS, PEOPLE_EXPECTATIONS } from './expectations-origins.ts'
import type { Expectation, Wrong } from './expectations-origins.ts'

// Sends every request about origins and people as every caller. Callers without the role share one origin,
// which must not change; each caller with the role has an origin of its own.

const started = await startDepot(tap)
const team = await createTeam(started)
const ledgerLength = async () =>
  (
    await started.depot.db
      .selectFrom('ledger')
      .select((eb) => eb.fn.countAll<number>().as('count'))
      .executeTakeFirstOrThrow()
  ).count

let furnished = 0
const another = async () => createFullOrigin(started, team, `origin-${(furnished += 1)}`)
const shared = await another()

/** Returns the status for a caller, given valid input. */
function statusFor({ least, done }: Expectation, caller: CallerName): number {
  if (caller === 'forger') return 401
  if (least === 'anyone') return done
  if (caller === 'nobody') return 401
  if (least === 'session' || caller === 'depot') return done
  return caller !== 'outsider' && ROLES.indexOf(caller) >= ROLES.indexOf(least) ? done : 403
}

async function call(
  expected: Pick<Expectation, 'method' | 'path'> & { body?: unknown },
  caller: CallerName,
  place: FullOrigin,
): Promise<ApiAnswer> {
  const fill = (text: string) =>
    text
      .replaceAll('{origin}', place.origin)
      .replaceAll('{invitation}', String(place.invitation))
      .replaceAll('{caller}', caller === 'depot' ? 'admin' : caller)
  const body: unknown =
    typeof expected.body === 'object' ? JSON.parse(fill(JSON.stringify(expected.body))) : expected.body
  const headers = { 'content-type': 'application/json' }
  return callApi(started, expected.method, `/v1${fill(expected.path)}`, {
    token: team.tokenOf(caller),
    headers,
    ...(body !== undefined && { body }),
  })
}

/** Returns the least caller with the role. */
const allowed = ({ least }: Expectation): CallerName =>
  least === 'anyone' || least === 'session' ? 'outsider' : least

for (const expected of [...ORIGIN_EXPECTATIONS, ...PEOPLE_EXPECTATIONS]) {
  const { method, path, done, says } = expected
  test(`${method} ${path}`, async (t) => {
    for (const caller of CALLERS) {
      const status = statusFor(expected, caller)
      const before = await ledgerLength()
      const answer = await call(
        expected,
        caller,
        status === done && method !== 'GET' ? await another() : shared,
      )
      const isDone =
        status === done &&
        caller !== 'forger' &&
        caller !== 'nobody' &&
        !(says === undefined && status >= 400)
      t.match(answer, { status, ...(status !== 401 && { differences: '' }) }, caller)
      if (isDone && says !== undefined) t.not(answer.text, '', `${caller} is told something`)
      else if (status >= 400 || says === undefined) t.equal(answer.text, '', `${caller} is told nothing`)
      if (status === 401 || status === 403) t.equal(await ledgerLength(), before, `${caller} changes nothing`)
    }
  })

  test(`${method} ${path} for an absent object`, async (t) => {
    if (expected.absent === undefined) return
    t.match(await call(expected, 'depot', { origin: 'nowhere', invitation: 1 }), {
      status: expected.absent,
      differences: '',
    })
    if (expected.least !== 'anyone')
      t.match(
        await call(expected, 'owner', { origin: 'nowhere', invitation: 1 }),
        { status: path.includes('/invitations/') ? 404 : 403 },
        'a member of another origin',
      )
  })

  for (const wrong of expected.wrong ?? []) {
    test(`${method} ${path}: ${wrong.what}`, async (t) => {
      const place = method === 'GET' ? shared : await another()
      t.match(await call(asked(expected, wrong), callerFor(expected, wrong), place), {
        status: wrong.status,
        text: wrong.text ?? '',
        differences: '',
      })
      t.match(
        await call(asked(expected, wrong), 'nobody', place),
        { status: 401, text: '' },
        'rights come first',
      )
    })
  }
}

function asked(
  { method, path, body }: Expectation,
  wrong: Wrong,
): { method: Expectation['method']; path: string; body?: unknown } {
  const sent = 'body' in wrong ? wrong.body : body
  return { method, path: wrong.path ?? path, ...(sent !== undefined && { body: sent }) }
}

/** New keys need an administrator. */
function callerFor(expected: Expectation, wrong: Wrong): CallerName {
  return wrong.text === 'Invalid origin public key' ? 'administrator' : allowed(expected)
}

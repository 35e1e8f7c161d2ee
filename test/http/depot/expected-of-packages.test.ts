import tap, { test } from 'tap'
import { ROLES } from '../../../src/access/access.ts'
import { CALLERS, createFullOrigin, createTeam } from '../../support/storage/full-origin.ts'
import type { CallerName } from '../../support/storage/full-origin.ts'
import { makeReleases, move, setVisibility } from '../../support/release-rows.ts'
import { startDepot } from '../../support/start-depot.ts'
import { PACKAGE_READS, PACKAGE_WRITES } from './expectations-packages.ts'
import type { PackageExpectation } from './expectations-packages.ts'

// Sends every request about packages and channels as every caller.

const ACTOR = { client: 'tests', door: 'cli' } as const
const started = await startDepot(tap)
const team = await createTeam(started)

let origins = 0
async function another(): Promise<string> {
  const { origin } = await createFullOrigin(started, team, `origin${(origins += 1)}`)
  const releases = await makeReleases(started, `${origin}/app/1.0.0/20260101120000`)
  await started.depot.writer.submit({
    kind: 'declareChannel',
    input: { origin, name: 'canary', ownerId: 1 },
    actor: ACTOR,
  })
  await move(started, 'promote', 'canary', releases)
  return origin
}

async function call(method: PackageExpectation['method'], path: string, caller: CallerName, origin: string) {
  const token = team.tokenOf(caller)
  // Clients send this with requests without a body.
  const headers = {
    'content-type': 'application/json',
    ...(token !== null && { authorization: `Bearer ${token}` }),
  }
  const { statusCode, body } = await started.app.inject({
    method,
    url: `/v1${path.replaceAll('{origin}', origin)}`,
    headers,
  })
  return { status: statusCode, body }
}

const isMember = (caller: CallerName) => caller === 'depot' || (ROLES as readonly string[]).includes(caller)

function statusFor({ least, done, refused }: PackageExpectation, caller: CallerName): number {
  if (caller === 'forger') return 401
  if (least === 'anyone') return done
  if (caller === 'nobody') return 401
  const [has, needs] = [caller, least].map((name) => ROLES.findIndex((role) => role === name))
  return caller === 'depot' || (has ?? 0) >= (needs ?? 0) ? done : (refused ?? 403)
}

const open = await another()
const closed = await another()
await setVisibility(started, `${closed}/app/1.0.0/20260101120000`, 'private')

for (const expected of [...PACKAGE_READS, ...PACKAGE_WRITES]) {
  const { method, path, done, says, absent, unseen, wrong = [] } = expected
  test(`${method} ${path}`, async (t) => {
    for (const caller of CALLERS) {
      const status = statusFor(expected, caller)
      const answer = await call(method, path, caller, method === 'GET' ? open : await another())
      t.equal(answer.status, status, caller)
      if (says === undefined || status !== done) t.equal(answer.body, '', `${caller} is told nothing`)
      else t.not(answer.body, '', `${caller} is told something`)
    }
    if (absent !== undefined)
      t.equal((await call(method, path, 'depot', 'nowhere')).status, absent, 'for an absent object')
    for (const other of wrong) {
      const origin = method === 'GET' ? open : await another()
      t.match(
        await call(method, other.path ?? path, expected.least === 'anyone' ? 'nobody' : 'owner', origin),
        { status: other.status, body: other.text ?? '' },
        other.what,
      )
      if (expected.least !== 'anyone')
        t.match(
          await call(method, other.path ?? path, 'nobody', origin),
          { status: 401, body: '' },
          `${other.what}: rights come first`,
        )
    }
  })

  if (unseen === undefined) continue
  test(`${method} ${path}, of a private package`, async (t) => {
    for (const caller of CALLERS.filter((name) => name !== 'forger')) {
      const answer = await call(method, path, caller, closed)
      if (isMember(caller)) {
        t.equal(answer.status, done, caller)
      } else {
        const nothing = await call(method, path, caller, 'nowhere')
        t.strictSame(answer, nothing, `${caller}, as where there is nothing`)
        t.equal(answer.status, unseen)
      }
    }
  })
}

test('unstable refuses demotions before rights are checked', async (t) => {
  for (const caller of CALLERS) {
    t.match(
      await call(
        'PUT',
        '/depot/channels/{origin}/unstable/pkgs/app/1.0.0/20260101120000/demote',
        caller,
        open,
      ),
      { status: caller === 'forger' ? 401 : 403, body: '' },
      caller,
    )
  }
})

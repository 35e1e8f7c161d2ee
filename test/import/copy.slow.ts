import { test } from 'tap'
import { copy } from '../../src/import/copy.ts'
import { RemoteDepot } from '../../src/remote/remote-depot.ts'
import { ask } from '../support/ask.ts'
import { makeReleases } from '../support/release-rows.ts'
import { ADMIN_TOKEN, startDepot } from '../support/start-depot.ts'

test('channels are promoted in revisions of at most 500 releases, without refused ones', async (t) => {
  const started = await startDepot(t, { listen: true })
  const idents = Array.from({ length: 502 }, (_, index) => `acme/app/1.0.${index}/20260101120000`)
  const [refused, ...releases] = await makeReleases(started, ...idents)
  const depot = new RemoteDepot({ url: started.url, token: ADMIN_TOKEN, pause: async () => undefined })
  const failures: string[] = []
  const reporter = {
    begin: () => undefined,
    advance: () => undefined,
    fail: (_what: string, why: string) => failures.push(why),
    note: () => undefined,
  }
  const channel = {
    name: 'acceptance',
    isNew: false,
    membersPresent: 0,
    joining: 502,
    promotions: [refused === undefined ? [] : [refused, ...releases]],
    surplus: [],
  }
  const origin = {
    name: 'acme',
    isNew: false,
    visibility: 'public',
    owner: 'admin',
    ownerAtSource: undefined,
    access: undefined,
    keys: [],
    keysPresent: 0,
    releases: [],
    filesPresent: 502,
    channels: [channel],
  } as const
  const plan = { origins: [origin], differing: new Set([`${idents[0]} for x86_64-linux`]) }
  const { members } = await copy({ source: depot, destination: depot, reporter }, plan, {
    folder: '/nowhere',
    account: 'admin',
    owner: undefined,
  })
  t.strictSame(failures, [])
  t.equal(members, 501)
  const { revisions } = JSON.parse((await ask(`${started.url}/api/v1/views/acceptance/history`)).text) as {
    revisions: { joined: unknown[] }[]
  }
  t.strictSame(
    revisions.map(({ joined }) => joined.length),
    [1, 500],
  )
  const latest = JSON.parse((await ask(`${started.url}/api/v1/views/acceptance/latest/acme/app`)).text) as {
    ident: string
  }
  t.equal(latest.ident, idents.at(-1), 'in the order of the plan')
})

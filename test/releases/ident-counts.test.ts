import { test } from 'tap'
import { listWrongCounts } from '../../src/audit/wrong-count-store.ts'
import { listWrongSizes } from '../../src/audit/wrong-storage-store.ts'
import { ADMIN_TOKEN, startDepot } from '../support/start-depot.ts'
import { bearer } from '../support/origin.ts'
import { isExhaustive, seeded } from '../support/random.ts'
import { makeReleases, makeView, move } from '../support/release-rows.ts'
import type { ReleaseRow } from '../support/release-rows.ts'

// Totals of lists, and sizes of packages, are sums of counts that triggers keep. Whatever changes, they must
// stay what counting the releases gives.

const ACTOR = { client: 'tests', door: 'cli' } as const
const TARGETS = ['x86_64-linux', 'x86_64-windows', 'aarch64-linux'] as const
const PACKAGES = ['acme/a', 'acme/a-b', 'acme/ab', 'acme-two/a'] as const
const VIEWS = ['stable', 'soon', 'gone'] as const

test('counts follow every change, and pages together are the whole list', async (t) => {
  for (let run = 0; run < (isExhaustive ? 5 : 1); run += 1) {
    const started = await startDepot(t)
    const { depot, app } = started
    const random = seeded(run)
    const pick = <Item>(items: readonly Item[]): Item | undefined =>
      items[Math.floor(random() * items.length)]
    for (const view of VIEWS.slice(1)) await makeView(started, view, 'highest')
    const releases: ReleaseRow[] = []
    const publish = async () => {
      const ident = `${pick(PACKAGES) ?? ''}/${Math.floor(random() * 40)}.0/20260101000000`
      const bytes = random() < 0.3 ? { bytes: `shared ${Math.floor(random() * 5)}` } : {}
      const name = `${ident} for ${pick(TARGETS) ?? ''}`
      started.setClock(started.depot.now() + Math.floor(random() * 3 * 24 * 3_600_000))
      const made = await makeReleases(started, { name, deps: [], ...bytes }).catch(() => [])
      releases.push(...made)
    }
    const change = async (release: ReleaseRow) => {
      const act = random()
      const view = pick(VIEWS) ?? ''
      if (act < 0.35) await move(started, 'promote', view, [release])
      else if (act < 0.5) await move(started, 'demote', view, [release])
      else if (act < 0.8)
        await depot.writer.submit({
          kind: 'setVisibility',
          input: { ...release, visibility: pick(['public', 'private', 'hidden'] as const) ?? 'public' },
          actor: ACTOR,
        })
      else if (act < 0.95) await depot.writer.submit({ kind: 'deleteRelease', input: release, actor: ACTOR })
      else {
        const bulk = { origin: 'acme', source: 'unstable', view, ownerId: 1 }
        await depot.writer.submit({ kind: 'promoteAll', input: bulk, actor: ACTOR })
      }
    }
    for (let step = 0; step < 250; step += 1) {
      const release = pick(releases)
      if (release === undefined || random() < 0.6) await publish()
      else await change(release).catch(() => undefined) // some are refused
      if (step % 10 > 0) continue
      t.strictSame(await listWrongCounts(depot.db, 5), [], `after step ${step} of run ${run}`)
      t.strictSame(await listWrongSizes(depot.db, 5), [], `after step ${step} of run ${run}`)
    }
    t.strictSame(await listWrongCounts(depot.db, 5), [])
    t.strictSame(await listWrongSizes(depot.db, 5), [])
    const read = async (path: string, headers: Record<string, string>) =>
      (await app.inject({ url: `/v1/depot/${path}`, headers })).json<{
        total_count: number
        data: object[]
      }>()
    for (const headers of [{}, bearer(ADMIN_TOKEN)]) {
      for (const path of [
        'channels/acme/unstable/pkgs',
        'channels/acme/soon/pkgs',
        'pkgs/acme',
        'pkgs/search/a',
      ]) {
        const { total_count: total, data } = await read(`${path}?range=0`, headers)
        const rest: object[] = []
        for (let range = 50; range < total; range += 50)
          rest.push(...(await read(`${path}?range=${range}`, headers)).data)
        const texts = [...data, ...rest].map((ident) => Object.values(ident).slice(0, 4).join('/'))
        t.equal(texts.length, total, path)
        const sorted = [...new Set(texts)].toSorted()
        t.strictSame(texts, path.startsWith('pkgs/acme') ? sorted.toReversed() : sorted, path)
      }
    }
  }
})

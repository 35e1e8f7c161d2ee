import { Agent } from 'node:http'
import { LocalCluster } from '../scripts/cluster/local-cluster.ts'
import { ThrowawayPostgres } from '../scripts/cluster/postgres.ts'
import { ask } from '../test/support/ask.ts'
import type { Answer } from '../test/support/ask.ts'
import { buildHart, makeKeys } from '../test/support/build-hart.ts'
import { formatPublicKey } from '../src/hart/origin-key.ts'
import { formatIdent } from '../src/package/ident.ts'
import type { Results } from './results.ts'

// Measures two nodes over a PostgreSQL whose commits are durable: how long a promotion takes on one node until
// it is acknowledged, and from then until the other one answers it, while the connections on which nodes hear
// of each other are ended again and again.

const PROMOTIONS = 1_000
const END_LISTENERS_EVERY = 50
/** A promotion without faults, and one that waits for a node to connect again. */
const MAX_MEDIAN_MS = 100
const MAX_WORST_MS = 3_000

export async function measureCluster({ isQuick = false }: { isQuick?: boolean } = {}): Promise<Results> {
  if (!ThrowawayPostgres.isInstalled())
    return { measurements: [], limits: [], missing: ['several nodes: PostgreSQL is not installed'] }
  const cluster = await LocalCluster.start({ isDurable: true, environment: { DEPOT_SIGNATURES: 'verify' } })
  const agent = new Agent({ keepAlive: true })
  try {
    const [writer, reader] = cluster.nodes
    if (writer === undefined || reader === undefined) throw new Error('the cluster has two nodes')
    const authorization = `Bearer ${cluster.adminToken}`
    const post = async (path: string, body: Buffer | string, type: string): Promise<Answer> => {
      const headers = { authorization, 'content-type': type }
      const answer = await ask(writer.url + path, { method: 'POST', headers, body, agent })
      if (answer.status >= 300) throw new Error(`${path} was answered with ${answer.status}: ${answer.text}`)
      return answer
    }
    const postJson = (path: string, body: unknown) => post(path, JSON.stringify(body), 'application/json')
    const key = makeKeys('acme').publicKey
    await postJson('/api/v1/origins', { name: 'acme' })
    await post(`/v1/depot/origins/acme/keys/${key.revision}`, formatPublicKey(key), 'text/plain')
    await postJson('/api/v1/views', { name: 'prod', rule: 'promoted' })
    const idents: string[] = []
    for (const version of ['1.0.0', '1.1.0']) {
      const hart = buildHart({ ident: `acme/app/${version}/20260101120000` })
      const ident = formatIdent(hart.ident)
      const query = new URLSearchParams({ checksum: hart.checksum, target: hart.target }).toString()
      await post(`/v1/depot/pkgs/${ident}?${query}`, hart.bytes, 'application/octet-stream')
      idents.push(ident)
    }
    const acknowledged: number[] = []
    const answered: number[] = []
    let stale = 0
    const count = isQuick ? PROMOTIONS / 20 : PROMOTIONS
    for (let index = 0; index < count; index += 1) {
      if (index % END_LISTENERS_EVERY === 0)
        await cluster.postgres.query(
          `select pg_terminate_backend(pid) from pg_stat_activity where application_name = 'hart-depot listener'`,
        )
      const ident = idents[index % 2] ?? ''
      const begun = performance.now()
      await postJson('/api/v1/views/prod/promotions', { releases: [ident], reason: 'the bench' })
      const done = performance.now()
      const path = '/v1/depot/channels/acme/prod/pkgs/app/latest?target=x86_64-linux'
      for (;;) {
        const { text } = await ask(reader.url + path, { agent })
        if (text.includes(`"version":"${ident.split('/')[2]}"`)) break
        stale += 1
      }
      acknowledged.push(done - begun)
      answered.push(performance.now() - done)
    }
    return {
      measurements: [],
      limits: [
        {
          name: 'promotion on one of two nodes, median',
          unit: 'ms',
          value: at(acknowledged, 0.5),
          max: MAX_MEDIAN_MS,
        },
        {
          name: 'promotion on one of two nodes, worst',
          unit: 'ms',
          value: at(acknowledged, 1),
          max: MAX_WORST_MS,
        },
        { name: 'polls of the other node that were older', unit: 'polls', value: stale, max: 1 },
      ],
      missing: [],
      notes: [
        `two nodes, ${count} promotions, listeners ended ${Math.ceil(count / END_LISTENERS_EVERY)} times: acknowledged after ${spread(acknowledged)}; from then until the other node answered ${spread(answered)}`,
      ],
    }
  } finally {
    agent.destroy()
    await cluster.close()
  }
}

function spread(times: readonly number[]): string {
  return `${at(times, 0.5).toFixed(1)} ms (p50), ${at(times, 0.99).toFixed(1)} ms (p99), ${at(times, 1).toFixed(1)} ms (worst)`
}

/** The value below which a part of the values is. */
function at(values: readonly number[], part: number): number {
  const sorted = values.toSorted((a, b) => a - b)
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * part))] ?? 0
}

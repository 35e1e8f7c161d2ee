import type { LocalCluster } from '../../../scripts/cluster/local-cluster.ts'
import { formatPublicKey } from '../../../src/hart/origin-key.ts'
import { formatIdent } from '../../../src/package/ident.ts'
import { ask } from '../ask.ts'
import type { Answer } from '../ask.ts'
import { makeKeys } from '../build-hart.ts'
import type { BuiltHart } from '../build-hart.ts'
import { until } from '../until.ts'

const READY_MS = 60_000

type ClusterParts = Pick<LocalCluster, 'url' | 'nodes' | 'adminToken'>

/** An administrator who sends requests to `url`, which is that of nginx or of a node. */
export class ClusterClient {
  readonly #cluster: ClusterParts

  constructor(cluster: ClusterParts) {
    this.#cluster = cluster
  }

  get #authorization(): string {
    return `Bearer ${this.#cluster.adminToken}`
  }

  /** Sends a request. JSON is expected and sent. */
  async call(method: string, path: string, body?: unknown): Promise<Answer> {
    return ask(this.#cluster.url + path, {
      method,
      headers: {
        authorization: this.#authorization,
        accept: 'application/json',
        ...(body !== undefined && { 'content-type': 'application/json' }),
      },
      ...(body !== undefined && { body: JSON.stringify(body) }),
    })
  }

  async upload(hart: BuiltHart): Promise<Answer> {
    const query = new URLSearchParams({ checksum: hart.checksum, target: hart.target }).toString()
    return ask(`${this.#cluster.url}/v1/depot/pkgs/${formatIdent(hart.ident)}?${query}`, {
      method: 'POST',
      headers: { authorization: this.#authorization, accept: 'application/problem+json' },
      body: hart.bytes,
    })
  }

  /** Makes the origin `acme` with its key, and the view `prod`. */
  async makeOrigin(): Promise<void> {
    expect(await this.call('POST', '/api/v1/origins', { name: 'acme' }), 201)
    const key = makeKeys('acme').publicKey
    expect(
      await ask(`${this.#cluster.url}/v1/depot/origins/acme/keys/${key.revision}`, {
        method: 'POST',
        headers: { authorization: this.#authorization },
        body: formatPublicKey(key),
      }),
      201,
    )
    expect(await this.call('POST', '/api/v1/views', { name: 'prod', rule: 'promoted' }), 201)
  }

  /** Resolves when each node is ready. */
  async whenAllAnswer(): Promise<void> {
    for (const { name, url } of this.#cluster.nodes)
      await until(
        `${name} is ready`,
        async () => (await ask(`${url}/readyz`).catch(() => undefined))?.status === 200,
        READY_MS,
      )
  }
}

/** Throws unless the answer has the status. */
export function expect(answer: Answer, status: number): Answer {
  if (answer.status !== status) throw new Error(`got ${answer.status} instead of ${status}: ${answer.text}`)
  return answer
}

/** The path of the poll for a package in the view `prod`. */
export function pollPath(name: string): string {
  return `/v1/depot/channels/acme/prod/pkgs/${name}/latest?target=x86_64-linux`
}

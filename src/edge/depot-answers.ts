import { buffer } from 'node:stream/consumers'
import type { DepotClient } from '../client/client.ts'
import { RequestRefused } from '../client/errors.ts'
import { parseIdent } from '../package/ident.ts'
import type { ReleaseName } from '../package/ident.ts'
import { UNSTABLE } from '../views/view.ts'
import type { Form, LatestName } from './layout.ts'

/** An answer that the depot gives to everybody. */
export interface PublicAnswer {
  readonly body: Buffer
  /** The revision that moved the pointer, in an answer to `latest` without a version. */
  readonly revision: number | undefined
}

/** How many requests wait for the depot at a time. */
export const PARALLEL_READS = 16

/** Reads the answers of a depot that everybody gets. Its methods throw the errors of {@link DepotClient}. */
export class DepotAnswers {
  readonly depot: DepotClient
  readonly #signal: AbortSignal

  /** The client must have no token. */
  constructor(depot: DepotClient, signal: AbortSignal) {
    this.depot = depot
    this.#signal = signal
  }

  get options(): { readonly signal: AbortSignal } {
    return { signal: this.#signal }
  }

  /** Reads the body of a release; `undefined` if it is not there or not public. */
  async show({ ident, target }: ReleaseName, form: Form): Promise<Buffer | undefined> {
    const { origin, name, version, release } = parseIdent(ident)
    const place = form === 'whole' ? `channels/${origin}/${UNSTABLE}/pkgs` : `pkgs/${origin}`
    const found = await this.#read(
      `/v1/depot/${place}/${name}/${version}/${release}?target=${target}`,
      target,
    )
    return found?.body
  }

  async latest(
    view: string,
    { origin, name, version, target }: LatestName,
  ): Promise<PublicAnswer | undefined> {
    const part = version === undefined ? '' : `/${version}`
    return this.#read(
      `/v1/depot/channels/${origin}/${view}/pkgs/${name}${part}/latest?target=${target}`,
      target,
    )
  }

  /** Reads a list or a key. */
  async file(path: string): Promise<Buffer | undefined> {
    const { status, body } = await this.depot.read(path, this.options)
    const bytes = await buffer(body)
    return status === 404 ? undefined : bytes
  }

  /**
   * Reads what describes a release for a target. Returns `undefined` if the depot describes another target
   * instead, or passes on what upstream says of a release: no entry would tell when such an answer changes.
   */
  async #read(path: string, target: string): Promise<PublicAnswer | undefined> {
    const { status, headers, body } = await this.depot.read(path, this.options)
    const bytes = await buffer(body)
    if (status === 404 || headers['depot-target'] !== target) return undefined
    const revision = headers['depot-revision']
    return { body: bytes, revision: revision === undefined ? undefined : Number(revision) }
  }
}

/** Reports whether the API refused a call because there is no such thing. */
export function isAbsent(error: unknown): boolean {
  return error instanceof RequestRefused && error.status === 404
}

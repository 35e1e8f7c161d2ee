import { HartDigest } from '../../../hart/digest.ts'
import { verifySignature } from '../../../hart/signature.ts'
import { formatKeyName, parsePublicKey } from '../../../hart/origin-key.ts'
import { compareReleases } from '../../../package/version.ts'
import { formatIdent, makeIdent } from '../../../package/ident.ts'
import type { Ident } from '../../../package/ident.ts'

/** The result of one poll of a view's URL. */
export interface PollResult {
  readonly ident: Ident
  /** The revision of the view, from the response header. */
  readonly revision: number
  readonly change: 'first' | 'none' | 'newer' | 'older'
}

const HEADERS = { 'user-agent': 'hab-sup/2.0.134/20240101000000 (x86_64-linux; 6.1.0)', connection: 'close' }

/**
 * Polls a view as a supervisor does. If the latest release has changed, downloads it, fetches the signer's
 * key and verifies the signature. Follows rollbacks to older releases, like `--update-condition
 * track-channel`.
 */
export class SimulatedSupervisor {
  readonly #depotUrl: string
  readonly #packageName: string
  #running: Ident | undefined

  /** `depotUrl` is the view's; `packageName` is `origin/name`. */
  constructor(depotUrl: string, packageName: string) {
    this.#depotUrl = depotUrl
    this.#packageName = packageName
  }

  /**
   * Polls once. Returns `undefined` if the view does not have the package. Throws if the depot's answer is
   * invalid.
   */
  async poll(): Promise<PollResult | undefined> {
    const answer = await fetch(`${this.#depotUrl}/pkgs/${this.#packageName}/latest`, { headers: HEADERS })
    if (answer.status === 404) {
      await answer.body?.cancel()
      return undefined
    }
    if (answer.status !== 200) throw new Error(`${answer.url} answered ${answer.status}`)
    const { ident: parts, checksum } = (await answer.json()) as {
      ident: Parameters<typeof makeIdent>[0]
      checksum: string
    }
    const ident = makeIdent(parts)
    const before = this.#running
    const order = before === undefined ? undefined : compareReleases(ident, before)
    if (order !== 0) await this.#install(ident, checksum)
    this.#running = ident
    const change = order === undefined ? 'first' : order === 0 ? 'none' : order > 0 ? 'newer' : 'older'
    return { ident, revision: Number(answer.headers.get('depot-revision')), change }
  }

  async #install(ident: Ident, checksum: string): Promise<void> {
    const download = await this.#get(`pkgs/${formatIdent(ident)}/download`)
    if (download.headers.get('x-filename') === null) throw new Error(`${download.url} names no file`)
    const digest = new HartDigest()
    digest.update(new Uint8Array(await download.arrayBuffer()))
    const digests = digest.finish()
    if (digests.checksum !== checksum)
      throw new Error(`${download.url} gave bytes with the checksum ${digests.checksum}, not ${checksum}`)
    const { signer } = digests.header
    const key = parsePublicKey(
      await (await this.#get(`origins/${signer.origin}/keys/${signer.revision}`)).text(),
    )
    if (formatKeyName(key) !== formatKeyName(signer))
      throw new Error(`the depot gave ${formatKeyName(key)} for ${formatKeyName(signer)}`)
    verifySignature(digests.header, digests.payloadHash, key)
  }

  async #get(path: string): Promise<Response> {
    const response = await fetch(`${this.#depotUrl}/${path}`, { headers: HEADERS })
    if (response.status !== 200) throw new Error(`${response.url} answered ${response.status}`)
    return response
  }
}

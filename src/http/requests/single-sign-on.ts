import { generateToken, hashToken } from '../../accounts/token.ts'
import type { Depot } from '../../depot/depot.ts'
import { readNamedFile } from '../../config/secret-file.ts'
import { DepotError } from '../../errors.ts'
import { IdentityProvider } from '../../signin/identity-provider.ts'
import { issuerRequestOptions } from '../../signin/issuer-request.ts'
import type { Person } from '../../signin/person.ts'

/** The maximum number of requests in each thread that wait for the single sign-on at the same time. */
const MAX_WAITING = 32
const RETRY_AFTER_S = 5

/** The single sign-on of a depot, for the routes of one thread. Everyone may begin a sign-in. */
export class SingleSignOn {
  readonly #depot: Depot
  readonly #provider: IdentityProvider | undefined
  #waiting = 0

  private constructor(depot: Depot, provider: IdentityProvider | undefined) {
    this.#depot = depot
    this.#provider = provider
  }

  /** Rejects with `invalid_request` if the client secret of the settings cannot be read. */
  static async open(depot: Depot): Promise<SingleSignOn> {
    const { config, log, now } = depot
    if (config.singleSignOn === undefined) return new SingleSignOn(depot, undefined)
    const { clientSecretFile: file, makesAccounts: _makesAccounts, ...settings } = config.singleSignOn
    const clientSecret =
      file === undefined ? undefined : await readNamedFile(file, 'DEPOT_OIDC_CLIENT_SECRET_FILE', log)
    const issuers = issuerRequestOptions(config.issuerNetworks)
    return new SingleSignOn(depot, new IdentityProvider({ ...settings, clientSecret }, issuers, now))
  }

  /** Whether the settings name a single sign-on. */
  get isConfigured(): boolean {
    return this.#provider !== undefined
  }

  /**
   * Calls the single sign-on. At most {@link MAX_WAITING} calls run at once; beyond that, throws
   * `overloaded`. Throws `not_found` if the depot has no single sign-on.
   */
  async ask<Result>(act: (provider: IdentityProvider) => Promise<Result>): Promise<Result> {
    if (this.#provider === undefined) throw new DepotError('not_found', 'this depot has no single sign-on')
    if (this.#waiting >= MAX_WAITING)
      throw new DepotError('overloaded', 'too many people sign in at this moment', {
        retryAfterSeconds: RETRY_AFTER_S,
      })
    this.#waiting += 1
    try {
      return await act(this.#provider)
    } finally {
      this.#waiting -= 1
    }
  }

  /** Issues a token to a person whom the single sign-on has identified. Throws the errors of `signIn`. */
  async issue(
    person: Person,
    client: string,
  ): Promise<{ readonly token: string; readonly tokenId: number; readonly account: string }> {
    const { config, writer } = this.#depot
    const token = generateToken()
    const issued = await writer.submit({
      kind: 'signIn',
      input: { person, hash: hashToken(token), makesAccounts: config.singleSignOn?.makesAccounts === true },
      actor: { client, door: 'depot' },
    })
    return { token, ...issued }
  }
}

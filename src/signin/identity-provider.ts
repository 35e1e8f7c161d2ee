import type * as OpenIdClient from 'openid-client'
import type { Configuration, TokenEndpointResponse, TokenEndpointResponseHelpers } from 'openid-client'
import { DepotError } from '../errors.ts'
import { networkFault } from '../network-fault.ts'
import { requestIssuer } from './issuer-request.ts'
import type { IssuerRequestOptions } from './issuer-request.ts'
import { readPerson } from './person.ts'
import type { Person } from './person.ts'
import { MAX_CLOCK_DIFFERENCE_S } from './verify-id-token.ts'

/** How the depot reaches the single sign-on, and how it identifies itself there. */
export interface ProviderSettings {
  readonly issuer: string
  readonly clientId: string
  /** Absent for a public client. */
  readonly clientSecret: string | undefined
  /** The scopes to ask for, separated by spaces. */
  readonly scopes: string
  /** The claim that lists the groups of a person. */
  readonly groupsClaim: string
}

/** What a person needs to sign in on another device (RFC 8628, 3.2). */
export interface DeviceAuthorization {
  readonly deviceCode: string
  readonly userCode: string
  readonly verificationUrl: string
  /** `verificationUrl` with the user code in it. Absent if the provider gives none. */
  readonly completeUrl: string | undefined
  readonly expiresInS: number
  readonly intervalS: number
}

/**
 * A sign-in that has begun in a browser. The caller keeps it until the sign-in ends, and never shows
 * `verifier`.
 */
export interface CodeRequest {
  /** The page to which the caller sends the browser. */
  readonly url: URL
  readonly state: string
  readonly nonce: string
  readonly verifier: string
}

type Tokens = TokenEndpointResponse & TokenEndpointResponseHelpers

const DEVICE_GRANT = 'urn:ietf:params:oauth:grant-type:device_code'
const USUAL_INTERVAL_S = 5
/** After this time, the depot reads the metadata of the provider again. */
const FRESH_DESCRIPTION_MS = 60 * 60_000

/**
 * The single sign-on of the depot, an OpenID Connect provider. Every method throws `issuer_unavailable` if
 * the provider cannot be reached or its answer is invalid, and `unauthenticated` if it refuses the request.
 */
export class IdentityProvider {
  readonly #settings: ProviderSettings
  readonly #options: IssuerRequestOptions
  readonly #now: () => number
  #known: { readonly configuration: Configuration; readonly readAt: number } | undefined

  constructor(settings: ProviderSettings, options: IssuerRequestOptions, now: () => number) {
    this.#settings = settings
    this.#options = options
    this.#now = now
  }

  /** Begins a sign-in on another device. */
  async startDevice(): Promise<DeviceAuthorization> {
    return this.#call(async (client, configuration) => {
      const started = await client.initiateDeviceAuthorization(configuration, {
        scope: this.#settings.scopes,
      })
      return {
        deviceCode: started.device_code,
        userCode: started.user_code,
        verificationUrl: started.verification_uri,
        completeUrl: started.verification_uri_complete,
        expiresInS: started.expires_in,
        intervalS: started.interval ?? USUAL_INTERVAL_S,
      }
    })
  }

  /**
   * Asks once whether the person has signed in. Returns `pending` if not, and `slow_down` if the caller must
   * also wait longer between two calls (RFC 8628, 3.5). Throws `conflict` for a person in too many groups.
   */
  async finishDevice(deviceCode: string): Promise<Person | 'pending' | 'slow_down'> {
    return this.#call(async (client, configuration) => {
      try {
        const parameters = { device_code: deviceCode }
        return await this.#read(
          client,
          configuration,
          await client.genericGrantRequest(configuration, DEVICE_GRANT, parameters),
        )
      } catch (error) {
        const code = error instanceof client.ResponseBodyError ? error.error : undefined
        if (code === 'authorization_pending') return 'pending'
        if (code === 'slow_down') return 'slow_down'
        throw error
      }
    })
  }

  /**
   * Begins a sign-in in a browser, with PKCE (RFC 7636). At the end, the provider sends the browser to
   * `redirectUrl`.
   */
  async startCode(redirectUrl: string): Promise<CodeRequest> {
    return this.#call(async (client, configuration) => {
      const verifier = client.randomPKCECodeVerifier()
      const [state, nonce] = [client.randomState(), client.randomNonce()]
      const url = client.buildAuthorizationUrl(configuration, {
        redirect_uri: redirectUrl,
        scope: this.#settings.scopes,
        code_challenge: await client.calculatePKCECodeChallenge(verifier),
        code_challenge_method: 'S256',
        state,
        nonce,
      })
      return { url, state, nonce, verifier }
    })
  }

  /**
   * Ends a sign-in in a browser. `url` is the redirect URL with the parameters that the provider added.
   * Throws `conflict` for a person in too many groups.
   */
  async finishCode(url: URL, { state, nonce, verifier }: Omit<CodeRequest, 'url'>): Promise<Person> {
    return this.#call(async (client, configuration) =>
      this.#read(
        client,
        configuration,
        await client.authorizationCodeGrant(configuration, url, {
          expectedState: state,
          expectedNonce: nonce,
          pkceCodeVerifier: verifier,
          idTokenExpected: true,
        }),
      ),
    )
  }

  /**
   * Reads the person from the ID token and the user information. Many providers name groups only in the user
   * information.
   */
  async #read(client: typeof OpenIdClient, configuration: Configuration, tokens: Tokens): Promise<Person> {
    const claims = tokens.claims()
    if (claims === undefined) throw new DepotError('unauthenticated', 'the single sign-on gave no ID token')
    const more =
      configuration.serverMetadata().userinfo_endpoint === undefined
        ? {}
        : await client.fetchUserInfo(configuration, tokens.access_token, claims.sub)
    return readPerson(this.#settings.issuer, { ...more, ...claims }, this.#settings.groupsClaim)
  }

  async #call<Result>(
    act: (client: typeof OpenIdClient, configuration: Configuration) => Promise<Result>,
  ): Promise<Result> {
    const client = await import('openid-client') // only depots with single sign-on load it
    try {
      return await act(client, await this.#configure(client))
    } catch (error) {
      throw error instanceof Error ? this.#translate(client, error) : error
    }
  }

  async #configure(client: typeof OpenIdClient): Promise<Configuration> {
    const now = this.#now()
    if (this.#known !== undefined && now - this.#known.readAt < FRESH_DESCRIPTION_MS)
      return this.#known.configuration
    const { issuer, clientId, clientSecret } = this.#settings
    const url = new URL(issuer)
    const configuration = await client.discovery(
      url,
      clientId,
      { [client.clockTolerance]: MAX_CLOCK_DIFFERENCE_S },
      clientSecret === undefined ? client.None() : client.ClientSecretBasic(clientSecret),
      {
        [client.customFetch]: async (target, { method, headers, body }) => {
          const {
            status,
            headers: answered,
            body: bytes,
          } = await requestIssuer(
            new URL(target),
            { method, headers, ...(body instanceof URLSearchParams && { body: body.toString() }) },
            this.#options,
          )
          const type = answered['content-type']
          return new Response(bytes.length === 0 ? null : new Uint8Array(bytes), {
            status,
            headers: type === undefined ? {} : { 'content-type': type },
          })
        },
        timeout: this.#options.timeoutMs / 1_000,
        execute: [
          client.enableNonRepudiationChecks, // verifies the signature of the ID token
          // requestIssuer accepts plain http only for loopback addresses
          ...(url.protocol === 'http:' ? [client.allowInsecureRequests] : []),
        ],
      },
    )
    this.#known = { configuration, readAt: now }
    return configuration
  }

  /** Translates an error of the library, whose own messages may contain tokens. */
  #translate(client: typeof OpenIdClient, error: Error): Error {
    if (error instanceof DepotError) return error
    if (error instanceof client.ResponseBodyError || error instanceof client.AuthorizationResponseError)
      return new DepotError('unauthenticated', `the single sign-on refuses: ${explain(error.error)}`, {
        cause: error,
      })
    const { cause } = error
    const inner = cause instanceof Error ? cause : error
    return new DepotError(
      'issuer_unavailable',
      `${this.#settings.issuer} cannot sign anyone in now: ${networkFault(inner)}`,
      { cause: error, retryAfterSeconds: USUAL_INTERVAL_S },
    )
  }
}

/** Explains an error code of OAuth (RFC 6749, 5.2; RFC 8628, 3.5). */
function explain(code: string): string {
  switch (code) {
    case 'access_denied':
      return 'the person said no'
    case 'expired_token':
      return 'the code has expired, so begin again'
    case 'invalid_grant':
      return 'the code is wrong or was used before, so begin again'
    case 'invalid_client':
    case 'unauthorized_client':
      return `it does not accept this depot (${code}); its operator must correct DEPOT_OIDC_CLIENT_ID or its secret`
    default:
      return code
  }
}

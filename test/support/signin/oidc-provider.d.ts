declare module 'oidc-provider' {
  import type { RequestListener } from 'node:http'

  export interface Claims {
    readonly sub: string
    readonly [claim: string]: unknown
  }

  /** The parts of the real provider that tests use. */
  export class Provider {
    constructor(issuer: string, configuration: object)
    callback(): RequestListener
  }
}

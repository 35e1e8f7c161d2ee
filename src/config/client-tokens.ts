/** Reads the client tokens in the environment: `HAB_AUTH_TOKEN` and `HART_DEPOT_TOKEN`. */
export function readTokens(environment: Readonly<Record<string, string | undefined>>): {
  habitat: string | undefined
  hartDepot: string | undefined
} {
  return {
    habitat: environment['HAB_AUTH_TOKEN'] || undefined,
    hartDepot: environment['HART_DEPOT_TOKEN'] || undefined,
  }
}

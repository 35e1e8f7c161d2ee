declare module 'jq-web' {
  /** What jq writes, less the last newline. */
  const jq: Promise<{ raw(json: string, filter: string, flags: readonly string[]): string }>
  export = jq
}

declare module 'jq-web' {
  /** Returns the output of jq without the last newline. */
  const jq: Promise<{ raw(json: string, filter: string, flags: readonly string[]): string }>
  export = jq
}

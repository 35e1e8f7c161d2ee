// sodium-native carries no types; these are the few functions that are used here.
declare module 'sodium-native' {
  interface Sodium {
    readonly crypto_generichash_STATEBYTES: number
    crypto_generichash_init(state: Buffer, key: undefined, outputLength: number): void
    crypto_generichash_update(state: Buffer, input: Uint8Array): void
    crypto_generichash_final(state: Buffer, output: Buffer): void
  }
  const sodium: Sodium
  export = sodium
}

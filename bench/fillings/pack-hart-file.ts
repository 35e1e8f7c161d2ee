import { closeSync, openSync, writeSync } from 'node:fs'
import { Blake2b } from '../../src/hart/blake2b.ts'
import { packPayload, signedHeader } from '../../src/hart/pack.ts'
import type { PackOptions } from '../../src/hart/pack.ts'

/** Writes a hart file of any size in the memory of one chunk. Blocks until the file is written. */
export function packHartFile(path: string, options: PackOptions): void {
  const fd = openSync(path, 'w')
  try {
    // The header comes first and holds the hash of the rest. Every header of a key has the same length.
    let at = signedHeader('0'.repeat(64), options.secretKey).length
    const hash = new Blake2b()
    for (const chunk of packPayload(options)) {
      writeSync(fd, chunk, 0, chunk.length, at)
      at += chunk.length
      hash.update(chunk)
    }
    writeSync(fd, signedHeader(hash.digest(), options.secretKey), 0, undefined, 0)
  } finally {
    closeSync(fd)
  }
}

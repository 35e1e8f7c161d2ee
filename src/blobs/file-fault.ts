import { BlobAbsent, BlobUnreadable } from './storage.ts'

/** Errors of the process or the machine, not of the file: a retry may succeed. */
const TRANSIENT: readonly string[] = ['EMFILE', 'ENFILE', 'ENOMEM', 'EAGAIN', 'EINTR', 'EBUSY']

/**
 * Translates an error of the file system about the file of a blob. Only ENOENT means that the blob is absent.
 * Returns other errors as they are.
 */
export function fileFault(checksum: string, error: unknown): unknown {
  if (!(error instanceof Error && 'code' in error && typeof error.code === 'string')) return error
  const { code } = error
  if (code === 'ENOENT') return new BlobAbsent(checksum, { cause: error })
  if (!/^E[A-Z0-9]+$/.test(code)) return error
  return new BlobUnreadable(checksum, {
    damage: TRANSIENT.includes(code) ? undefined : 'unreadable',
    reason: code,
    cause: error,
  })
}

/** Returns the fault of a blob whose size differs from its row's. */
export function sizeFault(checksum: string, sizes: { found: number; expected: number }): BlobUnreadable {
  return new BlobUnreadable(checksum, {
    damage: 'of another size',
    reason: `it has ${sizes.found} bytes instead of ${sizes.expected}`,
  })
}

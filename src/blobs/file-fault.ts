import { BlobAbsent, BlobUnreadable } from './storage.ts'

/** The codes of errors that come from the process or the machine, not from the file. A retry may succeed. */
const TRANSIENT: readonly string[] = ['EMFILE', 'ENFILE', 'ENOMEM', 'EAGAIN', 'EINTR', 'EBUSY']

/**
 * Converts an error of the file system to the error of a store: {@link BlobAbsent} for ENOENT, {@link
 * BlobUnreadable} for other errors of the system. Returns any other error unchanged.
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

/** Returns the error for a blob whose file has another size than its row. */
export function sizeFault(checksum: string, sizes: { found: number; expected: number }): BlobUnreadable {
  return new BlobUnreadable(checksum, {
    damage: 'of another size',
    reason: `it has ${sizes.found} bytes instead of ${sizes.expected}`,
  })
}

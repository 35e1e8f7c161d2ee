import { stat } from 'node:fs/promises'

/** What is wrong with the bytes of a blob. */
export type Damage = 'missing' | 'of another size' | 'unreadable' | 'of other bytes'

/** What can be told of a blob without reading it. */
export interface Look {
  readonly damage: Damage | undefined
  /** Differs once another file has taken its place, or was written to. */
  readonly identity: string
}

/** Of the process and the machine, not of the file: trying again may help. */
const PASSING: readonly unknown[] = ['EMFILE', 'ENFILE', 'ENOMEM', 'EAGAIN', 'EINTR', 'EBUSY']

/**
 * Looks at the file of a blob that should have so many bytes. Only ENOENT means that it is missing: whatever else the system says is an
 * error of the disk or of how it is set up, and makes it unreadable. Rejects with what concerns the process alone, such as EMFILE.
 */
export async function look(path: string, sizeBytes: number): Promise<Look> {
  try {
    const { dev, ino, size, mtimeNs, ctimeNs } = await stat(path, { bigint: true })
    return {
      damage: size === BigInt(sizeBytes) ? undefined : 'of another size',
      identity: [dev, ino, size, mtimeNs, ctimeNs].join(':'),
    }
  } catch (error) {
    const damage = damageOf(error)
    if (damage === undefined) throw error
    return { damage, identity: damage }
  }
}

/** What an error of the system says of a file that was opened or read; `undefined` where it says nothing of it. */
export function damageOf(error: unknown): Damage | undefined {
  if (
    !(error instanceof Error && 'code' in error && typeof error.code === 'string') ||
    PASSING.includes(error.code)
  )
    return undefined
  if (error.code === 'ENOENT') return 'missing'
  if (error.code === FILE_ENDS) return 'of another size'
  return /^E[A-Z0-9]+$/.test(error.code) ? 'unreadable' : undefined
}

const FILE_ENDS = 'FILE_ENDS'

/** What a reader fails with that comes to the end of a file too early. */
export function endsBefore(path: string, byte: number): Error {
  return Object.assign(new Error(`${path} ends before byte ${byte}`), { code: FILE_ENDS })
}
